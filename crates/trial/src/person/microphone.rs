//! What a browser's pretended microphone plays: a WAV file, 48 kHz and one channel, again and
//! again.

use std::f64::consts::TAU;

const RATE: u32 = 48_000;

/// How long the file is. A tone of a whole number of hertz goes round without a click.
const SECONDS: u32 = 10;

/// RMS 0.21: well above any threshold, well below clipping.
const TONE_AMPLITUDE: f64 = 0.3;

/// -70 dBFS: an open microphone that sends packets and that nobody hears.
const QUIET_AMPLITUDE: f64 = 0.0003;

/// What somebody's microphone hears. It is one per [`Browser`](crate::browser::Browser), for all of
/// its pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Microphone {
    /// Next to nothing, so that nobody is disturbed.
    #[default]
    Quiet,
    /// A steady tone of RMS 0.21.
    Tone {
        /// Its frequency in hertz.
        hertz: u32,
    },
}

impl Microphone {
    /// The WAV file, 16 bits a sample.
    pub fn wav(self) -> Vec<u8> {
        let (hertz, amplitude) = match self {
            Self::Quiet => (100, QUIET_AMPLITUDE),
            Self::Tone { hertz } => (hertz, TONE_AMPLITUDE),
        };
        let step = TAU * f64::from(hertz) / f64::from(RATE);
        let samples = (0..RATE * SECONDS).map(|n| amplitude * (step * f64::from(n)).sin());
        let data = samples.map(|sample| (sample * f64::from(i16::MAX)).round() as i16);
        let data = data.flat_map(i16::to_le_bytes).collect::<Vec<_>>();
        let mut wav = header(data.len() as u32);
        wav.extend(data);
        wav
    }
}

/// A RIFF header for `bytes` of PCM: format 1, one channel, 16 bits.
fn header(bytes: u32) -> Vec<u8> {
    const BYTES_A_SAMPLE: u32 = 2;
    let mut wav = Vec::with_capacity(44 + bytes as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(RATE.to_le_bytes());
    wav.extend((RATE * BYTES_A_SAMPLE).to_le_bytes());
    wav.extend((BYTES_A_SAMPLE as u16).to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_round_without_a_click() {
        let wav = Microphone::Tone { hertz: 440 }.wav();
        assert_eq!(wav.len(), 44 + (RATE * SECONDS * 2) as usize);
        let sample = |at: usize| i16::from_le_bytes([wav[44 + 2 * at], wav[45 + 2 * at]]);
        assert_eq!(sample(0), 0);
        let step = i32::from(sample(1));
        assert!((i32::from(sample((RATE * SECONDS) as usize - 1)) + step).abs() <= 1);
    }

    #[test]
    fn the_header_says_how_much_follows() {
        let wav = Microphone::Quiet.wav();
        assert_eq!(&wav[..4], b"RIFF");
        assert_eq!(wav[4..8], (wav.len() as u32 - 8).to_le_bytes());
        assert_eq!(wav[40..44], (wav.len() as u32 - 44).to_le_bytes());
    }
}
