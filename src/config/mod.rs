//! The settings: one typed [`Config`], read from a TOML file and then from the environment.
//!
//! The documentation of each field is the text of `config/phonograph.example.toml` ([`example()`]
//! writes it), so it speaks to the operator. A value that cannot be used does not get past [`load()`].

mod example;
mod load;
mod secret;
mod value;

use std::{path::PathBuf, time::Duration};

use bytesize::ByteSize;
use documented::DocumentedFields;
use phonograph_matrixrtc::ServiceUrl;
use serde::{Deserialize, Serialize};

pub(crate) use example::example;
pub(crate) use load::load;
pub(crate) use secret::{Credentials, Secret};
pub(crate) use value::list;

use crate::command::{Allow, Block, Prefix};

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Who may invite the bot and give it commands: people (`@ann:example.org`), everybody on a
    /// server (`*:example.org`), everybody in a room (`!room:example.org`, which the bot then joins
    /// whoever invites it), or everybody (`*`). Others get no answer.
    pub(crate) allow: Allow,
    /// Who gets no answer all the same: people (`@eve:example.org`), or everybody on a server
    /// (`*:example.org`). And the hosts whose links are not opened, with all under them
    /// (`ads.example.org`). A room can block more by itself.
    #[serde(default)]
    pub(crate) block: Block,
    /// What commands begin with. A mention of the bot does as well.
    #[serde(default)]
    pub(crate) prefix: Prefix,
    /// Whether rooms are told of the commands by state events (MSC4391), so that clients can offer
    /// them. It takes the power level for state in a room, and some minutes, once for each version.
    #[serde(default)]
    pub(crate) describe_commands: bool,
    /// A folder of the bot's own, for its device's keys. Keep it: whoever loses it becomes a new
    /// device, which people see as a new session, and cannot read what was written before.
    #[serde(default = "default_store")]
    pub(crate) store: PathBuf,
    /// The bot's account.
    pub(crate) homeserver: Homeserver,
    /// The files that `!play NAME` finds.
    #[serde(default)]
    pub(crate) library: Library,
    /// What `!play LINK` may fetch.
    #[serde(default)]
    pub(crate) links: Links,
    /// Programs of yours that find the music behind links which are none themselves. The first whose
    /// `pattern` fits is run without a shell, with the link as its last argument and an environment of
    /// `PATH` and `HOME` only; at most four run at once, each prints at most 64 KiB. It says, a line
    /// each: `title TEXT` and `duration SECONDS` about the link that follows; `link https://…`, several
    /// for several pieces; or `error SENTENCE`, which the room is told. None are set by default.
    #[serde(default)]
    pub(crate) programs: Vec<Program>,
    /// How the bot behaves in calls.
    #[serde(default)]
    pub(crate) call: Call,
    /// How music is encoded.
    #[serde(default)]
    pub(crate) audio: Audio,
    /// What is heard over the music.
    #[serde(default)]
    pub(crate) sounds: Sounds,
    /// What the bot writes to standard error.
    #[serde(default)]
    pub(crate) logging: Logging,
}

impl Config {
    /// Whether this user may invite us into this room, and is heard in it.
    pub(crate) fn hears(&self, user: &str, room: &str) -> bool {
        self.allow.allows_in(user, room) && !self.block.blocks_person(user)
    }
}

/// The account on its homeserver. Exactly one of the four secrets is set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub(crate) struct Homeserver {
    /// The homeserver's address, or its name if its `.well-known` file says the address.
    pub(crate) url: String,
    /// The account's user id, or the part of it before the colon.
    pub(crate) user: String,
    /// A file that holds the account's password. With the password the bot can sign its device, so
    /// that people see it as verified; it is used at the first start only.
    pub(crate) password_file: Option<PathBuf>,
    /// The password itself. Better keep it in a file, or in the environment as
    /// `PHONOGRAPH_HOMESERVER__PASSWORD`.
    pub(crate) password: Option<Secret>,
    /// In place of the password: a file that holds an access token made for the bot.
    pub(crate) access_token_file: Option<PathBuf>,
    /// The access token itself.
    pub(crate) access_token: Option<Secret>,
    /// The name that people see. Left as it is on the server if not set.
    pub(crate) display_name: Option<String>,
    /// How long to wait at the start for a homeserver that does not answer, before giving up.
    #[serde(default = "default_wait", with = "humantime_serde")]
    pub(crate) wait: Duration,
}

