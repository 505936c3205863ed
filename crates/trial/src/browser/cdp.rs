//! The Chrome `DevTools` Protocol over one `WebSocket`: commands with answers, and each page's
//! console.
//!
//! One connection serves the whole browser; a *session* is one page of it (`Target.attachToTarget`,
//! flattened).

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::task::AbortOnDropHandle;

use super::console::Console;

/// Commands that wait to be written; a page is asked a few things at a time.
const OUTBOX_MAX: usize = 64;

/// A connection to one browser. Dropping it closes the connection, and every answer still awaited
/// is an error.
#[derive(Debug)]
pub(super) struct Cdp {
    outbox: mpsc::Sender<Order>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
enum Order {
    Call {
        method: &'static str,
        params: Value,
        session: Option<String>,
        answer: oneshot::Sender<Result<Value>>,
    },
    Watch {
        session: String,
        console: Arc<Console>,
    },
}

/// What the browser sends: the answer to a command where there is an id, else an event.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incoming {
    id: Option<u64>,
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    params: Value,
    session_id: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Cdp {
    /// Connects to a browser's own `WebSocket`, `ws://127.0.0.1:…/devtools/browser/…`.
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .context("connecting to Chromium's debugger")?;
        let (outbox, orders) = mpsc::channel(OUTBOX_MAX);
        let task = AbortOnDropHandle::new(tokio::spawn(serve(socket, orders)));
        Ok(Self { outbox, _task: task })
    }

    /// Sends a command, to a page where `session` names one, and waits for its answer.
    pub(super) async fn call(
        &self,
        session: Option<&str>,
        method: &'static str,
        params: Value,
    ) -> Result<Value> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Call { method, params, session: session.map(str::to_owned), answer };
        self.outbox.send(order).await.map_err(|_| anyhow!("Chromium has gone"))?;
        answered
            .await
            .map_err(|_| anyhow!("Chromium went away during {method}"))?
            .with_context(|| method.to_owned())
    }

    /// Has what a page's console says written to `console` from now on.
    pub(super) async fn watch(&self, session: &str, console: Arc<Console>) -> Result<()> {
        let order = Order::Watch { session: session.to_owned(), console };
        self.outbox.send(order).await.map_err(|_| anyhow!("Chromium has gone"))
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve(mut socket: Socket, mut orders: mpsc::Receiver<Order>) {
    let mut last_id = 0;
    let mut pending = HashMap::new();
    let mut consoles = HashMap::<String, Arc<Console>>::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return,
                Some(Order::Watch { session, console }) => drop(consoles.insert(session, console)),
                Some(Order::Call { method, params, session, answer }) => {
                    last_id += 1;
                    pending.insert(last_id, answer);
                    let mut command = json!({ "id": last_id, "method": method, "params": params });
                    if let Some(session) = session {
                        command["sessionId"] = session.into();
                    }
                    if socket.send(Message::text(command.to_string())).await.is_err() {
                        return;
                    }
                }
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => take(&text, &mut pending, &consoles),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

fn take(
    text: &str,
    pending: &mut HashMap<u64, oneshot::Sender<Result<Value>>>,
    consoles: &HashMap<String, Arc<Console>>,
) {
    let Ok(incoming) = serde_json::from_str::<Incoming>(text) else { return };
    if let Some(answer) = incoming.id.and_then(|id| pending.remove(&id)) {
        let outcome = match incoming.error {
            None => Ok(incoming.result),
            Some(refusal) => Err(anyhow!(refusal.message)),
        };
        // Nobody waits any more where the caller's time was up.
        let _unclaimed = answer.send(outcome);
    } else if let Some(console) = incoming.session_id.and_then(|session| consoles.get(&session)) {
        console.take(&incoming.method, &incoming.params);
    }
}

/// What `Runtime.evaluate` gives: the value, or an error of what the script threw.
pub(super) fn evaluated(mut answer: Value) -> Result<Value> {
    if let Some(thrown) = answer.get("exceptionDetails") {
        let description =
            thrown.pointer("/exception/description").or_else(|| thrown.pointer("/exception/value"));
        match description.or_else(|| thrown.get("text")) {
            Some(Value::String(text)) => bail!("the page says: {text}"),
            Some(other) => bail!("the page says: {other}"),
            None => bail!("the page threw something without a description"),
        }
    }
    Ok(answer.pointer_mut("/result/value").map(Value::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_out_of_an_evaluation() {
        let answer = json!({ "result": { "type": "object", "value": { "a": 1 } } });
        assert_eq!(evaluated(answer).expect("a value"), json!({ "a": 1 }));
        assert_eq!(
            evaluated(json!({ "result": { "type": "undefined" } })).expect("nothing"),
            Value::Null
        );
    }

    #[test]
    fn what_a_script_throws_is_told() {
        let exception = json!({ "description": "Error: no room" });
        let details = json!({ "text": "Uncaught", "exception": exception });
        let answer = json!({ "result": {}, "exceptionDetails": details });
        let error = evaluated(answer).expect_err("an exception");
        assert!(error.to_string().contains("no room"), "{error}");
    }
}
