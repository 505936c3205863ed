//! Every version that the trial pins, in one place. They were seen to work together.
//!
//! `web/package.json` repeats those that npm installs; a test holds the two to each other.

/// Synapse, from the Python package index.
pub const SYNAPSE: &str = "1.163.2";

/// livekit-server, from the Go module proxy. Later versions have `replace` lines, which
/// `go install` refuses.
pub const LIVEKIT_SERVER: &str = "1.13.5";

/// `@element-hq/element-call-embedded`: Element Call as a widget.
pub const ELEMENT_CALL: &str = "0.26.1";

/// `livekit-client`, which strangers at the SFU are: the version that is in Element Call.
pub const LIVEKIT_CLIENT: &str = "2.22.3";

/// `matrix-js-sdk`, with which the widget's host page talks to the homeserver.
pub const MATRIX_JS_SDK: &str = "43.0.0";

/// `matrix-widget-api`, with which the host page talks to the widget.
pub const MATRIX_WIDGET_API: &str = "1.19.0";

/// `esbuild`, which bundles the host page.
pub const ESBUILD: &str = "0.28.2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_installs_the_versions_that_are_pinned_here() {
        let package: serde_json::Value = serde_json::from_str(include_str!("../web/package.json"))
            .expect("package.json is JSON");
        let pinned = serde_json::json!({
            "@element-hq/element-call-embedded": ELEMENT_CALL,
            "esbuild": ESBUILD,
            "livekit-client": LIVEKIT_CLIENT,
            "matrix-js-sdk": MATRIX_JS_SDK,
            "matrix-widget-api": MATRIX_WIDGET_API,
        });
        assert_eq!(package["dependencies"], pinned);
    }
}
