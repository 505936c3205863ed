//! From what somebody wants to hear to where it is, and from there to its bytes.

use std::{fs::File, sync::Arc, time::Duration};

use bytesize::ByteSize;
use phonograph_media::{
    loudness::Loudness,
    playback::{self, MediaSource},
};
use tokio::sync::watch;
use url::Url;

use super::{
    Item, Opened, Origin, Sound,
    broadcast::Broadcasts,
    error::PlayError,
    hls::Hls,
    library::{self, Library},
    link::{Link, Links, Watch},
    loudness::Meter,
    program::Programs,
    upload::{UploadError, Uploads},
    web::Web,
};
use crate::{
    command::{Barred, Episode, Title},
    config::Config,
    store::Store,
};

/// The largest file that somebody sends and that is played: ten hours of music. Homeservers mostly take
/// less.
const UPLOAD_MAX: ByteSize = ByteSize::mib(256);

/// Finds what can be played. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Resolver {
    pub(super) library: Library,
    meter: Meter,
    broadcasts: Broadcasts,
    web: Web,
    uploads: Option<Arc<dyn Uploads>>,
    size_max: ByteSize,
}

/// What was found for somebody.
pub(crate) struct Found {
    /// One, or those of a playlist in its order; never none, and at most 500.
    pub(crate) items: Vec<Item>,
    /// The first of them, if looking has opened it already.
    pub(crate) opened: Option<Source>,
    /// What the list is called that they are of: a playlist by its own words, or an album.
    pub(crate) title: Option<Title>,
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
    /// How loud it was measured to be.
    pub(super) loudness: Option<Loudness>,
}

