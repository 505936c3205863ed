//! What people may be told about what plays.

use std::time::Duration;

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::formats::{FormatReader, Track};
use symphonia::core::meta::{MetadataRevision, StandardTag};

use super::queue::Trim;

/// Longest title or artist that is kept, in characters; a chat line takes no more.
const TEXT_CHARS_MAX: usize = 200;

/// What a source says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The title from the tags, fit to be shown: one line, at most 200 characters.
    pub title: Option<String>,
    /// The artist, likewise.
    pub artist: Option<String>,
    /// How long it plays; none for streams and for files that do not say.
    pub duration: Option<Duration>,
    /// The codec's short name, such as `mp3` or `opus`.
    pub codec: String,
    /// The source's sample rate; none where only its first packet tells.
    pub sample_rate_hz: Option<u32>,
    /// How many channels the source has; none where only its first packet tells.
    pub channels: Option<u16>,
    /// Whether its packets are sent as they are.
    pub passes_through: bool,
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
            duration: duration(track, params, trim),
            codec: codec(params),
            sample_rate_hz: params.sample_rate,
            channels: params
                .channels
                .as_ref()
                .and_then(|channels| u16::try_from(channels.count()).ok()),
            passes_through: false,
        };
        let mut metadata = format.metadata();
        // The newest revision is the container's own; tags around it come before.
        while let Some(older) = metadata.pop() {
            info.take_tags(&older);
        }
        if let Some(newest) = metadata.current() {
            info.take_tags(newest);
        }
        info
    }

    fn take_tags(&mut self, revision: &MetadataRevision) {
        for tag in revision.media.tags.iter().filter_map(|tag| tag.std.as_ref()) {
            // Other tags are other people's business.
            match tag {
                StandardTag::TrackTitle(text) => self.title = clean(text).or(self.title.take()),
                StandardTag::Artist(text) => self.artist = clean(text).or(self.artist.take()),
                _ => {}
            }
        }
    }
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
