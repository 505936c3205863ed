//! What the SFU says of a room and of a token.

use phonograph_trial::sfu::Address;
use serde_json::{Value, json};

use super::record::authorisation;

/// The smallest join request that `/rtc/v1/validate` reads.
const JOIN_REQUEST: &str = "EgQKAggB";

/// What was recorded of a room.
const RECORDED: [&str; 6] = [
    "name",
    "empty_timeout",
    "departure_timeout",
    "max_participants",
    "metadata",
    "num_participants",
];

/// The room as the SFU lists it, `null` where it does not.
pub(crate) async fn on_sfu(sfu: &Address, room: &str) -> Value {
    let listed: Value = reqwest::Client::new()
        .post(format!("{}/twirp/livekit.RoomService/ListRooms", sfu.http_url()))
        .bearer_auth(authorisation(sfu, &json!({ "roomList": true })))
        .json(&json!({ "names": [room] }))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("rooms");
    let rooms = listed["rooms"].as_array().expect("a list of rooms");
    let Some(found) = rooms.iter().find(|found| found["name"] == room) else { return Value::Null };
    RECORDED.iter().map(|name| ((*name).to_owned(), found[*name].clone())).collect()
}

/// Whether the SFU would let somebody in with this token, at each of its two addresses.
pub(crate) async fn validate(sfu: &Address, jwt: &str) -> Value {
    let mut found = json!({});
    for (path, more) in [
        ("/rtc/validate", String::new()),
        ("/rtc/v1/validate", format!("&join_request={JOIN_REQUEST}")),
    ] {
        let url = format!("{}{path}?access_token={jwt}{more}", sfu.http_url());
        let answer = reqwest::get(url).await.expect("an answer");
        let status = answer.status().as_u16();
        found[path] = json!([status, answer.text().await.expect("a text")]);
    }
    found
}
