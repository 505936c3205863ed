//! The titles that stations send within their sound. Pure.
//!
//! SHOUTcast's ICY: who asks with `Icy-MetaData: 1` is told in `icy-metaint` after how many bytes of
//! sound a block of text comes each time: a byte with its length in units of 16 bytes, then
//! `StreamTitle='…';StreamUrl='…';` filled up with zeros. A block of length zero says nothing new.

use bytes::{Buf, Bytes};

use crate::command::Title;

/// Takes the text out of the sound.
#[derive(Debug)]
pub(super) struct Icy {
    interval: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes of sound are still to come.
    Sound(usize),
    /// What has come of a block, and how long it is; at most 4080 bytes.
    Text { seen: Vec<u8>, len: usize },
}

impl Icy {
    /// For a stream with a block after each `interval` bytes; zero is no interval.
    pub(super) fn new(interval: usize) -> Option<Self> {
        (interval > 0).then_some(Self { interval, state: State::Sound(interval) })
    }

    /// Takes the next bytes of sound from what came, none if there are none in it. What is left in
    /// `piece` is for the next call. A title that came on the way goes to `told`; an empty one says
    /// that nothing is known.
    pub(super) fn take(&mut self, piece: &mut Bytes, mut told: impl FnMut(Option<Title>)) -> Bytes {
        loop {
            match &mut self.state {
                State::Sound(left) if *left > 0 => {
                    let sound = piece.split_to(piece.len().min(*left));
                    *left -= sound.len();
                    return sound;
                }
                State::Sound(_) => {
                    if piece.is_empty() {
                        return Bytes::new();
                    }
                    let len = usize::from(piece.get_u8()) * 16;
                    self.state = State::Text { seen: Vec::with_capacity(len), len };
                }
                State::Text { seen, len } => {
                    let more = piece.split_to(piece.len().min(*len - seen.len()));
                    seen.extend_from_slice(&more);
                    if seen.len() < *len {
                        return Bytes::new();
                    }
                    if let Some(title) = stream_title(seen) {
                        told(shown(&title));
                    }
                    self.state = State::Sound(self.interval);
                }
            }
        }
    }
}

/// What a block says is played, as it stands there; `None` if it says nothing of it.
fn stream_title(block: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(block) {
        Ok(text) => text.to_owned(),
        // The older stations' encoding, whose every byte is a character.
        Err(_) => block.iter().copied().map(char::from).collect(),
    };
    let said = text.split_once("StreamTitle='")?.1;
    // A title may have quotes in it; the last one before the next field ends it.
    let end = said.find("';").or_else(|| said.rfind('\'')).unwrap_or(said.len());
    Some(said[..end].trim_matches(['\0', ' ']).to_owned())
}

/// A title as it is shown. Stations put a lone dash for one between titles.
fn shown(title: &str) -> Option<Title> {
    (!title.trim_matches(['-', ' ']).is_empty()).then(|| Title::new(title))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles_are_taken_out_wherever_the_stream_is_cut() {
        let stream = [
            &b"abcd"[..],
            &block("StreamTitle='Don't; Stop';StreamUrl='http://x';"),
            b"efgh\0ijkl",
            &block("StreamTitle=' - ';"),
            b"m",
        ]
        .concat();
        for size in 1..stream.len() {
            let (mut sound, mut titles) = (Vec::new(), Vec::new());
            let mut icy = Icy::new(4).unwrap();
            for piece in stream.chunks(size) {
                let mut piece = Bytes::copy_from_slice(piece);
                while !piece.is_empty() {
                    sound.extend_from_slice(&icy.take(&mut piece, |title| titles.push(title)));
                }
            }
            assert_eq!(sound, b"abcdefghijklm");
            assert_eq!(titles, [Some(Title::new("Don't; Stop")), None], "pieces of {size}");
        }
    }

    #[test]
    fn titles_of_old_stations_are_latin_1() {
        let title = stream_title(b"StreamTitle='F\xfcr Elise';\0\0").unwrap();
        assert_eq!(title, "Für Elise");
    }

    #[test]
    fn blocks_about_something_else_change_nothing() {
        assert_eq!(stream_title(b"StreamUrl='http://x';"), None);
        assert_eq!(stream_title(b"StreamTitle='';").unwrap(), "");
        assert_eq!(stream_title(b"StreamTitle='half a ti").unwrap(), "half a ti");
    }

    #[test]
    fn an_interval_of_nothing_is_none() {
        assert!(Icy::new(0).is_none());
    }

    proptest! {
        #[test]
        fn any_stream_is_taken_to_its_end(bytes: Vec<u8>, interval in 1_usize..50) {
            let mut icy = Icy::new(interval).unwrap();
            let mut piece = Bytes::from(bytes.clone());
            let mut sound = 0;
            while !piece.is_empty() {
                sound += icy.take(&mut piece, drop).len();
            }
            prop_assert!(sound <= bytes.len());
        }
    }

    fn block(text: &str) -> Vec<u8> {
        let len = text.len().div_ceil(16);
        let mut block = vec![u8::try_from(len).unwrap()];
        block.extend_from_slice(text.as_bytes());
        block.resize(1 + 16 * len, 0);
        block
    }
}
