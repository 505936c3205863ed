//! What people may be told about what plays.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::formats::{FormatReader, Track};
use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag, StandardVisualKey, Visual};

use super::queue::Trim;
use crate::loudness::Loudness;
use crate::loudness::tag::Tags;

/// Longest title, artist or album that is kept, in characters; a chat line takes no more.
const TEXT_CHARS_MAX: usize = 200;
/// The largest cover that is kept: what FLAC allows, and more than a homeserver takes.
pub(crate) const COVER_BYTES_MAX: usize = 16 << 20;
/// Longest media type of a cover.
const MEDIA_TYPE_CHARS_MAX: usize = 64;

/// A picture in a file, as it stands there. It comes from strangers.
#[derive(Clone, PartialEq, Eq)]
pub struct Cover {
    /// Such as `image/jpeg`: what its first bytes say, else what the file says, if anything.
    pub media_type: Option<String>,
    /// The picture's own file, at most 16 MiB.
    pub data: Box<[u8]>,
}

impl fmt::Debug for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cover")
            .field("media_type", &self.media_type)
            .field("bytes", &self.data.len())
            .finish()
    }
}

/// What a source says about itself.
///
/// All text is fit to be shown: one line of at most 200 characters, without those that turn the
/// direction of the text around them.
#[derive(Debug, Clone)]
pub struct Info {
    /// The title from the tags.
    pub title: Option<String>,
    /// The artist.
    pub artist: Option<String>,
    /// The album.
    pub album: Option<String>,
    /// Which track of the album it is, from 1.
    pub track_number: Option<u32>,
    /// How long it plays; none for streams and for files that do not say. An estimate, from the
    /// frames of some places, for MP3 without a header and for ADTS: to know it is to measure it.
    pub duration: Option<Duration>,
    /// The codec's short name, such as `mp3` or `opus`.
    pub codec: String,
    /// The source's sample rate; none where only its first packet tells.
    pub sample_rate_hz: Option<u32>,
    /// How many channels the source has; none where only its first packet tells.
    pub channels: Option<u16>,
    /// How loud it is by its tags; a measurement knows better.
    pub loudness: Option<Loudness>,
    /// Whether its packets are sent as they are.
    pub passes_through: bool,
    /// One for all copies, so that whoever takes the cover takes it out of memory.
    cover: Arc<Mutex<Option<Cover>>>,
}

impl Info {
    pub(crate) fn new(
        format: &mut dyn FormatReader,
        track: &Track,
        params: &AudioCodecParameters,
        trim: Trim,
    ) -> Self {
        let mut info = Self {
            title: None,
            artist: None,
            album: None,
            track_number: None,
            duration: duration(track, params, trim).or_else(|| whole_duration(format)),
            codec: codec(params),
            sample_rate_hz: params.sample_rate,
            channels: params
                .channels
                .as_ref()
                .and_then(|channels| u16::try_from(channels.count()).ok()),
            loudness: None,
            passes_through: false,
            cover: Arc::default(),
        };
        let mut loudness = Tags::default();
        let mut metadata = format.metadata();
        // The newest revision is the container's own; tags around it come before.
        while let Some(older) = metadata.pop() {
            info.take_tags(&older, &mut loudness);
        }
        if let Some(newest) = metadata.current() {
            info.take_tags(newest, &mut loudness);
        }
        info.loudness = loudness.loudness();
        info
    }

