//! The client with which the trial talks to its servers.

use std::time::Duration;

/// How long an answer may take: a request on loopback takes milliseconds, a password's hash a
/// quarter of a second, and a long poll asks for less than this.
const REQUEST_MAX: Duration = Duration::from_mins(1);

/// A client for loopback, without proxies.
///
/// It keeps no connection: that would belong to the runtime of the test that made it, and be dead
/// for the next one.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .timeout(REQUEST_MAX)
        .no_proxy()
        .build()
        .expect("a client without certificates of its own can be built")
}