/// Files of the bot's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Library {
    /// Folders whose files are found by title, artist, album and name, with the folders in them to a
    /// depth of 16, up to 500 000 files. Symbolic links in them are not followed.
    #[serde(deserialize_with = "value::list")]
    pub(crate) folders: Vec<PathBuf>,
    /// How often they are looked through again, at least `10s`. Changes are noticed within seconds
    /// without that, but not those that others make on a network drive.
    #[serde(serialize_with = "humantime_serde::serialize", deserialize_with = "value::pause")]
    pub(crate) rescan: Duration,
    /// Whether all files are measured ahead for even loudness, one after the other at low priority:
    /// about a second of one core for a piece of three minutes, once. Otherwise a file is measured
    /// when it is asked for, and its first time may be as loud as it is.
    pub(crate) measure: bool,
}

/// Links: `http` and `https`, streamed while they play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Links {
    /// Hosts that may have a private or local address, by name or number, without a port. The
    /// others must have a public one, so that nobody explores your network through the bot.
    #[serde(deserialize_with = "value::list")]
    pub(crate) allow_hosts: Vec<String>,
    /// The largest file. A radio station has no size and is not limited.
    pub(crate) size_max: ByteSize,
    /// How long a server may take to answer, and may then be silent.
    #[serde(with = "humantime_serde")]
    pub(crate) patience: Duration,
}

/// A helper program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub(crate) struct Program {
    /// The host of the links it is for, or host and path; `*` stands for any text, and
    /// `*.example.org` for `example.org` too.
    pub(crate) pattern: String,
    /// The program and its first arguments.
    #[serde(deserialize_with = "value::command")]
    pub(crate) command: Vec<String>,
    /// How long it may take; it is killed then, with all that it started.
    #[serde(default = "default_program_timeout", with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

/// Calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Call {
    /// How long the bot stays in a call when everybody else has left.
    #[serde(with = "humantime_serde")]
    pub(crate) leave_when_alone: Duration,
    /// The address of a LiveKit token service, for calls where neither the homeserver nor anybody
    /// in the call announces one.
    #[serde(deserialize_with = "value::service_url")]
    pub(crate) transport: Option<ServiceUrl>,
    /// How the call server is chosen: `own` takes our homeserver's, as Element Call does since 0.17;
    /// `oldest` follows whoever has been in the call for longest, for the sake of older clients.
    pub(crate) selection: Selection,
    /// Whether media keys go to, and are taken from, only devices that their owner has signed. People
    /// without a recovery key then neither hear the bot nor are heard.
    pub(crate) signed_devices_only: bool,
    /// Whether the token service is asked to end the bot's membership when the call server loses it.
    /// It then shows after 21 s that the bot has crashed, and otherwise after at most 18 s.
    pub(crate) delegate_leave: bool,
    /// A PEM file with further root certificates, for call servers with a certificate of your own.
    pub(crate) root_certificates: Option<PathBuf>,
}

/// How the call server is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub(crate) enum Selection {
    /// Our homeserver's.
    Own,
    /// The one of whoever has been in the call for longest.
    Oldest,
}

impl TryFrom<String> for Selection {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "own" => Ok(Self::Own),
            "oldest" => Ok(Self::Oldest),
            _ => Err(format!("{text:?} is neither \"own\" nor \"oldest\"")),
        }
    }
}

impl From<Selection> for phonograph_matrixrtc::roster::Selection {
    fn from(selection: Selection) -> Self {
        match selection {
            Selection::Own => Self::Own,
            Selection::Oldest => Self::Oldest,
        }
    }
}

