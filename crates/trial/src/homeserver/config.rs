//! Synapse's configuration. JSON is YAML, so it is written as JSON.

use std::{fs, io, path::Path};

use serde_json::{Value, json};

/// What the homeserver tells clients about transports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// Nothing: nobody can start a call.
    Nothing,
    /// One LiveKit transport, whose token service is at this address.
    TokenService(String),
}

/// What differs from one homeserver of a trial to the next.
#[derive(Debug)]
pub(super) struct Config<'a> {
    pub(super) folder: &'a Path,
    pub(super) http_port: u16,
    pub(super) tls_port: u16,
    pub(super) registration_secret: &'a str,
    pub(super) announced: &'a Announced,
}

/// The name that users of this homeserver have behind the colon.
pub(super) fn server_name(tls_port: u16) -> String {
    format!("localhost:{tls_port}")
}

impl Config<'_> {
    /// Writes `homeserver.yaml` and `log.yaml` into the folder.
    pub(super) fn write(&self) -> io::Result<()> {
        fs::write(self.folder.join("log.yaml"), log().to_string())?;
        fs::write(self.folder.join("homeserver.yaml"), format!("{:#}", self.homeserver()))
    }

    fn homeserver(&self) -> Value {
        let resources = json!([{ "names": ["client", "federation", "openid"], "compress": false }]);
        let listener = |port: u16, tls: bool| {
            json!({
                "port": port,
                "tls": tls,
                "type": "http",
                "bind_addresses": ["127.0.0.1"],
                "resources": resources,
            })
        };
        let file = |name: &str| self.folder.join(name);
        let mut config = json!({
            "server_name": server_name(self.tls_port),
            "public_baseurl": format!("http://127.0.0.1:{}/", self.http_port),
            // The one that is asked whether it is there comes last.
            "listeners": [listener(self.tls_port, true), listener(self.http_port, false)],
            "tls_certificate_path": file("tls.crt"),
            "tls_private_key_path": file("tls.key"),
            "log_config": file("log.yaml"),
            "signing_key_path": file("signing.key"),
            "media_store_path": file("media"),
            "pid_file": file("homeserver.pid"),
            "database": {
                "name": "sqlite3",
                "args": { "database": file("homeserver.db") },
            },
            "registration_shared_secret": self.registration_secret,
            "macaroon_secret_key": self.registration_secret,
            "form_secret": self.registration_secret,
            "report_stats": false,
            // It knows no other server and asks none.
            "trusted_key_servers": [],
            "suppress_key_server_warning": true,
            "federation_verify_certificates": false,
            "ip_range_blacklist": [],
            "url_preview_enabled": false,
            "serve_server_wellknown": false,
        });
        for part in [matrix_rtc(self.announced), no_rate_limits()] {
            if let (Value::Object(config), Value::Object(part)) = (&mut config, part) {
                config.extend(part);
            }
        }
        config
    }
}

/// Delayed events (MSC4140), transports (MSC4143), call notifications (MSC4075), `state_after`
/// (MSC4222) and sticky events (MSC4354), all of which Synapse has behind options.
fn matrix_rtc(announced: &Announced) -> Value {
    let transports = match announced {
        Announced::Nothing => json!([]),
        Announced::TokenService(url) => {
            json!([{ "type": "livekit", "livekit_service_url": url }])
        }
    };
    json!({
        "max_event_delay_duration": "24h",
        "experimental_features": {
            "msc4140_max_delayed_events_per_user": 10_000,
            "msc4143_enabled": true,
            "msc4075_enabled": true,
            "msc4222_enabled": true,
            "msc4354_enabled": true,
        },
        // The older announcement, to which clients fall back.
        "extra_well_known_client_content": { "org.matrix.msc4143.rtc_foci": transports },
        "matrix_rtc": { "transports": transports },
    })
}

/// A test is quicker than any person, and must not be told to wait.
fn no_rate_limits() -> Value {
    let fast = json!({ "per_second": 100_000, "burst_count": 100_000 });
    let mut limits = json!({
        "rc_presence": { "per_user": fast },
        "rc_joins": { "local": fast, "remote": fast },
        "rc_invites": { "per_room": fast, "per_user": fast, "per_issuer": fast },
        "rc_login": { "address": fast, "account": fast, "failed_attempts": fast },
    });
    for name in [
        "rc_message",
        "rc_registration",
        "rc_admin_redaction",
        "rc_joins_per_room",
        "rc_key_requests",
        "rc_3pid_validation",
        "rc_media_create",
        "rc_delayed_event_mgmt",
        "rc_room_creation",
        "rc_reports",
        "rc_user_directory",
        "rc_profile",
    ] {
        limits[name] = fast.clone();
    }
    limits
}

/// Everything to standard error, which is the server's log.
fn log() -> Value {
    json!({
        "version": 1,
        "disable_existing_loggers": false,
        "formatters": {
            "line": { "format": "%(asctime)s %(levelname)s %(name)s %(message)s" },
        },
        "handlers": { "stderr": { "class": "logging.StreamHandler", "formatter": "line" } },
        "root": { "level": "INFO", "handlers": ["stderr"] },
    })
}
