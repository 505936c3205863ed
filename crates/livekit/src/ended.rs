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
    /// No media path within 15 s: UDP is blocked and so is TCP, or the SFU announces addresses that
    /// cannot be reached from here. Relays (TURN) are not used.
    #[error(
        "neither UDP nor TCP got through to the SFU within 15 s (are its media ports reachable?)"
    )]
    NoMediaPath,
    /// A media path that stood was lost and could not be restored, or the server closed it without a
    /// reason.
    #[error("the media path to the SFU was lost")]
    MediaLost,
    /// The server does not know us any more (`STATE_MISMATCH`), or does not take our token any more:
    /// it was restarted, or we were away for too long.
    #[error("the SFU has forgotten us")]
    Forgotten,
    /// The server counted us as not connected for a minute (`JOIN_FAILURE`).
    #[error("the SFU saw no media path of ours")]
    NeverActive,
    /// The call goes on in another room or on another node (MIGRATION without a resume, or
    /// `room_moved`).
    #[error("the call has moved to another place on the SFU")]
    Moved,
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
            | Why::Forgotten
            | Why::NeverActive
            | Why::Moved
            | Why::NoAnswer
            | Why::Protocol(_)
            | Why::RoomClosed
            | Why::ServerShutdown
            | Why::Server(_) => Recovery::Rejoin,
        };
        Self { why, recovery }
    }

    /// Reads the server's `leave`. Its `action` says DISCONNECT also where coming back is right
    /// (1.13.5 on shutdown), so the reason decides first: whom somebody removed or replaced stays
    /// away, whatever the action. Servers before protocol 13 say `can_reconnect` only.
    pub(crate) fn by_server(leave: &LeaveRequest) -> Verdict {
        let why = match leave.reason() {
            DisconnectReason::ClientInitiated => Why::Left,
            DisconnectReason::DuplicateIdentity => Why::DuplicateIdentity,
            DisconnectReason::ParticipantRemoved => Why::Removed,
            DisconnectReason::RoomDeleted | DisconnectReason::RoomClosed => Why::RoomClosed,
            DisconnectReason::ServerShutdown => Why::ServerShutdown,
            DisconnectReason::StateMismatch => Why::Forgotten,
            DisconnectReason::JoinFailure => Why::NeverActive,
            DisconnectReason::Migration => Why::Moved,
            DisconnectReason::SignalClose => Why::SignalLost,
            DisconnectReason::ConnectionTimeout | DisconnectReason::MediaFailure => Why::MediaLost,
            // Of telephones and agents, which we are none of; or of servers to come.
            reason @ (DisconnectReason::UnknownReason
            | DisconnectReason::UserUnavailable
            | DisconnectReason::UserRejected
            | DisconnectReason::SipTrunkFailure
            | DisconnectReason::AgentError) => Why::Server(reason.as_str_name()),
        };
        let mut ended = Self::new(why);
        if leave.action() == Action::Resume && ended.why.may_resume() {
            return Verdict::Resume;
        }
        let told_to_go = leave.action() == Action::Disconnect && !leave.can_reconnect;
        if leave.reason() == DisconnectReason::UnknownReason && told_to_go {
            ended.recovery = Recovery::GiveUp;
        }
        Verdict::End(ended)
    }
}

impl Why {
    /// Whether the presence may still be there.
    fn may_resume(&self) -> bool {
        match self {
            Self::Moved | Self::SignalLost | Self::MediaLost | Self::Server(_) => true,
            Self::Left
            | Self::NoJoin
            | Self::NoMediaPath
            | Self::Forgotten
            | Self::NeverActive
            | Self::NoAnswer
            | Self::Protocol(_)
            | Self::DuplicateIdentity
            | Self::Removed
            | Self::RoomClosed
            | Self::ServerShutdown => false,
        }
    }
}

/// What a `leave` of the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A new WebSocket for the same presence.
    Resume,
    /// The end of this presence.
    End(Ended),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(reason: DisconnectReason, action: Action) -> Verdict {
        let (reason, action) = (reason.into(), action.into());
        Ended::by_server(&LeaveRequest { reason, action, ..LeaveRequest::default() })
    }

    fn leave(reason: DisconnectReason, action: Action) -> Ended {
        match verdict(reason, action) {
            Verdict::End(ended) => ended,
            Verdict::Resume => panic!("{reason:?} with {action:?} is resumed"),
        }
    }

    #[test]
    fn every_reason_has_its_meaning() {
        use DisconnectReason as Reason;
        use Recovery::{GiveUp, Rejoin};
        for (reason, why, recovery) in [
            (Reason::ClientInitiated, Why::Left, GiveUp),
            (Reason::DuplicateIdentity, Why::DuplicateIdentity, GiveUp),
            (Reason::ServerShutdown, Why::ServerShutdown, Rejoin),
            (Reason::ParticipantRemoved, Why::Removed, GiveUp),
            (Reason::RoomDeleted, Why::RoomClosed, Rejoin),
            (Reason::StateMismatch, Why::Forgotten, Rejoin),
            (Reason::JoinFailure, Why::NeverActive, Rejoin),
            (Reason::Migration, Why::Moved, Rejoin),
            (Reason::SignalClose, Why::SignalLost, Rejoin),
            (Reason::RoomClosed, Why::RoomClosed, Rejoin),
            (Reason::UserUnavailable, Why::Server("USER_UNAVAILABLE"), Rejoin),
            (Reason::UserRejected, Why::Server("USER_REJECTED"), Rejoin),
            (Reason::SipTrunkFailure, Why::Server("SIP_TRUNK_FAILURE"), Rejoin),
            (Reason::ConnectionTimeout, Why::MediaLost, Rejoin),
            (Reason::MediaFailure, Why::MediaLost, Rejoin),
            (Reason::AgentError, Why::Server("AGENT_ERROR"), Rejoin),
        ] {
            for action in [Action::Disconnect, Action::Reconnect] {
                assert_eq!(leave(reason, action), Ended { why: why.clone(), recovery });
            }
        }
    }

    #[test]
    fn a_resume_is_obeyed_unless_the_reason_forbids_it() {
        use DisconnectReason as Reason;
        for reason in [
            Reason::UnknownReason,
            Reason::Migration,
            Reason::SignalClose,
            Reason::ConnectionTimeout,
            Reason::MediaFailure,
        ] {
            assert_eq!(verdict(reason, Action::Resume), Verdict::Resume, "{reason:?}");
        }
        for reason in [
            Reason::DuplicateIdentity,
            Reason::ParticipantRemoved,
            Reason::StateMismatch,
            Reason::ServerShutdown,
        ] {
            assert!(matches!(verdict(reason, Action::Resume), Verdict::End(_)), "{reason:?}");
        }
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
