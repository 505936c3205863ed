//! What went wrong, and how that is said.

use bytesize::ByteSize;

use crate::command::Title;

/// What went wrong, as far as it helps the person who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The settings name no library folder.
    NoLibrary,
    /// No folder of the library may be read.
    LibraryUnreadable,
    /// The file is gone since it was found.
    FileGone(Title),
    /// The file may not be read.
    Unreadable(Title),
    /// There is not one byte in it.
    Empty(Title),
    /// It is something else than sound.
    NotAudio(Title),
    /// It is sound in a form that we do not decode; the name says which.
    UnknownCodec(Title, String),
    /// It is cut off or broken at its beginning, so that nothing of it can be played.
    Damaged(Title),
    /// It played, and then the rest could not be read.
    BrokeOff(Title),
    /// The web server answered with this status.
    LinkStatus(u16),
    /// The host of the link has no address, or nobody answers there.
    LinkUnreachable(Title),
    /// The web server does not send, or not fast enough for music.
    LinkTooSlow(Title),
    /// The link sends and sends without any sound in it.
    LinkEndless(Title),
    /// The link leads to a page with text.
    WebPage,
    /// The link leads into a private network.
    PrivateAddress(Title),
    /// The link leads on and on, or to something that is not the web.
    LinkAstray,
    /// The file behind the link is larger than allowed.
    LinkTooBig {
        /// Its size.
        size: ByteSize,
        /// The largest allowed.
        size_max: ByteSize,
    },
    /// Neither the homeserver nor anybody in the call says where the media goes.
    NoTransport,
    /// The token service does not let us into the call.
    TokenRefused,
    /// The token service does not answer.
    TokenServiceUnreachable,
    /// The SFU does not answer.
    SfuUnreachable,
    /// The SFU answered and does not let us in, or put us out.
    SfuRefused,
    /// Our power level does not suffice for the membership event.
    NotAllowed {
        /// Ours.
        have: i64,
        /// The one needed.
        need: i64,
    },
    /// The room was encrypted while we were in the call in clear.
    NowEncrypted,
    /// The homeserver does not do what the call needs.
    Homeserver,
    /// The connection to the call was lost for good.
    CallLost,
    /// Somebody removed us from the call.
    Removed,
    /// Another process of our account and device is in the call.
    Elsewhere,
    /// Something of our own.
    Internal,
    /// The folder with clips, or a clip, cannot be read.
    ClipsUnreadable,
    /// The program that speaks failed.
    SpeechFailed,
    /// The message that was meant brings no file.
    NoUpload,
    /// The homeserver no longer has what somebody sent.
    UploadGone(Title),
    /// The homeserver does not give what somebody sent.
    UploadUnreachable(Title),
    /// What somebody sent cannot be decrypted.
    UploadUndecryptable(Title),
    /// The playlist names nothing that can be opened.
    PlaylistEmpty(Title),
    /// The playlist leads to itself, or from one to the next and again.
    PlaylistNested(Title),
    /// The link is no podcast.
    NoPodcast(Title),
    /// The podcast has no episode that can be heard.
    NoEpisodes(Title),
    /// The podcast has no such episode.
    NoSuchEpisode {
        /// The show.
        show: Title,
        /// What was looked for.
        wanted: Title,
    },
    /// The list or feed behind the link is larger than any real one.
    ListTooBig(Title),
    /// The helper program for this host found nothing; what it says of it.
    ProgramSays(Title),
    /// The helper program for this host failed or took too long.
    ProgramFailed(Title),
    /// Too many helper programs are at work.
    ProgramsBusy,
    /// The station was lost, and did not come back.
    StationLost(Title),
    /// The station sends in another format now.
    StationChanged(Title),
    /// The segmented stream is locked, or in a form that we do not read.
    StreamUnsupported(Title),
    /// The segmented stream contradicts itself.
    StreamDamaged(Title),
    /// The server compresses what it was asked to send as it is.
    Compressed(Title),
}

