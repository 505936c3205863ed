//! One page, in a context of its own: nothing that it stores is seen by another page.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::cdp::{Cdp, evaluated};
use super::console::{Console, Line};

/// How long a page of ours may take to load, on a machine that builds something beside it.
const LOADED_WITHIN: Duration = Duration::from_mins(1);

/// Resolves when the page is loaded.
const LOADED: &str = "new Promise((done) => {
    if (document.readyState === 'complete') done();
    else addEventListener('load', () => done());
})";

/// How long the browser may take over what it does by itself, such as a picture.
const DONE_WITHIN: Duration = Duration::from_secs(30);

/// A page of a [`Browser`](super::Browser). It closes with the browser, or by [`Page::close`].
#[derive(Debug)]
pub struct Page {
    cdp: Arc<Cdp>,
    context: String,
    session: String,
    console: Arc<Console>,
}

impl Page {
    /// Opens an empty page of this size.
    pub(super) async fn open(cdp: Arc<Cdp>, (width, height): (u32, u32)) -> Result<Self> {
        let context = cdp.call(None, "Target.createBrowserContext", json!({})).await?;
        let context = text(&context, "browserContextId")?;
        let target = json!({
            "url": "about:blank", "browserContextId": context, "newWindow": true,
            "width": width, "height": height,
        });
        let target = text(&cdp.call(None, "Target.createTarget", target).await?, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let session = cdp.call(None, "Target.attachToTarget", attach).await?;
        let session = text(&session, "sessionId")?;
        let console = Arc::new(Console::default());
        cdp.watch(&session, Arc::clone(&console)).await?;
        let page = Self { cdp, context, session, console };
        page.command("Runtime.enable", json!({})).await?;
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        page.command("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(page)
    }

    /// Goes to an address and waits until it is loaded, its module scripts included.
    ///
    /// # Errors
    ///
    /// Where nothing answers there, or the page takes longer than a minute.
    pub async fn go(&self, url: &str) -> Result<()> {
        let went = self.command("Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = went["errorText"].as_str() {
            bail!("Chromium could not open the page: {error}");
        }
        self.evaluate(LOADED, LOADED_WITHIN).await.context("waiting for the page to load")
    }

    /// Evaluates a JavaScript expression and, where it gives a promise, waits for it.
    ///
    /// Cancel-safe: the script goes on in the page, its value is dropped.
    ///
    /// # Errors
    ///
    /// What the script threw; that it took longer than `within`; that its value is no `T`.
    pub async fn evaluate<T: DeserializeOwned>(
        &self,
        expression: &str,
        within: Duration,
    ) -> Result<T> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.cdp.call(Some(&self.session), "Runtime.evaluate", params);
        let answer = timeout(within, answer)
            .await
            .with_context(|| format!("the page took longer than {within:?}"))??;
        serde_json::from_value(evaluated(answer)?).context("reading what the page answered")
    }

    /// Calls a JavaScript function with arguments, a tuple or a list, and waits as
    /// [`Page::evaluate`] does.
    ///
    /// # Errors
    ///
    /// As [`Page::evaluate`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl Serialize,
        within: Duration,
    ) -> Result<T> {
        let arguments = serde_json::to_string(&arguments).context("writing arguments as JSON")?;
        self.evaluate(&format!("({function})(...{arguments})"), within).await
    }

    /// The last lines of the page's console, those of its frames included, oldest first.
    pub fn console(&self) -> Vec<Line> {
        self.console.lines()
    }

    /// Takes a picture of the page as it is seen, as PNG.
    ///
    /// # Errors
    ///
    /// Where Chromium or the file system refuses.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let taken = self.command("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let image = STANDARD.decode(text(&taken, "data")?).context("decoding the picture")?;
        tokio::fs::write(path, image).await.with_context(|| format!("writing {}", path.display()))
    }

    /// Closes the page and forgets all that it stored.
    ///
    /// # Errors
    ///
    /// Where the browser has gone.
    pub async fn close(&self) -> Result<()> {
        let context = json!({ "browserContextId": self.context });
        self.cdp.call(None, "Target.disposeBrowserContext", context).await.map(drop)
    }

    async fn command(&self, method: &'static str, params: Value) -> Result<Value> {
        timeout(DONE_WITHIN, self.cdp.call(Some(&self.session), method, params))
            .await
            .with_context(|| format!("{method} took longer than {DONE_WITHIN:?}"))?
    }
}

fn text(answer: &Value, name: &str) -> Result<String> {
    let value =
        answer[name].as_str().with_context(|| format!("Chromium's answer has no {name}"))?;
    Ok(value.to_owned())
}
