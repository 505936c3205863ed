//! A MatrixRTC call as a client library.
//!
//! What a call asks of Matrix is the small trait in [`matrix`]; what it says and decides there is
//! in [`matrixrtc`].

pub mod matrix;

pub use phonograph_matrixrtc as matrixrtc;
