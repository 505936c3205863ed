//! The test files. But for the music: 441 Hz on the left, 613 Hz on the right.

pub(crate) const AIFF: &[u8] = include_bytes!("../../../../assets/trial/tones.aiff");
pub(crate) const FLAC: &[u8] = include_bytes!("../../../../assets/trial/tones.flac");
pub(crate) const M4A: &[u8] = include_bytes!("../../../../assets/trial/tones.m4a");
pub(crate) const MP3: &[u8] = include_bytes!("../../../../assets/trial/tones.mp3");
pub(crate) const MUSIC: &[u8] = include_bytes!("../../../../assets/trial/music.opus");
pub(crate) const OPUS: &[u8] = include_bytes!("../../../../assets/trial/tones.opus");
pub(crate) const VORBIS: &[u8] = include_bytes!("../../../../assets/trial/tones.ogg");
pub(crate) const WAV: &[u8] = include_bytes!("../../../../assets/trial/tones.wav");
