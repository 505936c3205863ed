//! From what somebody wants to hear to where it is.

use std::{path::PathBuf, sync::Arc};

use phonograph_media::playback::MediaSource;

use super::{
    error::PlayError,
    library,
    link::{Link, Links, Watch},
};
use crate::{
    command::{Title, Wanted},
    config::Config,
};

/// Finds what can be played. Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    folders: Arc<[PathBuf]>,
    links: Links,
}

/// Something that was found; it is not known yet whether it is music. Dropping it closes the file or
/// the connection.
pub(crate) struct Source {
    pub(super) title: Title,
    pub(super) media: Box<dyn MediaSource>,
    /// Of a link.
    pub(super) watch: Watch,
    /// Whether it announced no end.
    pub(super) is_endless: bool,
}

impl Resolver {
    /// Finds what the settings allow.
    ///
    /// # Errors
    /// If the system's certificates cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let folders = config.library.folders.clone().into();
        Ok(Self { folders, links: Links::new(&config.links)? })
    }

    /// Finds a file of the library, or asks for a link.
    ///
    /// Takes up to a few seconds. Cancel-safe; a search that has begun ends by itself.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn resolve(&self, wanted: &Wanted) -> Result<Source, PlayError> {
        match wanted {
            // The room knows the message, and gives its file as a source of its own.
            Wanted::Upload => {
                let name = "upload".to_owned();
                Err(PlayError::Library(library::LibraryError::NotFound { name }))
            }
            Wanted::Link(url) => Ok(Source::from(self.links.open(url).await?)),
            Wanted::Name(name) => {
                let (folders, name) = (Arc::clone(&self.folders), name.clone());
                let search = move || library::find(&folders, &name);
                let found = tokio::task::spawn_blocking(search).await;
                Ok(Source::from(found.map_err(PlayError::Unfinished)??))
            }
        }
    }
}

impl From<library::Found> for Source {
    fn from(found: library::Found) -> Self {
        Self {
            title: found.title,
            media: Box::new(found.file),
            watch: Watch::default(),
            is_endless: false,
        }
    }
}

impl From<Link> for Source {
    fn from(link: Link) -> Self {
        Self {
            title: link.title().clone(),
            watch: link.watch(),
            is_endless: link.is_endless(),
            media: Box::new(link),
        }
    }
}
