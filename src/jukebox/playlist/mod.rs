//! Lists of links: M3U, PLS and XSPF. Pure.
//!
//! They come from anybody, so nothing in them is believed: only links to the web are taken, relative
//! ones from where the list is, and only so many of them.

mod m3u;
mod pls;
mod xspf;

use std::time::Duration;

use url::Url;

use super::xml;
use crate::command::Title;

/// How many links of a list are taken.
pub(super) const ITEMS_MAX: usize = 500;
/// How many lines of a list are read.
const LINES_MAX: usize = 10_000;
/// How much of a list is read, in bytes.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A link a line, comments between them.
    M3u,
    /// `FileN=` in an INI file.
    Pls,
    /// XML.
    Xspf,
}

/// What a list says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// What it calls itself.
    pub(super) title: Option<Title>,
    /// In its order, at most [`ITEMS_MAX`].
    pub(super) entries: Vec<Entry>,
    /// Whether some of it was left out: for being too much, or no link to the web.
    pub(super) is_cut: bool,
}

/// A link of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it leads; `http` or `https`.
    pub(super) url: Url,
    /// What the list calls it.
    pub(super) title: Option<Title>,
    /// How long it plays, as the list says.
    pub(super) duration: Option<Duration>,
}

/// Reads a list that was found at `base`. What cannot be read is left out.
pub(super) fn read(form: Form, bytes: &[u8], base: &Url) -> List {
    let cut = &bytes[..bytes.len().min(BYTES_MAX)];
    let text = xml::text(cut);
    let mut list = List { is_cut: cut.len() < bytes.len(), ..List::default() };
    match form {
        Form::M3u => m3u::read(&text, base, &mut list),
        Form::Pls => pls::read(&text, base, &mut list),
        Form::Xspf => xspf::read(&text, base, &mut list),
    }
    list
}

/// Whether a link of a list is called like a list itself, which is then looked into.
pub(super) fn is_list(url: &Url) -> bool {
    let ending = url.path().rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    matches!(ending.as_deref(), Some("m3u" | "m3u8" | "pls" | "xspf"))
}

impl List {
    /// Notes what it calls itself, if that says anything.
    fn call(&mut self, title: &str) {
        if !title.trim().is_empty() {
            self.title = Some(Title::new(title));
        }
    }

    /// Takes a link, if it is one and there is room.
    fn push(&mut self, base: &Url, link: &str, title: Option<&str>, duration: Option<Duration>) {
        let url = base.join(link.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        match url {
            Some(url) if self.entries.len() < ITEMS_MAX => {
                let title = title.filter(|title| !title.trim().is_empty()).map(Title::new);
                self.entries.push(Entry { url, title, duration });
            }
            _ => self.is_cut = true,
        }
    }

    /// The lines that are read.
    fn lines<'a>(&mut self, text: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        // Old lists end their lines with a bare carriage return.
        let mut lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        self.is_cut |= lines.clone().nth(LINES_MAX).is_some();
        std::iter::from_fn(move || lines.next()).take(LINES_MAX)
    }
}

/// Seconds as lists write them; stations have -1 or 0.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_list_without_end_the_first_links_are_taken() {
        let endless = "http://a.example/1.mp3\n".repeat(1_000_000);
        let list = read(Form::M3u, endless.as_bytes(), &base());
        assert_eq!((list.entries.len(), list.is_cut), (ITEMS_MAX, true));
    }

    #[test]
    fn lines_beyond_the_limit_are_not_read() {
        let comments = "#\n".repeat(LINES_MAX);
        let late = format!("{comments}http://a.example/1.mp3\n");
        let list = read(Form::M3u, late.as_bytes(), &base());
        assert_eq!((list.entries.len(), list.is_cut), (0, true));
    }

    #[test]
    fn what_is_not_on_the_web_is_left_out_of_every_form() {
        let bad = ["file:///etc/passwd", "C:\\music\\a.mp3", "ftp://a.example/b", "data:,x", "//"];
        for link in bad {
            for (form, text) in [
                (Form::M3u, format!("#EXTM3U\n{link}\n")),
                (Form::Pls, format!("[playlist]\nFile1={link}\n")),
                (Form::Xspf, format!("<playlist><track><location>{link}</location></track>")),
            ] {
                let list = read(form, text.as_bytes(), &base());
                assert_eq!(list, List { is_cut: true, ..List::default() }, "{form:?} {link}");
            }
        }
    }

    #[test]
    fn a_list_without_a_name_has_none() {
        for (form, text) in [
            (Form::M3u, "#EXTM3U\n#PLAYLIST: \nhttp://a.example/\n"),
            (Form::Pls, "[playlist]\nFile1=http://a.example/\n"),
            (Form::Xspf, "<playlist><title> </title></playlist>"),
        ] {
            assert_eq!(read(form, text.as_bytes(), &base()).title, None, "{form:?}");
        }
    }

    #[test]
    fn links_called_like_lists_are_known() {
        let is = |link: &str| is_list(&base().join(link).unwrap());
        assert!(is("a.M3U8?x=1") && is("b.pls") && is("c.xspf") && is("d.m3u"));
        assert!(!is("a.mp3") && !is("m3u") && !is("a.mp3?x=.pls"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_list_within_the_limits(bytes: Vec<u8>, lines: String) {
            for form in [Form::M3u, Form::Pls, Form::Xspf] {
                prop_assert!(read(form, &bytes, &base()).entries.len() <= ITEMS_MAX);
                prop_assert!(read(form, lines.as_bytes(), &base()).entries.len() <= ITEMS_MAX);
            }
        }
    }

    pub(super) fn base() -> Url {
        "https://radio.example/lists/all".parse().unwrap()
    }
}
