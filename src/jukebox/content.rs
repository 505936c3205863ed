//! What an answer from the web is, judged by its first bytes. Pure.
//!
//! Names and content types lie; a list that plays like music would be noise, and music that is read
//! like a list would be held in memory. The content type counts only for lists that have no mark of
//! their own.

/// How many bytes are looked at; a comment before the root of an XML document may be long.
pub(super) const HEAD_MAX: usize = 4096;

/// What is to be done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is played, or turns out not to be music.
    Media,
    /// A list of links, or the index of a segmented stream (RFC 8216), which begin alike.
    M3u,
    /// A list of links as WinAmp wrote it.
    Pls,
    /// A list of links in XML (<https://xspf.org/spec>).
    Xspf,
    /// RSS or Atom (RFC 4287).
    Feed,
    /// A page to read.
    Page,
}

/// What an answer is, from its content type, the path of its link and its first bytes; `None` if
/// more of it has to be seen. `is_all` says that no more will come.
pub(super) fn kind(content_type: &str, path: &str, head: &[u8], is_all: bool) -> Option<Kind> {
    let is_all = is_all || head.len() >= HEAD_MAX;
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.is_empty() && !is_all {
        return None;
    }
    for (mark, kind) in [(&b"#EXTM3U"[..], Kind::M3u), (b"[playlist]", Kind::Pls)] {
        let len = text.len().min(mark.len());
        if text[..len].eq_ignore_ascii_case(&mark[..len]) && (len == mark.len() || !is_all) {
            return (len == mark.len()).then_some(kind);
        }
    }
    if text.first() == Some(&b'<') {
        return match root(text) {
            Root::Named(name) => Some(of_root(name)),
            Root::Cut if !is_all => None,
            Root::Cut | Root::None => Some(Kind::Media),
        };
    }
    Some(of_name(content_type, path).filter(|_| is_text(text)).unwrap_or(Kind::Media))
}

/// Lists that do not say what they are.
fn of_name(content_type: &str, path: &str) -> Option<Kind> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match (essence.as_str(), ending.as_deref()) {
        (
            "audio/x-mpegurl"
            | "audio/mpegurl"
            | "application/x-mpegurl"
            | "application/mpegurl"
            | "application/vnd.apple.mpegurl",
            _,
        ) => Some(Kind::M3u),
        ("audio/x-scpls" | "application/pls+xml", _) => Some(Kind::Pls),
        (_, Some("m3u" | "m3u8")) => Some(Kind::M3u),
        (_, Some("pls")) => Some(Kind::Pls),
        _ => None,
    }
}

/// Whether these bytes can be lines of a list; every format of music has a zero in its first few.
fn is_text(head: &[u8]) -> bool {
    !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

fn of_root(name: &[u8]) -> Kind {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or(name);
    match local.to_ascii_lowercase().as_slice() {
        b"rss" | b"feed" | b"rdf" => Kind::Feed,
        b"playlist" => Kind::Xspf,
        b"html" => Kind::Page,
        _ => Kind::Media,
    }
}

/// The first element of an XML document.
enum Root<'a> {
    Named(&'a [u8]),
    /// It lies behind what was looked at.
    Cut,
    None,
}

fn root(mut text: &[u8]) -> Root<'_> {
    loop {
        text = text.trim_ascii_start();
        let Some(rest) = text.strip_prefix(b"<") else {
            return if text.is_empty() { Root::Cut } else { Root::None };
        };
        let end: &[u8] = match rest {
            [] => return Root::Cut,
            [b'?', ..] => b"?>",
            [b'!', b'-', b'-', ..] => b"-->",
            [b'!', b'd' | b'D', b'o' | b'O', b'c' | b'C', ..] if is_html(rest) => {
                return Root::Named(b"html");
            }
            [b'!', ..] => b">",
            _ => {
                let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/');
                return match rest.iter().position(is_end) {
                    Some(end) => Root::Named(&rest[..end]),
                    None => Root::Cut,
                };
            }
        };
        match rest.windows(end.len()).position(|at| at == end) {
            Some(at) => text = &rest[at + end.len()..],
            None => return Root::Cut,
        }
    }
}

/// Whether a document type is that of pages.
fn is_html(declaration: &[u8]) -> bool {
    declaration.get(..13).is_some_and(|start| start.eq_ignore_ascii_case(b"!doctype html"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_feeds_and_pages_are_known_by_their_first_bytes() {
        for (head, expected) in [
            (&b"#EXTM3U\nhttp://a/"[..], Kind::M3u),
            (b"\xef\xbb\xbf#EXTM3U\r\n", Kind::M3u),
            (b"\r\n[Playlist]\nFile1=x", Kind::Pls),
            (b"<?xml version=\"1.0\"?><!-- a > b --><rss version=\"2.0\">", Kind::Feed),
            (b"<feed xmlns=\"http://www.w3.org/2005/Atom\">", Kind::Feed),
            (b"<rdf:RDF xmlns:rdf=\"x\">", Kind::Feed),
            (b"<playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">", Kind::Xspf),
            (b"<!DOCTYPE html><p>", Kind::Page),
            (b"<HTML>", Kind::Page),
            (b"<svg/>", Kind::Media),
            (b"ID3\x04\0\0", Kind::Media),
            (b"fLaC", Kind::Media),
            (b"OggS\0", Kind::Media),
            (b"\xff\xfb\x90", Kind::Media),
        ] {
            let found = kind("audio/mpeg", "/x.mp3", head, false);
            assert_eq!(found, Some(expected), "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_list_without_a_mark_is_known_by_its_type_or_its_ending() {
        let list = b"http://a.example/1.mp3\n";
        assert_eq!(kind("audio/x-mpegurl; charset=utf-8", "/", list, true), Some(Kind::M3u));
        assert_eq!(kind("text/plain", "/list.M3U", list, true), Some(Kind::M3u));
        assert_eq!(kind("text/plain", "/list.txt", list, true), Some(Kind::Media));
        assert_eq!(kind("audio/x-mpegurl", "/", b"\xff\xfb\x90\0", true), Some(Kind::Media));
    }

    #[test]
    fn more_is_read_only_while_it_can_change_the_answer() {
        for head in [&b""[..], b"#EXT", b"[play", b"<", b"<?xml ", b"<!-- rss", b"<rs"] {
            assert_eq!(kind("", "/", head, false), None, "{}", String::from_utf8_lossy(head));
            assert_eq!(kind("", "/", head, true), Some(Kind::Media));
        }
        let long = [&b"<!-- "[..], &[b'x'; HEAD_MAX]].concat();
        assert_eq!(kind("", "/", &long, false), Some(Kind::Media));
    }

    proptest! {
        #[test]
        fn any_bytes_are_something(head: Vec<u8>, kind_of: String, path: String) {
            prop_assert!(kind(&kind_of, &path, &head, true).is_some());
        }
    }
}
