//! A queue of interleaved stereo samples that keeps its memory.

/// Stereo samples, first in, first out. A *frame* here is one sample of each channel.
#[derive(Debug, Default)]
pub(crate) struct Fifo {
    samples: Vec<f32>,
    /// How many samples at the front are gone already.
    head: usize,
}

impl Fifo {
    pub(crate) fn frames(&self) -> usize {
        (self.samples.len() - self.head) / 2
    }

    /// Appends interleaved stereo samples.
    pub(crate) fn push(&mut self, stereo: &[f32]) {
        self.compact();
        self.samples.extend_from_slice(stereo);
    }

    /// Appends so many frames of silence.
    pub(crate) fn push_silence(&mut self, frames: usize) {
        self.compact();
        self.samples.resize(self.samples.len() + 2 * frames, 0.0);
    }

    /// The first frames, as many as asked for or all there are.
    pub(crate) fn front(&self, frames: usize) -> &[f32] {
        let end = self.samples.len().min(self.head + 2 * frames);
        &self.samples[self.head..end]
    }

    /// Likewise, to be changed in place.
    pub(crate) fn front_mut(&mut self, frames: usize) -> &mut [f32] {
        let end = self.samples.len().min(self.head + 2 * frames);
        &mut self.samples[self.head..end]
    }

    pub(crate) fn clear(&mut self) {
        self.samples.clear();
        self.head = 0;
    }

    pub(crate) fn drop_front(&mut self, frames: usize) {
        self.head = self.samples.len().min(self.head + 2 * frames);
    }

    /// Moves everything to the end of another queue.
    pub(crate) fn drain_into(&mut self, other: &mut Self) {
        other.push(&self.samples[self.head..]);
        self.head = self.samples.len();
    }

    /// Reuses the front once most of it is gone, so that samples are moved rarely and memory stays.
    fn compact(&mut self) {
        if self.head * 2 >= self.samples.len() {
            self.samples.drain(..self.head);
            self.head = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_the_order_in_which_they_came() {
        let mut fifo = Fifo::default();
        fifo.push(&[1.0, -1.0, 2.0, -2.0]);
        fifo.drop_front(1);
        fifo.push(&[3.0, -3.0]);
        fifo.push_silence(1);
        assert_eq!(fifo.frames(), 3);
        assert_eq!(fifo.front(2), [2.0, -2.0, 3.0, -3.0]);
        fifo.drop_front(9);
        assert_eq!(fifo.front(1), []);
    }
}
