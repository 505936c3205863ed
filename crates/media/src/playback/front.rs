//! A source whose first bytes can be looked at again and again.
//!
//! Several readers look at the front of a file before one of them reads on, and for a link each
//! jump is another request. So the front is kept, and a jump is made when bytes behind it are
//! wanted, not when somebody asks for it.

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// How much of the front is kept: the headers of most files, and some frames of MP3.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Where the inner source stands after an error: nowhere.
const LOST: u64 = u64::MAX;

/// A source that remembers how it begins, if it can seek; else it is as it is.
pub(crate) struct Front {
    inner: Box<dyn MediaSource>,
    /// Where the inner source stands.
    inner_at: u64,
    /// Where whoever reads this stands.
    at: u64,
    head: Vec<u8>,
}

impl Front {
    /// Of a source that stands at its beginning, or can go there.
    pub(crate) fn new(inner: Box<dyn MediaSource>) -> Self {
        let inner_at = if inner.is_seekable() { LOST } else { 0 };
        Self { inner, inner_at, at: 0, head: Vec::new() }
    }

    fn read_inner(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A file that points there has nothing there; files refuse to be asked.
        if i64::try_from(self.at).is_err() {
            return Ok(0);
        }
        if self.at != self.inner_at {
            self.inner.seek(SeekFrom::Start(self.at))?;
        }
        self.inner.read(buf)
    }
}

impl Read for Front {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let kept = usize::try_from(self.at).ok().and_then(|at| self.head.get(at..));
        if let Some(mut kept) = kept.filter(|kept| !kept.is_empty()) {
            let len = kept.read(buf)?;
            self.at += len as u64;
            return Ok(len);
        }
        let len = self.read_inner(buf).inspect_err(|_| self.inner_at = LOST)?;
        if self.inner.is_seekable() && self.at == self.head.len() as u64 {
            let room = HEAD_BYTES_MAX - self.head.len();
            self.head.extend_from_slice(&buf[..len.min(room)]);
        }
        self.at += len as u64;
        self.inner_at = self.at;
        Ok(len)
    }
}

impl Seek for Front {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                if let Some(len) = self.inner.byte_len() {
                    len.checked_add_signed(by)
                } else {
                    self.inner_at = LOST;
                    Some(self.inner.seek(to)?)
                }
            }
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl MediaSource for Front {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.inner.byte_len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::super::open::look;
    use super::*;

    /// Counts the jumps that it makes.
    struct Counted(Cursor<Vec<u8>>, Arc<AtomicUsize>);

    impl Read for Counted {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            let before = self.0.position();
            let after = self.0.seek(to)?;
            // A short way forward is read through, not jumped over.
            let is_far = after < before || after - before > 128 << 10;
            self.1.fetch_add(usize::from(is_far), Ordering::Relaxed);
            Ok(after)
        }
    }

    impl MediaSource for Counted {
        fn is_seekable(&self) -> bool {
            true
        }

        fn byte_len(&self) -> Option<u64> {
            Some(self.0.get_ref().len() as u64)
        }
    }

    #[test]
    fn to_look_at_a_file_takes_few_jumps() {
        const ASSETS: [(&str, &[u8]); 6] = [
            ("FLAC", include_bytes!("../../../../assets/trial/tones.flac")),
            ("MP3", include_bytes!("../../../../assets/trial/tones.mp3")),
            ("Opus", include_bytes!("../../../../assets/trial/tones.opus")),
            ("MP4", include_bytes!("../../../../assets/trial/tones.m4a")),
            ("WAV", include_bytes!("../../../../assets/trial/tones.wav")),
            ("AIFF", include_bytes!("../../../../assets/trial/tones.aiff")),
        ];
        for (name, file) in ASSETS {
            let jumps = Arc::new(AtomicUsize::new(0));
            let source = Counted(Cursor::new(file.to_vec()), Arc::clone(&jumps));
            look(Box::new(source)).expect("a file that can be played");
            let jumps = jumps.load(Ordering::Relaxed);
            // To the tags at the end, of which there are several kinds, and back.
            assert!(jumps <= 5, "{name}: {jumps} jumps");
        }
    }

    #[test]
    fn nothing_is_where_no_file_reaches() {
        let mut front = Front::new(Box::new(Cursor::new(vec![7; 9])));
        front.seek(SeekFrom::Start(u64::MAX)).expect("nobody is asked");
        assert_eq!(front.read(&mut [0; 4]).expect("nobody is asked"), 0);
    }

    proptest! {
        #[test]
        fn it_reads_as_the_source_does(
            steps in proptest::collection::vec((any::<bool>(), 0..300_000_u64, 1..90_000_usize), 1..20),
        ) {
            let file: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
            let mut plain = Cursor::new(file.clone());
            let mut front = Front::new(Box::new(Cursor::new(file)));
            for (seeks, at, len) in steps {
                if seeks {
                    plain.seek(SeekFrom::Start(at)).expect("memory can seek");
                    front.seek(SeekFrom::Start(at)).expect("memory can seek");
                }
                let (mut expected, mut read) = (Vec::new(), Vec::new());
                plain.by_ref().take(len as u64).read_to_end(&mut expected).expect("memory");
                front.by_ref().take(len as u64).read_to_end(&mut read).expect("memory");
                prop_assert_eq!(expected, read);
            }
        }
    }
}
