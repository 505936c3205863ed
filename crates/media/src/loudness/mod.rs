//! How loud a source is, and by how much it has to be turned up or down to be as loud as others.
//!
//! A source says so itself by its tags ([`Info::loudness`]), or it is measured ahead of playing by
//! [`measure`], which decodes all of it. Either gives a [`Loudness`], two numbers that are worth
//! keeping; [`Loudness::gain`] makes of them what a player applies.
//!
//! What is measured is what is heard: the stereo mix, after the gain in the header of Opus.
//! Specifications: EBU R 128, ITU-R BS.1770-4 (by the crate `ebur128`), EBU Tech 3341.
//!
//! [`Info::loudness`]: crate::playback::Info::loudness

mod measure;
mod scan;
pub(crate) mod tag;
mod units;

pub use measure::{Limits, MeasureError, measure};
pub use scan::{Measured, Scanner};
pub use units::{DbTp, Gain, Loudness, Lufs};
