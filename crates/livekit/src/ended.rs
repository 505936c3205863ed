//! Why a connection ended, and what helps.

use livekit_protocol::{DisconnectReason, LeaveRequest, leave_request::Action};

/// How a connection ended. No further output comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What happened.
    pub why: Why,
    /// What helps.
    pub recovery: Recovery,
}

/// What ended a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Why {
    /// We left.
    #[error("we left")]
    Left,
    /// The WebSocket ended without a word, or nothing came over it for the time that the server
    /// names (15 s). The network or the server failed.
    #[error("the signalling broke off")]
    SignalLost,
    /// The server did not say `join` within 5 s of the WebSocket's opening.
    #[error("the SFU accepted the socket but did not let us join")]
    NoJoin,
    /// No media path within 15 s: UDP is blocked, or the SFU announces addresses that cannot be
    /// reached from here.
    #[error("no media path to the SFU within 15 s (is its UDP port reachable?)")]
    NoMediaPath,
    /// A media path that stood was lost for longer than WebRTC waits.
    #[error("the media path to the SFU was lost")]
    MediaLost,
    /// The server did not answer our offer within 15 s.
    #[error("the SFU did not answer our offer")]
    NoAnswer,
    /// The server said what it may not say; the text says which message.
    #[error("the SFU broke the protocol: {0}")]
    Protocol(String),
    /// The same identity joined a second time: another process of the same account and device.
    #[error("the same participant joined a second time")]
    DuplicateIdentity,
    /// A moderator, or the room's owner, removed us.
    #[error("we were removed from the call on the SFU")]
    Removed,
    /// The room on the SFU ended.
    #[error("the room on the SFU was closed")]
    RoomClosed,
    /// The server shuts down.
    #[error("the SFU shuts down")]
    ServerShutdown,
    /// Any other `leave` of the server; its reason by LiveKit's name.
    #[error("the SFU ended the connection: {0}")]
    Server(&'static str),
}

/// What helps after a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// A new connection with a new token, after a pause.
    Rejoin,
    /// Nothing: it is over, or somebody meant it.
    GiveUp,
}

impl Ended {
    pub(crate) fn new(why: Why) -> Self {
        let recovery = match why {
            Why::Left | Why::DuplicateIdentity | Why::Removed => Recovery::GiveUp,
            Why::SignalLost
            | Why::NoJoin
            | Why::NoMediaPath
            | Why::MediaLost
            | Why::NoAnswer
            | Why::Protocol(_)
            | Why::RoomClosed
            | Why::ServerShutdown
            | Why::Server(_) => Recovery::Rejoin,
        };
        Self { why, recovery }
    }

    /// Reads the server's `leave`. Its `action` says DISCONNECT also where coming back is right
    /// (1.13.5 on shutdown), so the reason decides first.
    pub(crate) fn by_server(leave: &LeaveRequest) -> Self {
        let why = match leave.reason() {
            DisconnectReason::ClientInitiated => Why::Left,
            DisconnectReason::DuplicateIdentity => Why::DuplicateIdentity,
            DisconnectReason::ParticipantRemoved => Why::Removed,
            DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Why::RoomClosed,
            DisconnectReason::ServerShutdown => Why::ServerShutdown,
            reason @ (DisconnectReason::UnknownReason
            | DisconnectReason::StateMismatch
            | DisconnectReason::JoinFailure
            | DisconnectReason::Migration
            | DisconnectReason::SignalClose
            | DisconnectReason::UserUnavailable
            | DisconnectReason::UserRejected
            | DisconnectReason::SipTrunkFailure
            | DisconnectReason::ConnectionTimeout
            | DisconnectReason::MediaFailure
            | DisconnectReason::AgentError) => Why::Server(reason.as_str_name()),
        };
        let mut ended = Self::new(why);
        let told_to_go = leave.action() == Action::Disconnect && !leave.can_reconnect;
        if leave.reason() == DisconnectReason::UnknownReason && told_to_go {
            ended.recovery = Recovery::GiveUp;
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(reason: DisconnectReason, action: Action) -> Ended {
        let (reason, action) = (reason.into(), action.into());
        Ended::by_server(&LeaveRequest { reason, action, ..LeaveRequest::default() })
    }

    #[test]
    fn a_second_participant_of_our_name_is_never_fought() {
        let ended = leave(DisconnectReason::DuplicateIdentity, Action::Disconnect);
        assert_eq!(ended.recovery, Recovery::GiveUp);
    }

    #[test]
    fn a_shutdown_is_come_back_from_although_it_says_disconnect() {
        let ended = leave(DisconnectReason::ServerShutdown, Action::Disconnect);
        assert_eq!(ended, Ended { why: Why::ServerShutdown, recovery: Recovery::Rejoin });
    }

    #[test]
    fn without_a_reason_the_action_decides() {
        let unknown = DisconnectReason::UnknownReason;
        assert_eq!(leave(unknown, Action::Disconnect).recovery, Recovery::GiveUp);
        assert_eq!(leave(unknown, Action::Reconnect).recovery, Recovery::Rejoin);
    }
}
