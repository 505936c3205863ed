//! Where an SFU's signalling is, from the address that a token service names.

use url::Url;

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

/// The WebSocket to be opened. The token goes into the `Authorization` header, where access logs do
/// not see it.
///
/// # Errors
/// [`AddressError`] if `base` is no web address.
pub fn signal_url(base: &str, subscribe: bool) -> Result<Url, AddressError> {
    let mut url = endpoint(base)?;
    add_query(&mut url, subscribe);
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

fn add_query(url: &mut Url, subscribe: bool) {
    url.query_pairs_mut()
        .append_pair("sdk", SDK)
        .append_pair("version", env!("CARGO_PKG_VERSION"))
        .append_pair("protocol", PROTOCOL)
        .append_pair("auto_subscribe", if subscribe { "1" } else { "0" })
        .append_pair("auto_subscribe_data_track", "0")
        .append_pair("adaptive_stream", "0")
        .append_pair("subscriber_allow_pause", "0");
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
            let found = signal_url(base, true).unwrap();
            assert_eq!(found.as_str().split('?').next(), Some(signal));
        }
    }

    #[test]
    fn the_query_says_what_we_speak_and_whether_we_listen() {
        let url = signal_url("ws://x", false).unwrap();
        let query = url.query().unwrap();
        assert!(query.contains("protocol=16"), "{query}");
        assert!(query.contains("sdk=rust"), "{query}");
        assert!(query.contains("auto_subscribe=0"), "{query}");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert_eq!(signal_url("file:///x", true), Err(AddressError::Scheme("file".to_owned())));
        assert_eq!(signal_url("sfu", true), Err(AddressError::Unreadable("sfu".to_owned())));
    }
}
