//! What the tags of a file say, read by its content and with limits: anybody may have written it.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Duration,
};

use lofty::{
    config::{GlobalOptions, ParseOptions, ParsingMode, apply_global_options},
    error::FileParseError,
    file::{AudioFile, TaggedFile, TaggedFileExt},
    probe::Probe,
    tag::{Accessor, ItemKey, Tag},
};
use tracing::{debug, warn};

use super::text::preference;
use crate::{command::Title, store::Tags};

/// How much of a file is read. A cover of 50 MB in front of the title still fits; beyond it the file
/// goes by its name.
const READ_MAX: u64 = 64 << 20;
/// How many times it is read from. Reads are buffered; a table that leads around in circles ends here.
const READS_MAX: u32 = 100_000;
/// How much memory is given to an item by the size that it claims to have.
const ITEM_MAX: usize = 4 << 20;
/// The longest duration that is believed.
const DURATION_MAX: Duration = Duration::from_hours(24 * 30);

/// Whether a file looks like music, by its content or its name, and what its tags say. Blocking.
///
/// # Errors
/// If the file cannot be read at all. What cannot be understood has no tags.
pub(super) fn read(path: &Path) -> io::Result<(bool, Tags)> {
    let file = File::open(path)?;
    let by_name = preference(path).is_some();
    // A reader of so many formats may have a bug for some file; it must not end the indexing.
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(file)));
    match parsed {
        Ok(Ok(Some(file))) => {
            let tags = of(&file);
            Ok((by_name || tags.duration.is_some(), tags))
        }
        Ok(Ok(None)) => Ok((by_name, Tags::default())),
        Ok(Err(error)) => {
            debug!(path = %path.display(), %error, "the tags of a file cannot be read");
            Ok((by_name, Tags::default()))
        }
        Err(_panic) => {
            warn!(path = %path.display(), "reading the tags of a file failed: it goes by its name");
            Ok((by_name, Tags::default()))
        }
    }
}

/// The file, if it is of a kind that is known.
fn parse(file: File) -> Result<Option<TaggedFile>, FileParseError> {
    apply_global_options(
        GlobalOptions::new().allocation_limit(ITEM_MAX).use_custom_resolvers(false),
    );
    let options = ParseOptions::new().read_cover_art(false).parsing_mode(ParsingMode::Relaxed);
    let reader = Bounded { inner: BufReader::new(file), left: READ_MAX, reads: READS_MAX };
    let probe = Probe::new(reader).options(options).guess_file_type()?;
    if probe.file_type().is_none() {
        return Ok(None);
    }
    probe.read().map(Some)
}

fn of(file: &TaggedFile) -> Tags {
    // The tag that belongs to the format goes before those that programs add in front or behind.
    let all = || file.primary_tag().into_iter().chain(file.tags());
    let text = |get: fn(&Tag) -> Option<String>| all().find_map(|tag| clean(&get(tag)?));
    let number = |get: fn(&Tag) -> Option<u32>| all().find_map(get).filter(|number| *number > 0);
    Tags {
        title: text(|tag| tag.title().map(Into::into)),
        artist: text(|tag| tag.artist().map(Into::into)),
        album: text(|tag| tag.album().map(Into::into)),
        album_artist: text(|tag| tag.get_string(ItemKey::AlbumArtist).map(str::to_owned)),
        disc: number(Accessor::disk),
        track: number(Accessor::track),
        duration: believable(file.properties().duration()),
    }
}

fn believable(duration: Duration) -> Option<Duration> {
    (!duration.is_zero() && duration <= DURATION_MAX).then_some(duration)
}

/// A text as it may be shown, if there is anything to show.
fn clean(text: &str) -> Option<String> {
    let nothing = Title::new("");
    let title = Title::new(text);
    let is_nothing = title == nothing && !text.contains(String::from(nothing).as_str());
    (!is_nothing).then(|| title.into())
}

/// A reader that fails when too much was read.
struct Bounded<R> {
    inner: R,
    left: u64,
    reads: u32,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let reads = self.reads.checked_sub(1).filter(|_| self.left > 0);
        self.reads = reads.ok_or_else(|| io::Error::other("its tags are too large"))?;
        let len = self.inner.read(out)?;
        self.left = self.left.saturating_sub(len as u64);
        Ok(len)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests;
