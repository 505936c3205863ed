//! A folder to copy for each new homeserver: keys, a certificate, and a database that has been
//! through all of Synapse's migrations. They take longer than all else at a first start.

use std::{fs, io, path::Path, time::Duration};

use super::{
    config::{Announced, Config},
    synapse::{StartError, launch},
};
use crate::{install::Entry, ports, versions::SYNAPSE};

/// What a template consists of.
const FILES: [&str; 4] = ["homeserver.db", "signing.key", "tls.crt", "tls.key"];

/// How long the migrations may take on a machine that compiles beside.
const MADE_WITHIN: Duration = Duration::from_mins(2);

/// Copies the template into `folder`, making it first where this machine has none.
pub(super) async fn copy_to(folder: &Path, program: &Path) -> Result<(), StartError> {
    let entry = Entry::new(format!("homeserver-template-{SYNAPSE}"));
    if !entry.is_whole() {
        let _lock = entry.lock().await.map_err(StartError::Cache)?;
        if !entry.is_whole() {
            let template = entry.clear().map_err(StartError::Cache)?;
            make(&template, program).await?;
            entry.finish().map_err(StartError::Cache)?;
        }
    }
    for name in FILES {
        fs::copy(entry.folder().join(name), folder.join(name)).map_err(StartError::Files)?;
    }
    Ok(())
}

async fn make(folder: &Path, program: &Path) -> Result<(), StartError> {
    write_certificate(folder)?;
    write_signing_key(folder).map_err(StartError::Files)?;
    let [http_port, tls_port] = ports::tcp().map_err(StartError::Files)?;
    let config = Config {
        folder,
        http_port,
        tls_port,
        registration_secret: "nobody registers here",
        announced: &Announced::Nothing,
    };
    config.write().map_err(StartError::Files)?;
    let mut server = launch(program, folder, http_port, MADE_WITHIN).await?;
    // Only a database that was closed is one file.
    server.stop().await.map_err(StartError::Server)
}

fn write_certificate(folder: &Path) -> Result<(), StartError> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(StartError::Certificate)?;
    fs::write(folder.join("tls.crt"), made.cert.pem()).map_err(StartError::Files)?;
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).map_err(StartError::Files)
}

/// Synapse's own format: algorithm, the key's name, the seed in base64 without padding.
fn write_signing_key(folder: &Path) -> io::Result<()> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let mut seed = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(io::Error::other)?;
    fs::write(
        folder.join("signing.key"),
        format!("ed25519 trial {}\n", STANDARD_NO_PAD.encode(seed)),
    )
}
