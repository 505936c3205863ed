//! A MatrixRTC call as a client library.
//!
//! [`Call::join`] makes this device a participant of a room's call: a member on Matrix, connected to
//! an SFU, with media keys for those who are there. What it then sends comes from an
//! [`AudioSource`], pulled 20 ms at a time. What a call asks of Matrix is the small trait in
//! [`matrix`]; what it says and decides there is in [`matrixrtc`]; the SFU's side is in
//! [`livekit`]. In an encrypted room media is sent encrypted or not at all.
//!
//! ```text
//!   Call --commands--> driver (one task on a worker)  --requests--> Matrix (control plane)
//!        <--events---    |  drives machine::Machine   <--answers--
//!                        |  = matrixrtc::Session + livekit::Connection + frame::Sealer
//!                        '--> WebSocket, UDP sockets
//! ```

mod call;
mod driver;
mod end;
mod machine;
pub mod matrix;
mod network;
mod source;
mod worker;

pub use call::{Call, Config, Event};
pub use end::{EndReason, SfuError, TokenError, chain};
pub use network::{Network, NetworkError};
pub use phonograph_livekit as livekit;
pub use phonograph_matrixrtc as matrixrtc;
pub use source::{AudioSource, Pulled};
pub use worker::Workers;