    /// The picture that the file calls its front cover, or its first one; the first time only. None
    /// if there is none, or one of more than 16 MiB.
    ///
    /// Until it is taken it stays in memory, as long as any copy of this does.
    pub fn take_cover(&self) -> Option<Cover> {
        // Nothing can panic while it is locked.
        self.cover.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn has_cover(&self) -> bool {
        self.cover.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take_tags(&mut self, revision: &MetadataRevision, loudness: &mut Tags) {
        let media = &revision.media;
        // Matroska has tags for each track, and means the same by them.
        let per_track = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
        for tag in media.tags.iter().chain(per_track) {
            match &tag.std {
                Some(StandardTag::TrackTitle(text)) => {
                    self.title = clean(text).or(self.title.take());
                }
                Some(StandardTag::Artist(text)) => self.artist = clean(text).or(self.artist.take()),
                Some(StandardTag::Album(text)) => self.album = clean(text).or(self.album.take()),
                Some(StandardTag::TrackNumber(number)) => {
                    let number = u32::try_from(*number).ok().filter(|number| *number > 0);
                    self.track_number = number.or(self.track_number);
                }
                Some(StandardTag::ReplayGainTrackGain(text)) => {
                    loudness.take("REPLAYGAIN_TRACK_GAIN", text);
                }
                Some(StandardTag::ReplayGainTrackPeak(text)) => {
                    loudness.take("REPLAYGAIN_TRACK_PEAK", text);
                }
                // Opus has a tag of its own; the rest is other people's business.
                _ => {
                    if let RawValue::String(value) = &tag.raw.value {
                        loudness.take(&tag.raw.key, value);
                    }
                }
            }
        }
        let pictures = || media.visuals.iter().filter(|visual| is_kept(visual));
        let front = pictures().find(|visual| visual.usage == Some(StandardVisualKey::FrontCover));
        if let Some(visual) = front.or_else(|| pictures().next()) {
            let cover = Cover {
                media_type: sniffed(&visual.data).map(str::to_owned).or_else(|| declared(visual)),
                data: visual.data.clone(),
            };
            self.cover = Arc::new(Mutex::new(Some(cover)));
        }
    }
}

fn is_kept(visual: &Visual) -> bool {
    (1..=COVER_BYTES_MAX).contains(&visual.data.len())
}

/// What the first bytes of a picture are those of.
fn sniffed(data: &[u8]) -> Option<&'static str> {
    match data {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// What the file calls a picture, if that looks like a media type.
fn declared(visual: &Visual) -> Option<String> {
    let text = visual.media_type.as_deref()?;
    let fits = text.contains('/') && text.len() <= MEDIA_TYPE_CHARS_MAX;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-+.".contains(c);
    (fits && text.chars().all(is_plain)).then(|| text.to_ascii_lowercase())
}

fn codec(params: &AudioCodecParameters) -> String {
    if params.codec == CODEC_ID_OPUS {
        return "opus".to_owned();
    }
    let known = symphonia::default::get_codecs().get_audio_decoder(params.codec);
    known.map_or_else(String::new, |codec| codec.codec.info.short_name.to_owned())
}

fn duration(track: &Track, params: &AudioCodecParameters, trim: Trim) -> Option<Duration> {
    if let (Some(samples), Some(rate_hz)) = (trim.length, params.sample_rate) {
        return seconds(samples as f64 / f64::from(rate_hz));
    }
    let whole = track.time_base?.calc_duration(track.duration?)?.as_secs_f64();
    let delay = params.sample_rate.map_or(0.0, |rate_hz| trim.delay as f64 / f64::from(rate_hz));
    seconds(whole - delay)
}

/// How long the container says that all of it is, as Matroska does.
fn whole_duration(format: &dyn FormatReader) -> Option<Duration> {
    let media = format.media_info();
    seconds(media.time_base?.calc_duration(media.duration?)?.as_secs_f64())
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// A tag as one short line: without control characters, and without those that turn the
/// direction of the text around them.
fn clean(text: &str) -> Option<String> {
    let printable = text.chars().take(16 * TEXT_CHARS_MAX).filter(|c| !is_unprintable(*c));
    let line: String = printable.take(TEXT_CHARS_MAX).collect();
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_one_short_line_without_tricks() {
        assert_eq!(clean("  Blue\n\u{202e}Monk\0 "), Some("BlueMonk".to_owned()));
        assert_eq!(clean(" \t\n"), None);
        assert_eq!(clean(&"é".repeat(1 << 20)).map(|line| line.chars().count()), Some(200));
    }
}
