//! Requests that ruma 0.16 does not have, in the form that Synapse 1.163.2 answers.
//!
//! They go through the SDK's HTTP client, which adds the access token, refreshes it and encodes the
//! path. Sources: MSC4140 (delayed events) in the deployed query form, MSC4143 (transports).

/// `POST …/delayed_events/{delay_id}/{action}`, MSC4140: `restart`, `cancel` or `send`.
///
/// It carries our access token although early drafts asked for none: without it Synapse counts the
/// requests of all users behind one address together (Element Call issue 3985).
pub(crate) mod update_delayed_event {
    use matrix_sdk::ruma::{
        api::{auth_scheme::AccessToken, request, response},
        metadata,
    };

    metadata! {
        method: POST,
        rate_limited: true,
        authentication: AccessToken,
        path: "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delay_id}/{action}"
    }

    /// What to do with which delayed event.
    #[request]
    pub(crate) struct Request {
        /// The id that scheduling answered with.
        #[ruma_api(path)]
        pub(crate) delay_id: String,
        /// `restart`, `cancel` or `send`.
        #[ruma_api(path)]
        pub(crate) action: String,
    }

    /// Nothing but success.
    #[response]
    pub(crate) struct Response {}
}

/// `GET …/delayed_events`, MSC4140: our own ones that are still to come.
pub(crate) mod list_delayed_events {
    use matrix_sdk::ruma::{
        api::{auth_scheme::AccessToken, request, response},
        metadata,
    };
    use serde_json::Value;

    metadata! {
        method: GET,
        rate_limited: true,
        authentication: AccessToken,
        path: "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
    }

    /// All of them: the endpoint has no filter.
    #[request]
    pub(crate) struct Request {}

    /// `{"delayed_events":[{delay_id, room_id, type, state_key?, …}]}`.
    #[response]
    pub(crate) struct Response {
        /// The answer as it came.
        #[ruma_api(body)]
        pub(crate) body: Value,
    }
}

/// `PUT …/state/{type}/{key}`, now, or with a delay (MSC4140).
///
/// The SDK's own call takes no request configuration and keeps retrying for 15 minutes; a
/// membership that late is worse than none.
pub(crate) mod send_state {
    use matrix_sdk::ruma::{
        api::{auth_scheme::AccessToken, request, response},
        metadata,
    };
    use serde_json::Value;

    metadata! {
        method: PUT,
        rate_limited: false,
        authentication: AccessToken,
        path: "/_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}"
    }

    /// A state event.
    #[request]
    pub(crate) struct Request {
        /// The room it is for.
        #[ruma_api(path)]
        pub(crate) room_id: String,
        /// Its type.
        #[ruma_api(path)]
        pub(crate) event_type: String,
        /// Its state key.
        #[ruma_api(path)]
        pub(crate) state_key: String,
        /// Milliseconds until the server sends it; now if absent.
        #[ruma_api(query)]
        #[serde(rename = "org.matrix.msc4140.delay", skip_serializing_if = "Option::is_none")]
        pub(crate) delay: Option<u64>,
        /// Its content.
        #[ruma_api(body)]
        pub(crate) body: Value,
    }

    /// `{"event_id":…}`, or `{"delay_id":…}` with a delay.
    #[response]
    pub(crate) struct Response {
        /// The answer as it came.
        #[ruma_api(body)]
        pub(crate) body: Value,
    }
}

/// `GET …/state/{type}/{key}`: what the homeserver has, and not what our store has of it.
pub(crate) mod read_state {
    use matrix_sdk::ruma::{
        api::{auth_scheme::AccessToken, request, response},
        metadata,
    };
    use serde_json::Value;

    metadata! {
        method: GET,
        rate_limited: false,
        authentication: AccessToken,
        path: "/_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}"
    }

    /// Which state event.
    #[request]
    pub(crate) struct Request {
        /// The room it is in.
        #[ruma_api(path)]
        pub(crate) room_id: String,
        /// Its type.
        #[ruma_api(path)]
        pub(crate) event_type: String,
        /// Its state key.
        #[ruma_api(path)]
        pub(crate) state_key: String,
    }

    /// The event's content.
    #[response]
    pub(crate) struct Response {
        /// The answer as it came.
        #[ruma_api(body)]
        pub(crate) body: Value,
    }
}

/// `GET …/rtc/transports`, MSC4143. Synapse answers `{}` when none is configured, which ruma's own
/// type refuses.
pub(crate) mod transports {
    use matrix_sdk::ruma::{
        api::{auth_scheme::AccessToken, request, response},
        metadata,
    };
    use serde_json::Value;

    metadata! {
        method: GET,
        rate_limited: false,
        authentication: AccessToken,
        path: "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
    }

    /// The homeserver's transports.
    #[request]
    pub(crate) struct Request {}

    /// `{"rtc_transports":[…]}`.
    #[response]
    pub(crate) struct Response {
        /// The answer as it came.
        #[ruma_api(body)]
        pub(crate) body: Value,
    }
}
