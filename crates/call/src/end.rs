//! Why a call ended, as the application needs to know it.

use phonograph_livekit::{AddressError, Why};
use phonograph_matrixrtc::{
    RequestError,
    transport::{GrantError, Recovery},
};

use crate::matrix::{MatrixError, Power};

/// Why a call ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// We left, as we were asked to.
    #[error("left the call")]
    Left,
    /// Matrix did not give what a call needs. Trying again later may help.
    #[error("Matrix did not give what the call needs")]
    Matrix(#[source] MatrixError),
    /// Neither our homeserver nor the settings name a token service. The operator can.
    #[error("no MatrixRTC transport is announced by the homeserver, and none is configured")]
    NoTransport,
    /// We may not send our membership. A moderator can raise our power level, or lower what is
    /// needed.
    #[error("not allowed to send a call membership: power level {} of {}", power.have, power.need)]
    NotAllowed {
        /// What we have and what is needed.
        power: Power,
    },
    /// Somebody removed us from the call, twice.
    #[error("somebody removed us from the call")]
    Removed,
    /// The homeserver refused our membership for another reason; its words are for the log.
    #[error("the homeserver refused the membership: {0}")]
    Refused(String),
    /// The token service gave no token.
    #[error("the token service gave no token")]
    TokenService(#[source] TokenError),
    /// The SFU could not be reached, or could not be kept; tried again as often as makes sense.
    #[error("no connection to the SFU {url}")]
    Sfu {
        /// Its address.
        url: String,
        /// What the last attempt said.
        #[source]
        why: SfuError,
    },
    /// The same account and device joined a second time, from another process.
    #[error("the same device joined the call from elsewhere")]
    DuplicateIdentity,
    /// The room was encrypted while we sent in clear, which must not go on. Joining again helps;
    /// encryption cannot be switched off, so it happens once.
    #[error("the room was encrypted meanwhile")]
    NowEncrypted,
    /// The task that drove the call is gone: a bug, or the end of the process.
    #[error("the call's task has ended")]
    Aborted,
}

/// Why there is no connection to an SFU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SfuError {
    /// Its address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The WebSocket could not be opened; the text is for the log and holds no token.
    #[error("the WebSocket could not be opened: {0}")]
    Unreachable(String),
    /// It refused us, with an HTTP status.
    #[error("it refused the connection with HTTP status {0}")]
    Refused(u16),
    /// The connection ended.
    #[error(transparent)]
    Ended(#[from] Why),
    /// It does not let us publish.
    #[error("the token does not allow to publish a microphone")]
    MayNotPublish,
    /// No UDP socket could be opened here.
    #[error("no local address to send from: {0}")]
    NoAddress(String),
}

/// Why the token service gave no token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It said no, or that it is not well.
    #[error("status {status}{}", errcode.as_deref().map(|code| format!(" {code}")).unwrap_or_default())]
    Answer {
        /// The HTTP status.
        status: u16,
        /// Its Matrix error code, if it gave one.
        errcode: Option<String>,
    },
    /// It could not be reached, or did not answer in time.
    #[error("it could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Its answer is no grant: the address leads elsewhere.
    #[error("its answer cannot be used")]
    Grant(#[from] GrantError),
    /// The homeserver does not vouch for us.
    #[error("the homeserver gave no OpenID token")]
    OpenId(#[source] MatrixError),
}

impl TokenError {
    /// What helps.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Answer { status, errcode } => {
                phonograph_matrixrtc::transport::recovery(*status, errcode.as_deref())
            }
            Self::Unreachable(_) | Self::OpenId(_) => Recovery::Later,
            Self::Grant(_) => Recovery::GiveUp,
        }
    }

    /// What a request that it answered came to.
    pub(crate) fn into_request_error(self) -> RequestError {
        match self {
            Self::Answer { status: status @ 500.., .. } => RequestError::Server(status),
            Self::Answer { .. } | Self::Grant(_) => RequestError::Forbidden,
            Self::Unreachable(_) | Self::OpenId(_) => RequestError::Network,
        }
    }
}

/// An error and its causes on one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
