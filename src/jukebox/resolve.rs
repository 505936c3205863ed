//! From what somebody wants to hear to where it is, and from there to its bytes.

use std::{fs::File, path::PathBuf, sync::Arc};

use phonograph_media::playback::MediaSource;
use tokio::sync::watch;
use url::Url;

use super::{
    Item, Origin,
    error::PlayError,
    hls::Hls,
    library::{self, LibraryError},
    link::{Link, Links, Watch},
    podcast::Episode,
    program::Programs,
    upload::{UploadError, Uploads},
    web::Web,
};
use crate::{
    command::{Title, Wanted},
    config::Config,
};

/// Finds what can be played. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Resolver {
    folders: Arc<[PathBuf]>,
    web: Web,
    uploads: Option<Arc<dyn Uploads>>,
    size_max: bytesize::ByteSize,
}

/// What was found for somebody.
pub(crate) struct Found {
    /// One, or those of a playlist in its order; never none, and at most 500.
    pub(crate) items: Vec<Item>,
    /// The first of them, if looking has opened it already.
    pub(crate) opened: Option<Source>,
    /// Whether a playlist has more than was taken: it is too long, or leads out of the web.
    pub(crate) is_cut: bool,
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
    /// What a station says it plays, as it is read: up to five seconds before it is heard. Nothing
    /// comes from other sources.
    pub(crate) titles: watch::Receiver<Option<Title>>,
}

impl Resolver {
    /// Finds what the settings allow.
    ///
    /// # Errors
    /// If the system's certificates cannot be used.
    pub(crate) fn new(config: &Config) -> Result<Self, reqwest::Error> {
        Ok(Self {
            folders: config.library.folders.clone().into(),
            web: Web::new(Links::new(&config.links)?, Programs::new(&config.programs)),
            uploads: None,
            size_max: config.links.size_max,
        })
    }

    /// The same, that also gets what people send into rooms.
    #[expect(dead_code, reason = "wired in with the media repository")]
    pub(crate) fn with_uploads(self, uploads: Arc<dyn Uploads>) -> Self {
        Self { uploads: Some(uploads), ..self }
    }

    /// Finds a file of the library, or asks for a link and looks at what is behind it: music, a
    /// playlist, or a podcast, of which it is the latest episode.
    ///
    /// Takes up to a few seconds, longer for playlists of playlists. Cancel-safe; a search that has
    /// begun ends by itself.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn look(&self, wanted: &Wanted) -> Result<Found, PlayError> {
        match wanted {
            Wanted::Link(url) => self.web.look(url).await,
            Wanted::Name(name) => {
                let (folders, name) = (Arc::clone(&self.folders), name.clone());
                let search = move || library::find(&folders, &name);
                let found = tokio::task::spawn_blocking(search).await;
                let found = found.map_err(PlayError::Unfinished)??;
                let origin = Origin::File(found.path);
                Ok(Found::opened(origin, Source::of_file(found.title, found.file)))
            }
        }
    }

    /// Finds an episode of a podcast.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    #[cfg_attr(not(test), expect(dead_code, reason = "wired in by the room"))]
    pub(crate) async fn podcast(&self, feed: &Url, which: &Episode) -> Result<Item, PlayError> {
        self.web.podcast(feed, which).await
    }

    /// Opens what was found before, perhaps before a restart.
    ///
    /// Takes up to a few seconds, an upload as long as its download. Cancel-safe.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn open(&self, item: &Item) -> Result<Source, PlayError> {
        match &item.origin {
            Origin::File(path) => {
                let (path, title) = (path.clone(), item.title.clone());
                let open = move || match File::open(&path) {
                    Ok(file) => Ok(Source::of_file(title, file)),
                    Err(source) => Err(LibraryError::Unopenable { title, path, source }),
                };
                let opened = tokio::task::spawn_blocking(open).await;
                Ok(opened.map_err(PlayError::Unfinished)??)
            }
            Origin::Link(url) => {
                let source = self.web.open(url).await?;
                Ok(Source { title: item.title.clone(), ..source })
            }
            Origin::Upload(upload) => {
                let failed = |source| PlayError::Upload { title: item.title.clone(), source };
                let uploads = self.uploads.as_ref();
                let uploads = uploads.ok_or_else(|| failed(UploadError::Unavailable))?;
                let media = uploads.download(upload, self.size_max).await.map_err(failed)?;
                Ok(Source::of_media(item.title.clone(), media))
            }
        }
    }

    /// Finds something and opens it.
    ///
    /// # Errors
    /// As those of [`Resolver::look`] and [`Resolver::open`].
    pub(crate) async fn resolve(&self, wanted: &Wanted) -> Result<Source, PlayError> {
        let found = self.look(wanted).await?;
        match found.opened {
            Some(source) => Ok(source),
            None => self.open(&found.items[0]).await,
        }
    }
}

impl Found {
    /// One that is open already.
    pub(super) fn opened(origin: Origin, source: Source) -> Self {
        let item = Item { title: source.title.clone(), origin, duration: None };
        Self { items: vec![item], opened: Some(source), is_cut: false }
    }
}

impl Source {
    fn of_file(title: Title, file: File) -> Self {
        Self::of_media(title, Box::new(file))
    }

    /// Bytes that are at hand.
    fn of_media(title: Title, media: Box<dyn MediaSource>) -> Self {
        let (_, titles) = watch::channel(None);
        Self { title, media, watch: Watch::default(), is_endless: false, titles }
    }
}

impl From<Link> for Source {
    fn from(link: Link) -> Self {
        Self {
            title: link.title().clone(),
            watch: link.watch(),
            is_endless: link.is_endless(),
            titles: link.titles(),
            media: Box::new(link),
        }
    }
}

impl From<Hls> for Source {
    fn from(stream: Hls) -> Self {
        let (_, titles) = watch::channel(None);
        Self {
            title: stream.title().clone(),
            watch: stream.watch(),
            is_endless: stream.is_endless(),
            titles,
            media: Box::new(stream),
        }
    }
}
