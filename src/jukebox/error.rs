//! Why something cannot be played, and what the person who asked is told about it.

use std::{io, sync::Arc};

use phonograph_media::playback::{OpenError, ReadError};

use super::{
    clips::ClipError,
    hls::HlsError,
    library::LibraryError,
    link::{LinkError, Refusal},
    podcast::PodcastError,
    program::ProgramError,
    speech::SpeechError,
    upload::UploadError,
    web::PlaylistError,
};
use crate::command::{Reference, Reply, Title, Trouble};

/// Why something that somebody asked for cannot be played, or not further.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlayError {
    /// The library does not have it, or cannot give it.
    #[error("the library does not give it")]
    Library(#[from] LibraryError),
    /// The link cannot be opened.
    #[error("the link cannot be opened")]
    Link(#[from] LinkError),
    /// The list of links gives nothing.
    #[error("the playlist gives nothing")]
    Playlist(#[from] PlaylistError),
    /// The podcast does not have it.
    #[error("the podcast does not have it")]
    Podcast(#[from] PodcastError),
    /// The helper program for the link gives nothing.
    #[error("the helper program gives nothing")]
    Program(#[from] ProgramError),
    /// The link broke off while it was read.
    #[error("the link broke off")]
    LinkBroke {
        /// What was read.
        title: Title,
        /// Why.
        source: Arc<LinkError>,
    },
    /// What somebody sent into the room cannot be had.
    #[error("{title} cannot be had from the media repository")]
    Upload {
        /// What it is called.
        title: Title,
        /// Why.
        source: UploadError,
    },
    /// What was found is not to be played.
    #[error("{title} cannot be played")]
    Media {
        /// What was found.
        title: Title,
        /// Whether it is a link whose end was neither announced nor reached.
        is_endless: bool,
        /// Why.
        source: OpenError,
    },
    /// It played, and what follows cannot be read.
    #[error("{title} broke off")]
    BrokeOff {
        /// What played.
        title: Title,
        /// Why.
        source: ReadError,
    },
    /// A station that several rooms hear fell silent, each of them for this reason.
    #[error(transparent)]
    Station(Arc<PlayError>),
    /// A station sends no more.
    #[error("{title} sends no more")]
    StationEnded {
        /// What it is called.
        title: Title,
    },
    /// The clip is not there, or cannot be read.
    #[error("the clip cannot be played")]
    Clip(#[from] ClipError),
    /// Nothing is spoken.
    #[error("the text is not spoken")]
    Speech(#[from] SpeechError),
    /// The work was given up because the bot ends, or it failed in itself.
    #[error("the work was not finished")]
    Unfinished(#[source] tokio::task::JoinError),
}

impl PlayError {
    /// Whether what plays goes on when it is opened anew at once: a station whose format cannot be
    /// entered in its middle was interrupted, or has changed it.
    pub(crate) fn is_over_when_reopened(&self) -> bool {
        match self {
            Self::LinkBroke { source, .. } => source.is_over_when_reopened(),
            Self::Station(error) => error.is_over_when_reopened(),
            _ => false,
        }
    }

    /// What the person who asked is told; `reference` is in the log beside the error.
    pub(crate) fn reply(&self, reference: Reference) -> Reply {
        let trouble = match self {
            Self::Library(LibraryError::NotFound { name }) => {
                return Reply::NotFound(Title::new(name));
            }
            Self::Library(LibraryError::Ambiguous { titles, count, .. }) => {
                return Reply::Ambiguous { titles: titles.clone(), count: *count };
            }
            Self::Library(LibraryError::NoFolders) => Trouble::NoLibrary,
            Self::Library(LibraryError::Unreadable { .. }) => Trouble::LibraryUnreadable,
            Self::Library(LibraryError::Unopenable { title, source, .. }) => match source.kind() {
                io::ErrorKind::NotFound => Trouble::FileGone(title.clone()),
                _ => Trouble::Unreadable(title.clone()),
            },
            Self::Library(LibraryError::Outside { title, .. }) => Trouble::FileGone(title.clone()),
            Self::Library(LibraryError::Index(_) | LibraryError::Unfinished(_)) => {
                Trouble::Internal
            }
            Self::Link(LinkError::Refused(Refusal::Blocked { host })) => {
                return Reply::LinkBlocked(Title::new(host));
            }
            Self::Link(error) => of_link(error, None),
            Self::LinkBroke { title, source } => match &**source {
                LinkError::Refused(Refusal::Blocked { host }) => {
                    return Reply::LinkBlocked(Title::new(host));
                }
                error => of_link(error, Some(title)),
            },
            Self::Playlist(error) => of_playlist(error),
            Self::Podcast(error) => of_podcast(error),
            Self::Program(error) => of_program(error),
            Self::Upload { title, source } => of_upload(source, title),
            Self::Media { title, is_endless, source } => of_media(source, title, *is_endless),
            Self::BrokeOff { title, .. } => Trouble::BrokeOff(title.clone()),
            Self::Station(error) => return error.reply(reference),
            Self::StationEnded { title } => Trouble::BrokeOff(title.clone()),
            Self::Clip(ClipError::Unknown(name)) => return Reply::NoClip(Title::new(name)),
            Self::Clip(ClipError::Unreadable { .. }) => Trouble::ClipsUnreadable,
            Self::Speech(_) => Trouble::SpeechFailed,
            Self::Unfinished(_) => Trouble::Internal,
        };
        Reply::Failed(trouble, reference)
    }
}

/// `title` is what was read when it happened.
fn of_link(error: &LinkError, title: Option<&Title>) -> Trouble {
    let broke_off = |host: &str| match title {
        Some(title) => Trouble::BrokeOff(title.clone()),
        None => Trouble::LinkUnreachable(Title::new(host)),
    };
    match error {
        LinkError::Unreachable { host, .. } => Trouble::LinkUnreachable(Title::new(host)),
        LinkError::Refused(Refusal::Private { host }) => Trouble::PrivateAddress(Title::new(host)),
        LinkError::Refused(Refusal::Blocked { .. } | Refusal::TooFar | Refusal::NotWeb) => {
            Trouble::LinkAstray
        }
        LinkError::Status(status) => Trouble::LinkStatus(*status),
        LinkError::WebPage => Trouble::WebPage,
        LinkError::Empty { title } => Trouble::Empty(title.clone()),
        LinkError::TooBig { size, size_max } => {
            Trouble::LinkTooBig { size: *size, size_max: *size_max }
        }
        LinkError::TooSlow { host } => Trouble::LinkTooSlow(Title::new(host)),
        LinkError::Endless { host } => Trouble::LinkEndless(Title::new(host)),
        LinkError::Broken { host, .. }
        | LinkError::Lost { host, .. }
        | LinkError::Ended { host }
        | LinkError::Interrupted { host, .. }
        | LinkError::Changed { host } => broke_off(host),
        LinkError::Gone { host, .. } => Trouble::StationLost(Title::new(host)),
        LinkError::OtherFormat { host, .. } => Trouble::StationChanged(Title::new(host)),
        LinkError::Compressed { host, .. } => Trouble::Compressed(Title::new(host)),
        LinkError::ListTooBig { host, .. } => Trouble::ListTooBig(Title::new(host)),
        LinkError::Stream { host, source } => of_stream(source, Title::new(host)),
    }
}

fn of_stream(error: &HlsError, host: Title) -> Trouble {
    match error {
        HlsError::NoStream | HlsError::Locked | HlsError::Container(_) => {
            Trouble::StreamUnsupported(host)
        }
        HlsError::NoSegments | HlsError::WrongKey | HlsError::Empty => Trouble::StreamDamaged(host),
    }
}

fn of_playlist(error: &PlaylistError) -> Trouble {
    match error {
        PlaylistError::Empty { title } => Trouble::PlaylistEmpty(title.clone()),
        PlaylistError::Nested { title } => Trouble::PlaylistNested(title.clone()),
    }
}

fn of_podcast(error: &PodcastError) -> Trouble {
    match error {
        PodcastError::NotAFeed { host } => Trouble::NoPodcast(Title::new(host)),
        PodcastError::NoEpisodes { show } => Trouble::NoEpisodes(show.clone()),
        PodcastError::NoSuchEpisode { show, wanted } => {
            Trouble::NoSuchEpisode { show: show.clone(), wanted: wanted.clone() }
        }
    }
}

fn of_program(error: &ProgramError) -> Trouble {
    match error {
        ProgramError::Busy => Trouble::ProgramsBusy,
        ProgramError::Says { what } => Trouble::ProgramSays(what.clone()),
        ProgramError::NotStarted { host, .. }
        | ProgramError::TooSlow { host, .. }
        | ProgramError::TooMuch { host }
        | ProgramError::Nothing { host, .. }
        | ProgramError::Lost { host, .. } => Trouble::ProgramFailed(Title::new(host)),
    }
}

fn of_upload(error: &UploadError, title: &Title) -> Trouble {
    match error {
        UploadError::Unavailable => Trouble::Internal,
        UploadError::NoFile => Trouble::NoUpload,
        UploadError::TooBig { size, size_max } => {
            Trouble::LinkTooBig { size: *size, size_max: *size_max }
        }
        UploadError::Gone(_) => Trouble::UploadGone(title.clone()),
        UploadError::Unreachable(_) => Trouble::UploadUnreachable(title.clone()),
        UploadError::Undecryptable(_) => Trouble::UploadUndecryptable(title.clone()),
    }
}

fn of_media(error: &OpenError, title: &Title, is_endless: bool) -> Trouble {
    let title = title.clone();
    match error {
        OpenError::Empty => Trouble::Empty(title),
        OpenError::NotAudio | OpenError::NoAudioTrack if is_endless => Trouble::LinkEndless(title),
        OpenError::NotAudio | OpenError::NoAudioTrack => Trouble::NotAudio(title),
        OpenError::UnsupportedCodec(codec) => Trouble::UnknownCodec(title, codec.clone()),
        OpenError::UnsupportedFeature(_)
        | OpenError::TooManyChannels(_)
        | OpenError::UnsupportedRate(_) => Trouble::NotAudio(title),
        OpenError::Truncated | OpenError::Malformed(_) | OpenError::TooMuchHeader => {
            Trouble::Damaged(title)
        }
        OpenError::Io(_) => Trouble::Unreadable(title),
        // The enum belongs to the library and is open.
        _ => Trouble::Internal,
    }
}