impl Trouble {
    /// The sentence with its hint, but for the reference. `p` is the prefix.
    #[expect(clippy::too_many_lines, reason = "a table of sentences, one for each trouble")]
    pub(super) fn text(&self, p: &str) -> String {
        match self {
            Self::NoLibrary => {
                format!("I have no library to look in. Give me a link instead: {p}play https://…")
            }
            Self::LibraryUnreadable => {
                "I can't read my library at the moment. Whoever runs me can look at its folders."
                    .to_owned()
            }
            Self::FileGone(title) => {
                format!("“{title}” is no longer in the library. Try another one.")
            }
            Self::Unreadable(title) => format!(
                "I'm not allowed to read “{title}”. Whoever runs me can change its permissions."
            ),
            Self::Empty(title) => format!("“{title}” is empty: it has 0 bytes. Try another one."),
            Self::NotAudio(title) => format!(
                "“{title}” is not something I can play. I play MP3, FLAC, Ogg, Opus, WAV, AIFF and \
                 AAC."
            ),
            Self::UnknownCodec(title, codec) => format!(
                "I can't decode “{title}”, which is {codec}. I play MP3, FLAC, Ogg, Opus, WAV, \
                 AIFF and AAC."
            ),
            Self::Damaged(title) => {
                format!("“{title}” is damaged or cut off, so I can't play it. Try another copy.")
            }
            Self::BrokeOff(title) => {
                format!("“{title}” broke off: I couldn't read the rest. {p}play starts it again.")
            }
            Self::LinkStatus(status) => link_status(*status),
            Self::LinkUnreachable(host) => {
                format!("I can't reach {host}. Check the link, or try again later.")
            }
            Self::LinkTooSlow(host) => {
                format!("{host} sends too slowly to listen to. Try again later, or another link.")
            }
            Self::LinkEndless(host) => format!(
                "{host} sends without end, and I find no music in it. Try a link to a file or a \
                 stream."
            ),
            Self::WebPage => "That link leads to a web page, not to music. I need the address of \
                              the file or the stream itself."
                .to_owned(),
            Self::PrivateAddress(host) => format!(
                "I don't open {host}, because it is in a private network. Whoever runs me can \
                 allow it."
            ),
            Self::LinkAstray => "That link leads on to too many others, or out of the web. Try the \
                                 address where it ends."
                .to_owned(),
            Self::LinkTooBig { size, size_max } => format!(
                "That file is too big: it has {size}, and I take up to {size_max}. Try a smaller \
                 one."
            ),
            Self::NoTransport => "I can't join, because no call server is announced. Start the \
                                  call yourself, or ask whoever runs the homeserver or me to set one."
                .to_owned(),
            Self::TokenRefused => "The call server won't let me in. Whoever runs it can tell why \
                                   it refuses my homeserver."
                .to_owned(),
            Self::TokenServiceUnreachable | Self::SfuUnreachable => {
                format!("I can't reach the call server. Try {p}join again in a while.")
            }
            Self::SfuRefused => {
                format!("The call server turned me away. Try {p}join again in a while.")
            }
            Self::NotAllowed { have, need } => format!(
                "I'm not allowed to join calls here: that needs power level {need}, and I have \
                 {have}. An admin can raise mine, or lower what calls need."
            ),
            Self::NowEncrypted => format!(
                "This room is encrypted now, and I was in its call in clear, so I left. {p}join \
                 brings me back, encrypted."
            ),
            Self::Homeserver => {
                "My homeserver refuses something I need for the call. Try again in a while."
                    .to_owned()
            }
            Self::CallLost => {
                format!("I lost the call and couldn't get back in. Try {p}join in a while.")
            }
            Self::Removed => {
                format!("Somebody removed me from the call, so I stay out. {p}join brings me back.")
            }
            Self::Elsewhere => "I'm in this call a second time, from another process with my \
                                account. Whoever runs me should stop one of them."
                .to_owned(),
            Self::ClipsUnreadable => {
                "I can't read that clip. Whoever runs me can look at their folder.".to_owned()
            }
            Self::SpeechFailed => {
                "I couldn't speak that. Whoever runs me can look at the program.".to_owned()
            }
            Self::Internal => {
                "Something went wrong inside me. Tell whoever runs me the reference.".to_owned()
            }
            Self::NoUpload => format!(
                "There is no file in that message. Reply to one that brings a file, with {p}play."
            ),
            Self::UploadGone(title) => {
                format!("The homeserver no longer has “{title}”. Send it again.")
            }
            Self::UploadUnreachable(title) => {
                format!("I can't get “{title}” from the homeserver. Try again in a while.")
            }
            Self::UploadUndecryptable(title) => {
                format!("I can't decrypt “{title}”. Send it again.")
            }
            Self::PlaylistEmpty(title) => format!(
                "There is nothing in the playlist “{title}” that I can open. I need links that \
                 begin with http:// or https://."
            ),
            Self::PlaylistNested(title) => format!(
                "The playlist “{title}” leads to itself or through too many others. Try a link \
                 from inside it."
            ),
            Self::NoPodcast(host) => {
                format!("I find no podcast at that link of {host}. I need the address of its feed.")
            }
            Self::NoEpisodes(show) => {
                format!("“{show}” has no episodes that I can play. Try another feed.")
            }
            Self::NoSuchEpisode { show, wanted } => format!(
                "“{show}” has no episode “{wanted}” in its feed. Try its number, or other words of \
                 its title."
            ),
            Self::ListTooBig(host) => {
                format!("That list from {host} is too long for me. Try a link from inside it.")
            }
            Self::ProgramSays(what) => format!("I can't play that: {what}. Try another link."),
            Self::ProgramFailed(host) => format!(
                "My helper for {host} failed or found nothing. Try another link, or again later."
            ),
            Self::ProgramsBusy => {
                "I'm looking up too many links at once. Try again in a moment.".to_owned()
            }
            Self::StationLost(host) => {
                format!("I lost {host} and it didn't come back. Try {p}play again later.")
            }
            Self::StationChanged(host) => {
                format!("{host} now sends another kind of stream. Use {p}play to start it again.")
            }
            Self::StreamUnsupported(host) => format!(
                "The stream from {host} is locked or of a kind that I don't read. Try another \
                 link."
            ),
            Self::StreamDamaged(host) => {
                format!("The stream from {host} is damaged. Try again later, or another link.")
            }
            Self::Compressed(host) => format!(
                "{host} packs its answer, and I only take music as it is. Try another link."
            ),
        }
    }
}