impl Resolver {
    /// Finds what the settings allow.
    ///
    /// # Errors
    /// If the system's certificates cannot be used.
    pub(crate) fn new(
        config: &Config,
        library: Library,
        store: Store,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            meter: Meter::start(
                library.clone(),
                store,
                config.audio.even_loudness && config.library.measure,
            ),
            broadcasts: Broadcasts::new(playback::Config {
                bitrate_bps: config.audio.bitrate_bps,
                complexity: config.audio.complexity as u8,
                fec: config.audio.fec,
            }),
            library,
            web: Web::new(Links::new(&config.links)?, Programs::new(&config.programs)),
            uploads: None,
            size_max: config.links.size_max,
        })
    }

    /// One with a store and an index of its own. Its folder is gone when this returns, and what is
    /// open in it is not.
    #[cfg(test)]
    pub(super) fn of(config: &Config) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("a store");
        let library = Library::start(&config.library, store.files()).expect("a library");
        Self::new(config, library, store).expect("a resolver")
    }

    /// The same, for rooms that open no links to these hosts, wherever such a link comes from.
    pub(crate) fn barring(&self, barred: Barred) -> Self {
        Self {
            web: self.web.barring(barred.clone()),
            broadcasts: self.broadcasts.barring(barred),
            ..self.clone()
        }
    }

    /// The same, that also gets what people send into rooms.
    pub(crate) fn with_uploads(self, uploads: Arc<dyn Uploads>) -> Self {
        Self { uploads: Some(uploads), ..self }
    }

    /// Finds the file of the library that fits a name best, and opens it.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn named(&self, name: &str) -> Result<Found, PlayError> {
        let library::Found { item, file } = self.library.find(name).await?;
        let loudness = match &item.origin {
            Origin::File(path) => self.meter.of_file(path).await,
            Origin::Link(_) | Origin::Upload(_) => None,
        };
        let source = Source { loudness, ..Source::of_file(item.title.clone(), file) };
        Ok(Found { opened: Some(source), ..Found::of(vec![item]) })
    }

    /// Asks for a link and looks at what is behind it: music, a playlist, or a podcast, of which it
    /// is the latest episode.
    ///
    /// Takes up to a few seconds, longer for playlists of playlists. Cancel-safe.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn linked(&self, url: &Url) -> Result<Found, PlayError> {
        self.web.look(url).await
    }

    /// Finds an episode of a podcast.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn podcast(&self, feed: &Url, which: &Episode) -> Result<Item, PlayError> {
        self.web.podcast(feed, which).await
    }

    /// Opens an item and prepares to play it from a place on. A station that another room hears is
    /// shared with it.
    ///
    /// Takes up to a few seconds, an upload as long as its download. Cancel-safe.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn prepare(
        &self,
        item: &Item,
        sound: Sound,
        from: Duration,
    ) -> Result<Opened, PlayError> {
        if let Origin::Link(url) = &item.origin
            && let Some(tuned) = self.broadcasts.tune_in(url)
        {
            let failed =
                |source| PlayError::Media { title: item.title.clone(), is_endless: true, source };
            return tuned.map_err(failed);
        }
        let source = self.open(item).await?;
        self.look_into(item, source, sound, from).await
    }

    /// A station that another room hears.
    pub(crate) fn on_air(&self, url: &Url) -> Option<(Item, Opened)> {
        let opened = self.broadcasts.tune_in(url)?.ok()?;
        let origin = Origin::Link(url.clone());
        Some((Item { title: opened.title.clone(), origin, duration: None }, opened))
    }

    /// Looks at what an open source holds, and shares it if it is a station.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn look_into(
        &self,
        item: &Item,
        source: Source,
        sound: Sound,
        from: Duration,
    ) -> Result<Opened, PlayError> {
        let opening = tokio::task::spawn_blocking(move || source.open_at(sound, from));
        let opened = opening.await.map_err(PlayError::Unfinished)??;
        match &item.origin {
            Origin::Link(url) if opened.is_endless => self.broadcasts.begin(url, opened),
            Origin::Link(_) | Origin::File(_) | Origin::Upload(_) => Ok(opened),
        }
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
                let file = self.library.open_file(path).await?;
                let loudness = self.meter.of_file(path).await;
                Ok(Source { loudness, ..Source::of_file(item.title.clone(), file) })
            }
            Origin::Link(url) => {
                let source = self.web.open(url).await?;
                Ok(Source { title: item.title.clone(), ..source })
            }
            Origin::Upload(upload) => {
                let failed = |source| PlayError::Upload { title: item.title.clone(), source };
                let uploads = self.uploads.as_ref();
                let uploads = uploads.ok_or_else(|| failed(UploadError::Unavailable))?;
                // Uploads are held in memory while they play.
                let size_max = self.size_max.min(UPLOAD_MAX);
                let media = uploads.download(upload, size_max).await.map_err(failed)?;
                Ok(Source::of_media(item.title.clone(), media))
            }
        }
    }
}

impl Found {
    /// What is not open yet, and of no list.
    pub(super) fn of(items: Vec<Item>) -> Self {
        Self { items, opened: None, title: None, is_cut: false }
    }

    /// One that is open already.
    pub(super) fn opened(origin: Origin, source: Source) -> Self {
        let item = Item { title: source.title.clone(), origin, duration: None };
        Self { opened: Some(source), ..Self::of(vec![item]) }
    }
}

impl Source {
    pub(super) fn of_file(title: Title, file: File) -> Self {
        Self::of_media(title, Box::new(file))
    }

    /// Bytes that are at hand.
    pub(super) fn of_media(title: Title, media: Box<dyn MediaSource>) -> Self {
        let (_, titles) = watch::channel(None);
        Self { title, media, watch: Watch::default(), is_endless: false, titles, loudness: None }
    }
}

impl From<Link> for Source {
    fn from(link: Link) -> Self {
        Self {
            title: link.title().clone(),
            watch: link.watch(),
            is_endless: link.is_endless(),
            titles: link.titles(),
            loudness: None,
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
            loudness: None,
            media: Box::new(stream),
        }
    }
}
