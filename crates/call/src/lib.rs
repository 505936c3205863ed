//! A `MatrixRTC` call as a client library: joins any Element Call of the default dialect, is heard and
//! hears, end-to-end encrypted, without libwebrtc.
//!
//! [`Call::join`] makes this device a participant of a room's call: a member on Matrix, connected to
//! the SFUs that members publish on, with media keys for those who are there. What it then sends
//! comes from an [`AudioSource`], pulled 20 ms at a time; what others send comes out of a [`Track`],
//! encoded and decrypted. What a call asks of Matrix is the small trait in [`matrix`]; what it says
//! and decides there is in [`matrixrtc`]; the SFU's side is in [`livekit`], frames and their
//! encryption in [`frame`]. In an encrypted room media is sent encrypted or not at all, and nothing is
//! handed on that was not decrypted.
//!
//! ```text
//!   Call --commands--> driver (one task on a worker)  --requests--> Matrix (control plane)
//!        <--events---    |  drives machine::Machine   <--answers--
//!   Track <--frames--    |  = matrixrtc::Session + livekit::Connection each + frame encryption
//!                        '--> WebSocket, UDP and TCP sockets
//! ```
//!
//! # A bot in twenty lines
//!
//! With `phonograph-matrix` for the Matrix side; whole programs are in that crate's `examples`.
//!
//! ```ignore
//! let (account, _chat) = phonograph_matrix::Account::start(settings).await?;
//! let network = phonograph_call::Network::new(&[])?;
//! let workers = phonograph_call::Workers::per_core()?;
//! let mut call = Call::join(account.calls(), Config::new(room), &network, &workers);
//! call.publish(Box::new(my_source));
//! let syncing = tokio::spawn(async move { account.run().await });
//! while let Some(event) = call.event().await {
//!     match event {
//!         Event::TrackPublished(track) => { let heard = call.subscribe(&track.id); /* … */ }
//!         Event::Ended(reason) => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! ```

mod alarm;
mod call;
mod driver;
mod end;
mod machine;
pub mod matrix;
mod network;
mod password;
mod source;
mod throttle;
mod track;
mod worker;

pub use call::{Call, Config, Event, Role};
pub use end::{EndReason, SfuError, TokenError, chain};
pub use network::{Network, NetworkError};
pub use password::Password;
pub use phonograph_frame as frame;
pub use phonograph_livekit as livekit;
pub use phonograph_matrixrtc as matrixrtc;
pub use source::{AudioSource, Pulled};
pub use track::{Frame, Heard, Track, TrackId, TrackInfo, Undecryptable};
pub use worker::Workers;
