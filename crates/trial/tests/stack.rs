//! The servers together: what a client needs of them to get into a call, and what goes wrong where
//! they are told to.

use std::time::Duration;

use phonograph_trial::{
    homeserver::{Homeserver, Login, NewRoom, RequestError},
    stack::{Options, SfuOption, Stack},
    token_service::{Refusal, TokenService},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

#[tokio::test]
async fn a_user_of_the_homeserver_is_let_into_the_sfu() {
    let stack = shared().await;
    let endpoints = stack.endpoints();
    let alice = somebody(stack.homeserver(), "alice").await;
    let service = announced(stack.homeserver(), &alice).await;
    assert_eq!(service[0]["livekit_service_url"], endpoints.token_service_url.as_str());

    let (status, body) = token(stack, &alice).await;

    assert_eq!((status, &body["url"]), (StatusCode::OK, &endpoints.sfu_url.into()));
    let jwt = body["jwt"].as_str().expect("a token");
    assert_eq!(validate(&body["url"], jwt).await, Some("success".to_owned()));
}

#[tokio::test]
async fn two_stacks_run_side_by_side_and_know_nothing_of_each_other() {
    let one = shared().await;
    let other = Stack::start(Options::default()).await.expect("another one starts");
    let dave = somebody(one.homeserver(), "dave").await;

    let unknown = other.homeserver().login("dave", "dave's password").await;

    assert!(matches!(unknown, Err(RequestError::Refused { status: 403, .. })), "{unknown:?}");
    assert_eq!(token(one, &dave).await.0, StatusCode::OK);
}

#[tokio::test]
async fn rooms_can_be_made_entered_and_talked_in() {
    let homeserver = shared().await.homeserver();
    let alice = somebody(homeserver, "alice-talks").await;
    let bob = somebody(homeserver, "bob-talks").await;
    let room = NewRoom { encrypted: true, invite: &[&bob.user_id], ..NewRoom::default() };
    let room = homeserver.create_room(&alice, &room).await.expect("a room");
    homeserver.join(&bob, &room).await.expect("bob joins");

    let sent = homeserver.send_text(&bob, &room, "hello").await.expect("bob says hello");
    let state = homeserver.state(&alice, &room).await.expect("state");
    let said = homeserver.messages(&alice, &room, 1).await.expect("messages");

    assert!(state.iter().any(|event| event["type"] == "m.room.encryption"));
    assert_eq!(
        (&said[0]["event_id"], &said[0]["content"]["body"]),
        (&sent.into(), &"hello".into())
    );
}

#[tokio::test]
async fn who_may_join_a_call_can_be_changed() {
    let homeserver = shared().await.homeserver();
    let alice = somebody(homeserver, "alice-decides").await;
    let bob = somebody(homeserver, "bob-may-not").await;
    let room = NewRoom { invite: &[&bob.user_id], ..NewRoom::default() };
    let room = homeserver.create_room(&alice, &room).await.expect("a room");
    homeserver.join(&bob, &room).await.expect("bob joins");
    let here = json!({ "application": "m.call" });
    let key = format!("_{}_{}_m.call", bob.user_id, bob.device_id);
    let join = ("org.matrix.msc3401.call.member", key.as_str());

    homeserver.set_call_power_level(&alice, &room, 50).await.expect("levels");
    let refused = homeserver.set_state(&bob, &room, join, &here).await;
    homeserver.set_power_level(&alice, &room, &bob.user_id, 50).await.expect("levels");
    homeserver.set_state(&bob, &room, join, &here).await.expect("bob is in the call");

    assert!(matches!(refused, Err(RequestError::Refused { status: 403, .. })), "{refused:?}");
    assert_eq!(homeserver.call_members(&alice, &room).await.expect("members"), [here]);
}

#[tokio::test]
async fn the_servers_come_back_on_their_ports() {
    let mut stack = Stack::start(Options::default()).await.expect("the servers start");
    let alice = somebody(stack.homeserver(), "alice").await;
    stack.synapse().server().kill().expect("the homeserver dies");
    stack.sfu().expect("an SFU").server().kill().expect("the SFU dies");
    assert!(!stack.homeserver().is_healthy().await);

    stack.synapse().restart().await.expect("the homeserver comes back");
    stack.sfu().expect("an SFU").restart().await.expect("the SFU comes back");

    assert_eq!(token(&stack, &alice).await.0, StatusCode::OK);
}

#[tokio::test]
async fn faults_are_made_on_demand() {
    let options = Options {
        announces_nothing: true,
        sfu: SfuOption::Unreachable,
        refusal: Some(Refusal::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", "Not you")),
        ..Options::default()
    };
    let mut stack = Stack::start(options).await.expect("the servers start");
    let alice = somebody(stack.homeserver(), "alice").await;
    assert_eq!(announced(stack.homeserver(), &alice).await, Value::Null);

    let (status, body) = token(&stack, &alice).await;
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &"Not you".into()));

    let TokenService::Ours(service) = stack.token_service() else { panic!("it is ours") };
    service.refuse(None);
    let (status, body) = token(&stack, &alice).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(validate(&body["url"], body["jwt"].as_str().expect("a token")).await, None);

    stack.sfu().expect("an SFU").server().kill().expect("the SFU dies");
    let (status, body) = token(&stack, &alice).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["error"], "Unable to create room on SFU");
}

