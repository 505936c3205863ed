//! From a source to the two halves that play it.

use std::time::Duration;

use phonograph_media::{
    loudness::Lufs,
    playback::{self, Cover, Deck, ReadError, Reader, SeekError},
};
use tokio::sync::watch;
use tracing::debug;

use super::{broadcast::Tuned, error::PlayError, link::Watch, resolve::Source};
use crate::command::Title;

/// How something is to sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sound {
    /// Whether it is made as loud as everything else, as far as its loudness is known.
    pub(crate) even_loudness: bool,
}

/// Something that plays when its two halves are driven.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What to call it: by its tags if it has any, else as where it was found.
    pub(crate) title: Title,
    /// Where its packets come from.
    pub(crate) supply: Supply,
    /// The half that decodes.
    pub(crate) deck: Deck,
    /// Tells why the reader fails.
    pub(crate) follow: Follow,
    /// What a station says it plays.
    pub(crate) titles: Option<watch::Receiver<Option<Title>>>,
    /// The picture in it.
    pub(crate) cover: Option<Cover>,
    /// Whether it has no end that anybody knows of: a station.
    pub(crate) is_endless: bool,
}

/// Where the packets of something come from.
#[derive(Debug)]
pub(crate) enum Supply {
    /// From the half that blocks.
    Reader(Box<Reader>),
    /// From a station that other rooms may hear too.
    Packets(Tuned),
}

/// What remains to know a source by while it plays.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    title: Title,
    watch: Watch,
}

impl Opened {
    /// How long it plays; none for stations.
    pub(crate) fn duration(&self) -> Option<Duration> {
        self.deck.info().duration
    }
}

impl Source {
    /// Looks at what the source holds and prepares to play it from a place on. A source that cannot go
    /// there is played from its beginning.
    ///
    /// Blocking, and to be called within a runtime, so by `spawn_blocking`: it reads, and a link waits
    /// for its server, twice `links.patience` at most.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) fn open_at(self, sound: Sound, from: Duration) -> Result<Opened, PlayError> {
        let Self { title, media, watch, is_endless, titles, loudness } = self;
        let (mut reader, mut deck) = match playback::open(media) {
            Ok(halves) => halves,
            Err(source) => {
                if let Some(source) = watch.failure() {
                    return Err(PlayError::LinkBroke { title, source });
                }
                let is_endless = is_endless && !watch.has_ended();
                return Err(PlayError::Media { title, is_endless, source });
            }
        };
        watch.is_music();
        let info = deck.info();
        let shown = named(&title, info.artist.as_deref(), info.title.as_deref());
        let cover = info.take_cover();
        let known = info.loudness.or(loudness).filter(|_| sound.even_loudness);
        if let Some(loudness) = known {
            deck.set_gain(loudness.gain(Lufs::AIM).linear());
        }
        let follow = Follow { title: shown.clone(), watch };
        if !from.is_zero() {
            match reader.seek(from) {
                Ok(batch) => deck.feed(batch),
                Err(SeekError::Read(error)) => return Err(follow.explain(error)),
                // It begins at its beginning. The enum is the library's and open.
                Err(error) => debug!(%error, "a source cannot go to its place"),
            }
        }
        let is_endless = is_endless && deck.info().duration.is_none();
        let supply = Supply::Reader(Box::new(reader));
        Ok(Opened { title: shown, supply, deck, follow, titles: Some(titles), cover, is_endless })
    }
}

