//! Files as they are met outside: odd, old, broken and hostile ones. Each is decoded as a whole and
//! judged by what comes out, or by the one error that it gives.
//!
//! The tests make the files themselves, from tones and from `assets/trial`. `frames.mp3` and
//! `low.mp3` are two seconds of the same tones as MP3 frames that stand by themselves, 64 kbit/s of
//! stereo at 44.1 kHz and 24 kbit/s of mono at 22.05 kHz:
//!
//! ```text
//! ffmpeg -f lavfi -i 'aevalsrc=0.2632*sin(2*PI*441*t)|0.2632*sin(2*PI*613*t):s=44100:d=2' \
//!   -b:a 64k -reservoir 0 -joint_stereo 0 -write_xing 0 -id3v2_version 0 frames.mp3
//! ```

mod containers;
mod hear;
mod hostile;
mod loudness;
mod lying;
mod mpeg;
mod streams;
mod tags;
mod write;