fn link_status(status: u16) -> String {
    match status {
        404 | 410 => format!("There is nothing at that link ({status}). Check its spelling."),
        401 | 403 => format!("That link is not open to me ({status}). Try one without a log-in."),
        429 | 500.. => {
            format!("The server of that link has trouble ({status}). Try again later.")
        }
        _ => format!("The server of that link refuses ({status}). Try another link."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Prefix, Reply, reply::Reference};

    #[test]
    fn every_failure_is_a_reason_a_hint_and_a_reference() {
        let title = || Title::new("x");
        let troubles = [
            Trouble::NoLibrary,
            Trouble::LibraryUnreadable,
            Trouble::FileGone(title()),
            Trouble::Unreadable(title()),
            Trouble::Empty(title()),
            Trouble::NotAudio(title()),
            Trouble::UnknownCodec(title(), "AC-4".to_owned()),
            Trouble::Damaged(title()),
            Trouble::BrokeOff(title()),
            Trouble::LinkStatus(404),
            Trouble::LinkStatus(403),
            Trouble::LinkStatus(503),
            Trouble::LinkStatus(418),
            Trouble::LinkUnreachable(title()),
            Trouble::LinkTooSlow(title()),
            Trouble::LinkEndless(title()),
            Trouble::WebPage,
            Trouble::PrivateAddress(title()),
            Trouble::LinkAstray,
            Trouble::LinkTooBig { size: ByteSize::gib(2), size_max: ByteSize::gib(1) },
            Trouble::NoTransport,
            Trouble::TokenRefused,
            Trouble::TokenServiceUnreachable,
            Trouble::SfuUnreachable,
            Trouble::SfuRefused,
            Trouble::NotAllowed { have: 0, need: 50 },
            Trouble::NowEncrypted,
            Trouble::Homeserver,
            Trouble::CallLost,
            Trouble::Removed,
            Trouble::Elsewhere,
            Trouble::Internal,
            Trouble::ClipsUnreadable,
            Trouble::SpeechFailed,
            Trouble::NoUpload,
            Trouble::UploadGone(title()),
            Trouble::UploadUnreachable(title()),
            Trouble::UploadUndecryptable(title()),
            Trouble::PlaylistEmpty(title()),
            Trouble::PlaylistNested(title()),
            Trouble::NoPodcast(title()),
            Trouble::NoEpisodes(title()),
            Trouble::NoSuchEpisode { show: title(), wanted: title() },
            Trouble::ListTooBig(title()),
            Trouble::ProgramSays(title()),
            Trouble::ProgramFailed(title()),
            Trouble::ProgramsBusy,
            Trouble::StationLost(title()),
            Trouble::StationChanged(title()),
            Trouble::StreamUnsupported(title()),
            Trouble::StreamDamaged(title()),
            Trouble::Compressed(title()),
        ];
        for trouble in troubles {
            let text = Reply::Failed(trouble, Reference(0xabc)).text(&Prefix::default());
            let said = text.strip_suffix(" (ref 0abc)").unwrap();
            assert!(!said.contains('\n') && said.len() < 200, "{said}");
            let sentences = said.matches(". ").count() + said.matches(": !play").count();
            assert!(sentences >= 1, "a hint is missing: {said}");
        }
    }
}
