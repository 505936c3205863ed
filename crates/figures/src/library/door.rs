//! An SFU, and a token service that believes everybody.

use std::{future::IntoFuture, net::Ipv4Addr, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{Json, extract::State, http::StatusCode, routing::post};
use livekit_api::{
    access_token::{AccessToken, VideoGrants},
    services::room::{CreateRoomOptions, RoomClient},
};
use phonograph_trial::{
    install,
    sfu::{Address, Sfu},
};
use serde_json::{Value, json};

/// A running SFU and the token service before it.
pub(crate) struct Door {
    /// Where the token service is.
    pub(crate) service: String,
    keys: Arc<Keys>,
    _sfu: Sfu,
}

struct Keys {
    address: Address,
    rooms: RoomClient,
}

impl Door {
    pub(crate) async fn open() -> Result<Self> {
        let sfu = Sfu::start(&install::livekit_server().await?, None).await?;
        let address = sfu.address().clone();
        let rooms = RoomClient::with_api_key(&address.http_url(), &address.key, &address.secret);
        let keys = Arc::new(Keys { address, rooms });
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let service = format!("http://{}", listener.local_addr()?);
        let app = axum::Router::new().route("/sfu/get", post(grant)).with_state(Arc::clone(&keys));
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(Self { service, keys, _sfu: sfu })
    }

    /// Where the SFU is, and a token to a room of it, which is made.
    pub(super) async fn ticket(&self, room: &str, identity: &str) -> Result<(String, String)> {
        let token = self.keys.ticket(room, identity).await?;
        Ok((self.keys.address.url.clone(), token))
    }
}

impl Keys {
    async fn ticket(&self, room: &str, identity: &str) -> Result<String> {
        self.rooms.create_room(room, CreateRoomOptions::default()).await?;
        let grants =
            VideoGrants { room_join: true, room: room.to_owned(), ..VideoGrants::default() };
        let token = AccessToken::with_api_key(&self.address.key, &self.address.secret);
        Ok(token.with_identity(identity).with_grants(grants).to_jwt()?)
    }
}

/// As lk-jwt-service answers; the user is whom the OpenID token names, without a question.
async fn grant(
    State(keys): State<Arc<Keys>>,
    Json(asked): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let granted = async {
        let user = text(&asked["openid_token"]["access_token"])?;
        let identity = format!("{user}:{}", text(&asked["device_id"])?);
        keys.ticket(&text(&asked["room"])?, &identity).await
    };
    let token = granted.await.map_err(|_error| StatusCode::BAD_REQUEST)?;
    Ok(Json(json!({ "url": keys.address.url, "jwt": token })))
}
