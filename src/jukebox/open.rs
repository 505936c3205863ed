//! From a source to the two halves that play it.

use phonograph_media::playback::{self, Player, ReadError, Reader};

use super::{error::PlayError, link::Watch, resolve::Source};
use crate::command::Title;

/// Something that plays when its two halves are driven.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What to call it: by its tags if it has any, else as where it was found.
    pub(crate) title: Title,
    /// The half that blocks.
    pub(crate) reader: Reader,
    /// The half that makes frames.
    pub(crate) player: Player,
    /// Tells why the reader fails.
    pub(crate) follow: Follow,
}

/// What remains to know a source by while it plays.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    title: Title,
    watch: Watch,
}

impl Source {
    /// Looks at what the source holds and prepares to play it.
    ///
    /// Blocking, and to be called within a runtime, so by `spawn_blocking`: it reads, and a link waits
    /// for its server, twice `links.patience` at most.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) fn open(self, config: &playback::Config) -> Result<Opened, PlayError> {
        let Self { title, media, watch, is_endless } = self;
        match playback::open(media, config) {
            Ok((reader, player)) => {
                watch.is_music();
                let info = player.info();
                let shown = named(&title, info.artist.as_deref(), info.title.as_deref());
                let follow = Follow { title: shown.clone(), watch };
                Ok(Opened { title: shown, reader, player, follow })
            }
            Err(source) => Err(match watch.failure() {
                Some(source) => PlayError::LinkBroke { title, source },
                None => PlayError::Media { title, is_endless, source },
            }),
        }
    }
}

impl Follow {
    /// Why the reader failed, in terms of where the source is.
    pub(crate) fn explain(&self, error: ReadError) -> PlayError {
        let title = self.title.clone();
        match self.watch.failure() {
            Some(source) => PlayError::LinkBroke { title, source },
            None => PlayError::BrokeOff { title, source: error },
        }
    }
}

/// "Artist – Title" as far as the tags say them.
fn named(found: &Title, artist: Option<&str>, title: Option<&str>) -> Title {
    match (artist, title) {
        (Some(artist), Some(title)) => Title::new(&format!("{artist} – {title}")),
        (None, Some(title)) => Title::new(title),
        (_, None) => found.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        command::{Prefix, Reference, Wanted},
        config::Config,
        jukebox::Resolver,
    };

    #[tokio::test]
    async fn a_file_of_the_library_is_opened_under_its_name() {
        let opened = ask(&assets(), "tones.wav").await.unwrap();
        assert_eq!(opened.title.as_str(), "tones");
    }

    #[tokio::test]
    async fn what_cannot_be_played_is_told_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let cut = fs::read(assets().join("tones.flac")).unwrap();
        for (name, content) in [
            ("empty.mp3", &[][..]),
            ("text.mp3", b"Dear diary, there is no music in here at all.\n"),
            ("cut.flac", &cut[..20]),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        for (name, expected) in [
            ("empty", "“empty” is empty: it has 0 bytes."),
            ("text", "“text” is not something I can play."),
            ("cut", "“cut” is damaged or cut off, so I can't play it."),
            ("missing", "I found nothing called “missing” in the library."),
        ] {
            let error = ask(folder.path(), name).await.unwrap_err();
            let said = error.reply(Reference::random()).text(&Prefix::default());
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn tags_go_before_the_name_of_the_file() {
        let found = Title::new("track 07");
        assert_eq!(named(&found, Some("Bach"), Some("Air")).as_str(), "Bach – Air");
        assert_eq!(named(&found, None, Some("Air")).as_str(), "Air");
        assert_eq!(named(&found, Some("Bach"), None), found);
    }

    async fn ask(folder: &Path, name: &str) -> Result<Opened, PlayError> {
        let mut config = Config::example();
        config.library.folders = vec![folder.to_owned()];
        let resolver = Resolver::new(&config).unwrap();
        let source = resolver.resolve(&Wanted::Name(name.to_owned())).await?;
        let open = move || source.open(&playback::Config::default());
        tokio::task::spawn_blocking(open).await.unwrap()
    }

    fn assets() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial")
    }
}
