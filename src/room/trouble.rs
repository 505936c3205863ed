//! From the reason why a call ended to what the room is told.

use phonograph_call::{EndReason, SfuError, TokenError, matrixrtc::transport::Recovery};

use crate::command::Trouble;

/// What to say; `None` if we meant to leave. `was_in` tells a call that was lost from one that we
/// never got into.
pub(super) fn of(reason: &EndReason, was_in: bool) -> Option<Trouble> {
    Some(match reason {
        EndReason::Left => return None,
        EndReason::NoTransport => Trouble::NoTransport,
        EndReason::NotAllowed { power } => {
            Trouble::NotAllowed { have: power.have, need: power.need }
        }
        EndReason::Removed => Trouble::Removed,
        EndReason::DuplicateIdentity => Trouble::Elsewhere,
        EndReason::TokenService(error) => of_token(error),
        EndReason::Sfu { .. } if was_in => Trouble::CallLost,
        EndReason::Sfu { why: SfuError::Refused(_) | SfuError::MayNotPublish, .. } => {
            Trouble::SfuRefused
        }
        EndReason::Sfu { .. } => Trouble::SfuUnreachable,
        EndReason::Matrix(_) | EndReason::Refused(_) => Trouble::Homeserver,
        EndReason::NowEncrypted => Trouble::NowEncrypted,
        // The enum belongs to the library and is open.
        EndReason::Aborted | _ => Trouble::Internal,
    })
}

fn of_token(error: &TokenError) -> Trouble {
    match (error, error.recovery()) {
        (TokenError::OpenId(_), _) => Trouble::Homeserver,
        (TokenError::Answer { .. }, Recovery::GiveUp | Recovery::NewOpenIdToken) => {
            Trouble::TokenRefused
        }
        _ => Trouble::TokenServiceUnreachable,
    }
}

#[cfg(test)]
mod tests {
    use phonograph_call::matrix::Power;

    use super::*;

    #[test]
    fn a_missing_power_level_is_named() {
        let power = Power { have: 0, need: 50 };
        let trouble = of(&EndReason::NotAllowed { power }, false);
        assert_eq!(trouble, Some(Trouble::NotAllowed { have: 0, need: 50 }));
    }

    #[test]
    fn leaving_on_purpose_is_no_trouble() {
        assert_eq!(of(&EndReason::Left, true), None);
    }

    #[test]
    fn a_refusal_of_the_token_service_is_told_from_its_absence() {
        let answer = |status| {
            of(&EndReason::TokenService(TokenError::Answer { status, errcode: None }), false)
        };
        assert_eq!(answer(403), Some(Trouble::TokenRefused));
        assert_eq!(answer(503), Some(Trouble::TokenServiceUnreachable));
    }

    #[test]
    fn a_call_that_was_lost_is_told_from_one_never_joined() {
        let reason = || EndReason::Sfu {
            url: "ws://x".to_owned(),
            why: SfuError::Unreachable(String::new()),
        };
        assert_eq!(of(&reason(), false), Some(Trouble::SfuUnreachable));
        assert_eq!(of(&reason(), true), Some(Trouble::CallLost));
    }
}