/// Encoding. Opus files of 20 ms frames are passed on as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Audio {
    /// Bits per second of the Opus stream, from 16000 to 510000.
    #[serde(deserialize_with = "value::within::<_, 16_000, 510_000>")]
    pub(crate) bitrate_bps: u32,
    /// How much work the encoder puts into the sound, from 0 to 10. Less costs less CPU.
    #[serde(deserialize_with = "value::within::<_, 0, 10>")]
    pub(crate) complexity: u32,
    /// Whether pieces are made equally loud, -18 LUFS, where a room does not want it otherwise. How
    /// loud a file is stands in its tags, or is measured before its turn comes.
    pub(crate) even_loudness: bool,
    /// Whether the stream carries a copy of each frame for receivers that lose packets. Below about
    /// 40 kbit/s only; above that it has no effect.
    pub(crate) fec: bool,
}

/// Sounds over the music, which is quieter meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sounds {
    /// A folder with short sound files, which `!clip NAME` plays.
    pub(crate) clips: Option<PathBuf>,
    /// A program that speaks for `!say TEXT`, with its arguments: it reads the text from its standard
    /// input and writes sound to its standard output, within 20 s. Not set, nothing is spoken.
    #[serde(deserialize_with = "value::list")]
    pub(crate) speech: Vec<String>,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logging {
    /// `text` for people, `json` for programs.
    pub(crate) format: LogFormat,
    /// What is written, as `tracing` directives: a level, or levels per module.
    pub(crate) filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is neither \"text\" nor \"json\"")),
        }
    }
}

/// Every section of which there may be several, with its keys.
const LISTS: &[(&str, Keys)] = &[("programs", Keys::of::<Program>())];

/// Every section with its keys, in the order in which they are written.
const SECTIONS: &[(&str, Keys)] = &[
    ("homeserver", Keys::of::<Homeserver>()),
    ("library", Keys::of::<Library>()),
    ("links", Keys::of::<Links>()),
    ("call", Keys::of::<Call>()),
    ("audio", Keys::of::<Audio>()),
    ("sounds", Keys::of::<Sounds>()),
    ("logging", Keys::of::<Logging>()),
];

/// The keys of one table, each with its documentation.
#[derive(Debug, Clone, Copy)]
struct Keys {
    names: &'static [&'static str],
    docs: &'static [&'static str],
}

impl Keys {
    const fn of<T: DocumentedFields>() -> Self {
        Self { names: T::FIELD_NAMES, docs: T::FIELD_DOCS }
    }

    fn iter(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.names.iter().copied().zip(self.docs.iter().copied())
    }
}

/// All keys as they are addressed: `allow`, `homeserver.url`.
fn all_keys() -> impl Iterator<Item = String> {
    let top = Keys::of::<Config>().names.iter().map(|name| (*name).to_owned());
    let nested = SECTIONS
        .iter()
        .chain(LISTS)
        .flat_map(|(section, keys)| keys.iter().map(move |(name, _)| format!("{section}.{name}")));
    top.chain(nested)
}

fn default_store() -> PathBuf {
    PathBuf::from("store")
}

fn default_program_timeout() -> Duration {
    Duration::from_secs(20)
}

fn default_wait() -> Duration {
    Duration::from_mins(2)
}

impl Default for Library {
    fn default() -> Self {
        Self { folders: Vec::new(), rescan: Duration::from_mins(15), measure: true }
    }
}

impl Default for Links {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            size_max: ByteSize::gib(1),
            patience: Duration::from_secs(10),
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Self {
            leave_when_alone: Duration::from_mins(1),
            transport: None,
            selection: Selection::Own,
            signed_devices_only: false,
            delegate_leave: false,
            root_certificates: None,
        }
    }
}

impl Default for Audio {
    fn default() -> Self {
        Self { bitrate_bps: 128_000, complexity: 10, even_loudness: true, fec: false }
    }
}

impl Default for Logging {
    fn default() -> Self {
        let filter = format!("warn,phonograph=info,{}", phonograph_matrix::LOG_FILTER);
        Self { format: LogFormat::Text, filter }
    }
}