#[tokio::test]
async fn an_sfu_behind_tls_is_reached_by_those_who_trust_its_authority() {
    let options = Options { sfu: SfuOption::Tls, ..Options::default() };
    let stack = Stack::start(options).await.expect("the servers start");
    let alice = somebody(stack.homeserver(), "alice").await;
    let (_, body) = token(&stack, &alice).await;
    let url = body["url"].as_str().expect("the SFU's address");
    assert!(url.starts_with("wss://127.0.0.1:"), "{url}");
    let jwt = body["jwt"].as_str().expect("a token");
    let url = format!("{}/rtc/validate?access_token={jwt}", url.replacen("wss", "https", 1));

    let stranger = reqwest::get(&url).await;
    let authority = std::fs::read(stack.tls().expect("TLS").authority()).expect("a PEM file");
    let trusting = reqwest::Certificate::from_pem(&authority)
        .and_then(|authority| reqwest::Client::builder().tls_certs_only([authority]).build())
        .expect("a client");
    let answer = trusting.get(&url).send().await.expect("an answer");

    assert!(stranger.is_err_and(|error| error.is_connect()));
    assert_eq!(answer.text().await.expect("a text"), "success");
}

#[tokio::test]
async fn a_leave_that_was_handed_over_is_delayed_until_its_participant_has_left() {
    const SHORT: Duration = Duration::from_millis(2500);
    const LONG: Duration = Duration::from_mins(10);
    let options = Options { delegation: true, ..Options::default() };
    let stack = Stack::start(options).await.expect("the servers start");
    let homeserver = stack.homeserver();
    let alice = somebody(homeserver, "alice").await;
    let room = homeserver.create_room(&alice, &NewRoom::default()).await.expect("a room");
    let other = homeserver.create_room(&alice, &NewRoom::default()).await.expect("a room");

    let _stays = joined_with_leave(&stack, &alice, &room, SHORT).await;
    let leaves = joined_with_leave(&stack, &alice, &other, LONG).await;

    // Left to itself, the short one would fire twice meanwhile.
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(homeserver.call_members(&alice, &room).await.expect("members").len(), 1);
    drop(leaves);
    let gone = async {
        while !homeserver.call_members(&alice, &other).await.expect("members").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG / 20, gone).await.expect("the long one has fired");
}

/// A stack that those share who leave it as it is. It ends with this process.
async fn shared() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    SHARED
        .get_or_init(async || Stack::start(Options::default()).await.expect("the servers start"))
        .await
}

async fn somebody(homeserver: &Homeserver, name: &str) -> Login {
    let password = format!("{name}'s password");
    homeserver.register(name, &password).await.expect("an account");
    homeserver.login(name, &password).await.expect("a device")
}

/// Announces a membership, hands its delayed leave over and connects to the SFU, until the result is
/// dropped.
async fn joined_with_leave(stack: &Stack, who: &Login, room: &str, delay: Duration) -> impl Sized {
    let homeserver = stack.homeserver();
    let key = format!("_{}_{}_m.call", who.user_id, who.device_id);
    let kind = "org.matrix.msc3401.call.member";
    let here = json!({ "application": "m.call" });
    homeserver.set_state(who, room, (kind, &key), &here).await.expect("they are in the call");
    let delay_ms = delay.as_millis() as u64;
    let path = format!(
        "/_matrix/client/v3/rooms/{room}/state/{kind}/{key}?org.matrix.msc4140.delay={delay_ms}"
    );
    let token = Some(who.access_token.as_str());
    let leave = homeserver.request(Method::PUT, &path, token, Some(&json!({}))).await;
    let leave = leave.expect("a delayed leave").body["delay_id"].take();
    let asked = json!({ "room": room, "delay_id": leave, "delay_timeout": delay_ms });
    let (status, body) = token_with(stack, who, &asked).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (url, jwt) = (body["url"].as_str(), body["jwt"].as_str());
    let url = format!("{}/rtc?access_token={}", url.expect("an SFU"), jwt.expect("a token"));
    tokio_tungstenite::connect_async(url).await.expect("a way in")
}

/// The transports that the homeserver announces (MSC4143).
async fn announced(homeserver: &Homeserver, who: &Login) -> Value {
    const PATH: &str = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports";
    let answer = homeserver.request(Method::GET, PATH, Some(&who.access_token), None).await;
    answer.expect("an answer").body["rtc_transports"].take()
}

/// Asks for a token as a client in `compatibility` mode does.
async fn token(stack: &Stack, who: &Login) -> (StatusCode, Value) {
    token_with(stack, who, &json!({})).await
}

/// The same, with more or other fields in the request.
async fn token_with(stack: &Stack, who: &Login, more: &Value) -> (StatusCode, Value) {
    let user = who.user_id.replace('@', "%40").replace(':', "%3A");
    let path = format!("/_matrix/client/v3/user/{user}/openid/request_token");
    let openid = stack
        .homeserver()
        .request(Method::POST, &path, Some(&who.access_token), Some(&json!({})))
        .await
        .expect("an OpenID token");
    assert_eq!(openid.status, 200);
    let mut asked = json!({
        "room": "!somewhere",
        "openid_token": openid.body,
        "device_id": who.device_id,
    });
    for (name, value) in more.as_object().expect("fields") {
        asked[name] = value.clone();
    }
    let url = format!("{}/sfu/get", stack.token_service().url());
    let answer = reqwest::Client::new().post(url).json(&asked).send().await.expect("an answer");
    (answer.status(), answer.json().await.expect("JSON"))
}

/// What the SFU says to a token, if it is there.
async fn validate(sfu: &Value, jwt: &str) -> Option<String> {
    let url = sfu.as_str().expect("the SFU's address").replacen("ws", "http", 1);
    let answer = reqwest::get(format!("{url}/rtc/validate?access_token={jwt}")).await.ok()?;
    answer.text().await.ok()
}
