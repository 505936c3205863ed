//! Our token service answers as Element's lk-jwt-service did when it was recorded: every recorded
//! request, one after another, against a real livekit-server.
//!
//! Where the record says what became of the SFU's room, and whether the SFU takes the token, that
//! is compared, too. The homeservers are made up, since a real one's tokens are gone.

mod token_service {
    pub(crate) mod homeservers;
    pub(crate) mod record;
    pub(crate) mod rooms;
}

use std::{collections::HashMap, time::Duration};

use phonograph_trial::{
    install,
    sfu::{Address, Sfu},
    token_service::{Service, Settings},
};
use serde_json::{Value, json};

use token_service::{
    homeservers::Homeservers,
    record::{Case, Record},
    rooms,
};

/// The SFU's address in the record.
const TOLD: &str = "ws://127.0.0.1:7880";

/// How long a token was and is valid.
const VALID_FOR_S: i64 = 3600;

#[tokio::test]
async fn every_recorded_request_is_answered_as_the_original_answered_it() {
    let record = Record::read();
    let homeservers = Homeservers::start(&record).await;
    let sfu = install::livekit_server().await.expect("livekit-server");
    let sfu = Sfu::start(&sfu, None).await.expect("the SFU starts");
    let services = Services::start(sfu.address(), &homeservers);

    let mut differences = Vec::new();
    for case in &record.cases {
        let found = replay(case, &services, sfu.address()).await;
        let wanted = case.wanted();
        if found != wanted {
            differences.push(format!("{}:\n  was {wanted}\n  is  {found}", case.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(record.cases.len(), 172);
}

/// The service in each of its recorded configurations.
struct Services(HashMap<&'static str, Service>);

impl Services {
    fn start(sfu: &Address, homeservers: &Homeservers) -> Self {
        let main = Settings {
            told: Some(TOLD.to_owned()),
            full_access: vec!["localhost:8448".to_owned()],
            client_apis: HashMap::from([(
                "localhost:8448".to_owned(),
                "http://127.0.0.1:8008".to_owned(),
            )]),
            addresses: homeservers.addresses(),
            accept_any_certificate: true,
            delegates: true,
            // The original waits 30 s.
            lookup_max: Duration::from_secs(1),
            ..Settings::new(sfu.clone())
        };
        let restricted = Settings { full_access: vec!["example.org".to_owned()], ..main.clone() };
        let wildcard = Settings { full_access: vec!["*".to_owned()], ..main.clone() };
        let no_override = Settings { client_apis: HashMap::new(), ..main.clone() };
        let verifies_tls = Settings { accept_any_certificate: false, ..main.clone() };
        let nowhere = Address { url: "ws://127.0.0.1:9".to_owned(), ..sfu.clone() };
        let sfu_down = Settings { sfu: nowhere, ..main.clone() };
        let services = [
            ("main", main),
            ("restricted", restricted),
            ("wildcard", wildcard),
            ("no-override", no_override),
            ("verifies-tls", verifies_tls),
            ("sfu-down", sfu_down),
        ];
        Self(services.map(|(name, it)| (name, Service::start(it).expect("it starts"))).into())
    }
}

/// One request, and all that the record says about what came of it.
async fn replay(case: &Case, services: &Services, sfu: &Address) -> Value {
    let room = case.room();
    let url = services.0[case.service.as_str()].url();
    if case.needs_room() {
        case.make_room(url).await;
    }
    let before = match room {
        Some(room) => rooms::on_sfu(sfu, room).await,
        None => Value::Null,
    };
    let mut found = case.send(url).await;
    let jwt = found["response"]["body"]["jwt"].as_str().map(str::to_owned);
    if let Some(jwt) = &jwt {
        found["response"]["body"]["jwt"] = "…".into();
        found["jwt"] = opened(sfu, jwt);
    }
    if let Some(room) = room {
        let after = rooms::on_sfu(sfu, room).await;
        found["sfu"] = json!({ "room": room, "before": before, "after": after });
        if let Some(jwt) = &jwt {
            found["sfu"]["validate"] = rooms::validate(sfu, jwt).await;
        }
    }
    found
}

/// A token's header and claims without its times, once its signature and its times were found good.
fn opened(sfu: &Address, jwt: &str) -> Value {
    let key = jsonwebtoken::DecodingKey::from_secret(sfu.secret.as_bytes());
    let rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    let token = jsonwebtoken::decode::<Value>(jwt, &key, &rules).expect("it is signed");
    let mut claims = token.claims;
    let mut time = |name| {
        let taken = claims.as_object_mut().and_then(|claims| claims.remove(name));
        taken.and_then(|value| value.as_i64()).expect("a time")
    };
    let (exp, nbf, iat) = (time("exp"), time("nbf"), time("iat"));
    assert_eq!((exp - iat, nbf), (VALID_FOR_S, iat));
    json!({ "header": { "alg": "HS256", "typ": token.header.typ }, "claims": claims })
}
