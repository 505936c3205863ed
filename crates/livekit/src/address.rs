//! Where an SFU's signalling is, from the address that a token service names.

use livekit_protocol::ReconnectReason as WireReason;
use url::Url;

use crate::ParticipantSid;

/// What we claim to speak: every server since 1.8 serves it, and it turns on nothing exotic.
const PROTOCOL: &str = "16";
/// `rust` is known to the server; with an unknown name it withholds features.
const SDK: &str = "rust";

/// The address is none that signalling can be reached at. The token service is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It cannot be read as a URL.
    #[error("{0:?} is not an address")]
    Unreadable(String),
    /// Its scheme is none of `ws`, `wss`, `http` and `https`.
    #[error("an SFU cannot be reached by {0:?}")]
    Scheme(String),
}

/// Which presence a new WebSocket goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// Ours, as the server named it when we joined.
    pub sid: ParticipantSid,
    /// What made it necessary.
    pub reason: ReconnectReason,
}

/// What made a new WebSocket necessary. The server only writes it into its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconnectReason {
    /// The server told us to, without saying more.
    Unknown,
    /// The WebSocket ended, or fell silent.
    SignalLost,
    /// Nothing comes back on the path that we send on.
    PublisherFailed,
    /// Nothing comes on the path that we receive on.
    SubscriberFailed,
}

impl ReconnectReason {
    fn number(self) -> i32 {
        let reason = match self {
            Self::Unknown => WireReason::RrUnknown,
            Self::SignalLost => WireReason::RrSignalDisconnected,
            Self::PublisherFailed => WireReason::RrPublisherFailed,
            Self::SubscriberFailed => WireReason::RrSubscriberFailed,
        };
        reason.into()
    }
}

/// The WebSocket to be opened: a new presence, or one to be gone on with. The token goes into the
/// `Authorization` header, where access logs do not see it.
///
/// Nothing is subscribed to by itself: the caller chooses what it hears.
///
/// # Errors
/// [`AddressError`] if `base` is no web address.
pub fn signal_url(base: &str, resume: Option<&Resume>) -> Result<Url, AddressError> {
    let mut url = endpoint(base)?;
    add_query(&mut url, resume);
    Ok(url)
}

/// The path below the base's own.
fn endpoint(base: &str) -> Result<Url, AddressError> {
    let url = Url::parse(base).map_err(|_| AddressError::Unreadable(base.to_owned()))?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        other => return Err(AddressError::Scheme(other.to_owned())),
    };
    // `Url::set_scheme` refuses to turn http into ws, so the text is put together anew.
    let rest = &url[url::Position::AfterScheme..url::Position::AfterPath];
    let text = format!("{scheme}{}/rtc", rest.trim_end_matches('/'));
    Url::parse(&text).map_err(|_| AddressError::Unreadable(base.to_owned()))
}

fn add_query(url: &mut Url, resume: Option<&Resume>) {
    let mut query = url.query_pairs_mut();
    query
        .append_pair("sdk", SDK)
        .append_pair("version", env!("CARGO_PKG_VERSION"))
        .append_pair("protocol", PROTOCOL)
        .append_pair("auto_subscribe", "0")
        .append_pair("auto_subscribe_data_track", "0")
        .append_pair("adaptive_stream", "0")
        .append_pair("subscriber_allow_pause", "0");
    if let Some(resume) = resume {
        query
            .append_pair("reconnect", "1")
            .append_pair("sid", resume.sid.as_str())
            .append_pair("reconnect_reason", &resume.reason.number().to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_kept_and_the_scheme_follows_the_use() {
        for (base, signal) in [
            ("wss://sfu.example.org", "wss://sfu.example.org/rtc"),
            ("https://x.org/livekit/sfu/", "wss://x.org/livekit/sfu/rtc"),
            ("ws://[::1]:7880", "ws://[::1]:7880/rtc"),
        ] {
            let found = signal_url(base, None).unwrap();
            assert_eq!(found.as_str().split('?').next(), Some(signal));
        }
    }

    #[test]
    fn the_query_says_what_we_speak_and_that_we_choose_what_we_hear() {
        let url = signal_url("ws://x", None).unwrap();
        let query = url.query().unwrap();
        assert!(query.contains("protocol=16"), "{query}");
        assert!(query.contains("sdk=rust"), "{query}");
        assert!(query.contains("auto_subscribe=0"), "{query}");
        assert!(!query.contains("reconnect"), "{query}");
    }

    #[test]
    fn a_resume_names_the_presence_and_the_reason() {
        let resume = Resume { sid: "PA_a&b".into(), reason: ReconnectReason::PublisherFailed };
        let url = signal_url("ws://x", Some(&resume)).unwrap();
        let query = url.query().unwrap();
        assert!(query.ends_with("reconnect=1&sid=PA_a%26b&reconnect_reason=2"), "{query}");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert_eq!(signal_url("file:///x", None), Err(AddressError::Scheme("file".to_owned())));
        assert_eq!(signal_url("sfu", None), Err(AddressError::Unreadable("sfu".to_owned())));
    }
}
