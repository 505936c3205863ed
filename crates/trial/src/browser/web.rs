//! The web server of the trial: our host page, Element Call, and what listens in it, all of one
//! origin.
//!
//! One origin so that the host page may look into Element Call's frame, and a loopback address so
//! that browsers allow a microphone there without TLS.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;
use tower_http::services::ServeDir;
use url::form_urlencoded::Serializer;

use crate::guard;
use crate::install::Modules;

/// Our pages' sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web");

/// Where Element Call's page lets us in: before all of its own scripts.
const HEAD: &str = "<head>";

/// A running web server. Dropping it stops the server.
#[derive(Debug)]
pub struct Web {
    url: String,
    _bundle: TempDir,
    _server: AbortOnDropHandle<()>,
}

/// Somebody to be signed in by the host page, and where.
#[derive(Clone)]
pub struct Account {
    /// The homeserver's client API, `http://127.0.0.1:…`.
    pub homeserver: String,
    /// The local part of the user id.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Web {
    /// Bundles our pages, with the packages of `web/package.json`, and serves them on a free port
    /// of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// Where a package is missing, esbuild finds a mistake in our scripts, or no port is free.
    pub async fn start(modules: &Modules) -> Result<Self> {
        let bundle = bundle(modules).await?;
        let app = routes(modules, bundle.path()).await?;
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("binding the web server")?;
        let url = format!("http://{}", listener.local_addr().context("the web server's address")?);
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "the trial's web server ended");
            }
        }));
        Ok(Self { url, _bundle: bundle, _server: server })
    }

    /// Where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A link that signs an account in and, where `room` names one, shows the room with a button to
    /// join its call. The password is in the fragment, which no server gets to see.
    pub fn link(&self, account: &Account, room: Option<&str>) -> String {
        account.link(&self.url, room)
    }
}

impl Account {
    /// As [`Web::link`], where `pages` is the address of the web server.
    pub(crate) fn link(&self, pages: &str, room: Option<&str>) -> String {
        let mut wish = Serializer::new(String::new());
        wish.append_pair("homeserver", &self.homeserver);
        wish.append_pair("user", &self.user);
        wish.append_pair("password", &self.password);
        wish.extend_pairs(room.map(|room| ("room", room)));
        format!("{pages}/#{}", wish.finish())
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("homeserver", &self.homeserver)
            .field("user", &self.user)
            .field("password", &"***")
            .finish()
    }
}

/// One script of each page's modules and all that they import, beside the pages themselves.
async fn bundle(modules: &Modules) -> Result<TempDir> {
    let folder = guard::folder("web").context("a folder for the bundle")?;
    let sources = Path::new(SOURCES);
    let output = Command::new(modules.esbuild())
        .arg(sources.join("host/host.js"))
        .arg(sources.join("stranger/stranger.js"))
        .args(["--bundle", "--format=esm", "--target=es2022", "--log-level=warning"])
        .args(["--entry-names=[name]", &format!("--outdir={}", folder.path().display())])
        .env("NODE_PATH", modules.folder())
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("running {}", modules.esbuild().display()))?;
    ensure!(
        output.status.success(),
        "esbuild failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for file in ["index.html", "host.css"] {
        tokio::fs::copy(sources.join("host").join(file), folder.path().join(file))
            .await
            .with_context(|| format!("copying {file}"))?;
    }
    Ok(folder)
}

async fn routes(modules: &Modules, bundle: &Path) -> Result<Router> {
    let element_call = modules.element_call();
    let page = element_call.join("index.html");
    let page = tokio::fs::read_to_string(&page)
        .await
        .with_context(|| format!("reading Element Call's {}", page.display()))?;
    ensure!(page.contains(HEAD), "Element Call's page has no {HEAD} to listen from");
    let page = page.replacen(HEAD, &format!(r#"{HEAD}<script src="../ears/ears.js"></script>"#), 1);
    // The crypto library looks for this folder beside the bundle.
    let wasm = modules.folder().join("@matrix-org/matrix-sdk-crypto-wasm/pkg");
    Ok(Router::new()
        .route("/call/index.html", get(async || Html(page)))
        .nest_service("/call", ServeDir::new(element_call))
        .nest_service("/ears", ServeDir::new(Path::new(SOURCES).join("ears")))
        .nest_service("/stranger", ServeDir::new(Path::new(SOURCES).join("stranger")))
        .nest_service("/pkg", ServeDir::new(wasm))
        .fallback_service(ServeDir::new(bundle)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_everything_in_its_fragment() {
        let link = account().link("http://127.0.0.1:1", Some("!a:b"));
        let (page, wish) = link.split_once('#').expect("a fragment");
        assert_eq!(page, "http://127.0.0.1:1/");
        let homeserver = "homeserver=http%3A%2F%2F127.0.0.1%3A2";
        assert_eq!(wish, format!("{homeserver}&user=alice&password=a+%26+b&room=%21a%3Ab"));
    }

    #[test]
    fn a_password_does_not_print() {
        assert!(!format!("{:?}", account()).contains("a & b"));
    }

    fn account() -> Account {
        Account {
            homeserver: "http://127.0.0.1:2".to_owned(),
            user: "alice".to_owned(),
            password: "a & b".to_owned(),
        }
    }
}