impl Follow {
    /// Of something that cannot fail by itself.
    pub(super) fn nothing(title: Title) -> Self {
        Self { title, watch: Watch::default() }
    }

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
pub(super) mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
        time::Duration,
    };

    use super::*;
    use crate::{
        command::{Prefix, Reference},
        config::Config,
        jukebox::{
            Resolver, Want,
            server::{Server, Then, parts},
        },
    };

    #[tokio::test]
    async fn a_file_of_the_library_is_opened_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("A song.wav"), bare_wav()).unwrap();
        let opened = ask(folder.path(), "a song").await.unwrap();
        assert_eq!(opened.title.to_string(), "A song");
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

    #[tokio::test]
    async fn a_link_is_opened_even_if_its_table_of_contents_comes_last() {
        let file = contents_last(&fs::read(assets().join("tones.m4a")).unwrap());
        let server = Server::start(move |request| parts(request, &file)).await;
        let opened = follow(&server, "/tones.m4a").await.unwrap();
        assert_eq!(opened.deck.info().codec, "aac");
        assert!(server.requests().len() > 1);
    }

    #[tokio::test]
    async fn a_link_that_is_no_music_is_told_in_a_sentence() {
        let cut = fs::read(assets().join("tones.mp3")).unwrap()[..3000].to_vec();
        let broken =
            [&b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n"[..], &cut[..20]].concat();
        let text = b"HTTP/1.1 200 OK\r\n\r\nDear diary, no music here.";
        let cases: [(Then, &[u8], &str); 5] = [
            (Then::Close, text, "“x” is not something I can play."),
            (
                Then::Flood,
                b"HTTP/1.1 200 OK\r\n\r\n",
                "x sends without end, and I find no music in it.",
            ),
            (Then::Listen, b"HTTP/1.1 200 OK\r\n\r\nID3", "127.0.0.1 sends too slowly"),
            (Then::Close, &broken, "“x” broke off: I couldn't read the rest."),
            (
                Then::Listen,
                b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                "There is nothing at that link (404).",
            ),
        ];
        for (then, answer, expected) in cases {
            let answer = answer.to_vec();
            let server = Server::start_and(then, move |_| answer.clone()).await;
            let error = follow(&server, "/x").await.unwrap_err();
            let said = error.reply(Reference::random()).text(&Prefix::default());
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn tags_go_before_the_name_of_the_file() {
        let found = Title::new("track 07");
        assert_eq!(named(&found, Some("Bach"), Some("Air")).to_string(), "Bach – Air");
        assert_eq!(named(&found, None, Some("Air")).to_string(), "Air");
        assert_eq!(named(&found, Some("Bach"), None), found);
    }

    async fn ask(folder: &Path, name: &str) -> Result<Opened, PlayError> {
        open(folder, Want::Name(name.to_owned())).await
    }

    async fn follow(server: &Server, path: &str) -> Result<Opened, PlayError> {
        open(Path::new("/nonexistent"), Want::Link(server.url(path))).await
    }

    async fn open(folder: &Path, want: Want) -> Result<Opened, PlayError> {
        let mut config = Config::example();
        config.library.folders = vec![folder.to_owned()];
        config.links.allow_hosts = vec!["127.0.0.1".to_owned()];
        config.links.patience = Duration::from_millis(300);
        let found = Resolver::of(&config).find(want).await?;
        let source = found.opened.expect("one that looking has opened");
        blocking(move || source.open_at(Sound { even_loudness: false }, Duration::ZERO)).await
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }

    /// A tenth of a second of silence, without tags.
    pub(in crate::jukebox) fn bare_wav() -> Vec<u8> {
        let mut file = b"RIFF\xa4\x25\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\x80\x25\0\0".to_vec();
        file.resize(44 + 9600, 0);
        file
    }

    fn assets() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/trial")
    }

    /// Moves the table of contents of an MP4 file (`moov`) behind its sound (`mdat`), as encoders do
    /// that do not know the length beforehand. ISO/IEC 14496-12 §4.2, §8.7.5.
    fn contents_last(file: &[u8]) -> Vec<u8> {
        let number = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
        let find = |name: &[u8]| file.windows(4).position(|at| at == name).unwrap();
        let start = find(b"moov") - 4;
        let len = number(start) as usize;
        let mut contents = file[start..start + len].to_vec();
        // Each offset counts from the beginning of the file.
        let offsets = find(b"stco") + 8;
        for place in 0..number(offsets) as usize {
            let at = offsets + 4 + 4 * place;
            let moved = number(at) - u32::try_from(len).unwrap();
            contents[at - start..][..4].copy_from_slice(&moved.to_be_bytes());
        }
        [&file[..start], &file[start + len..], &contents].concat()
    }
}
