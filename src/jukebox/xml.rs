//! XML from strangers, read as far as it makes sense. Pure.
//!
//! Only what [`quick_xml`] hands out one by one is kept, so that no nesting costs a stack. Entities
//! that a document declares itself are left out, and with them the bombs made of them.

use quick_xml::{Reader, XmlVersion, events::Event};

pub(super) use quick_xml::events::BytesStart as Element;

/// What comes next in a document.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// An element begins. `depth` is 1 for the root.
    Open {
        /// With its attributes.
        element: &'a Element<'a>,
        /// As it stands there, with its prefix.
        name: &'a str,
        /// How many elements are open, this one included.
        depth: usize,
    },
    /// Text of the innermost open element; more may follow.
    Text(&'a str),
    /// The innermost open element ends.
    Close {
        /// As at its beginning.
        depth: usize,
    },
}

/// Goes through a document up to its end, or to where it is broken: cut documents are common.
pub(super) fn walk(text: &str, mut see: impl FnMut(Step<'_>)) {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    let mut depth = 0_usize;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                depth += 1;
                see(Step::Open { element: &element, name: element.name().as_ref(), depth });
            }
            Ok(Event::Empty(element)) => {
                let depth = depth + 1;
                see(Step::Open { element: &element, name: element.name().as_ref(), depth });
                see(Step::Close { depth });
            }
            Ok(Event::End(_)) => {
                see(Step::Close { depth });
                depth = depth.saturating_sub(1);
            }
            Ok(Event::Text(text)) => see(Step::Text(&text.xml10_content())),
            Ok(Event::CData(text)) => see(Step::Text(&text.xml10_content())),
            Ok(Event::GeneralRef(reference)) => {
                let mut buffer = [0; 4];
                if let Ok(Some(c)) = reference.resolve_char_ref() {
                    see(Step::Text(c.encode_utf8(&mut buffer)));
                } else if let Some(known) = named(&reference.xml10_content()) {
                    see(Step::Text(known));
                }
            }
            Ok(Event::Eof) | Err(_) => return,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
        }
    }
}

/// An attribute of an element, if it can be read.
pub(super) fn attribute(element: &Element<'_>, name: &str) -> Option<String> {
    let found = element.try_get_attribute(name).ok()??;
    Some(found.normalized_value(XmlVersion::Implicit1_0).ok()?.into_owned())
}

/// The entities of XML 1.0 §4.6.
fn named(entity: &str) -> Option<&'static str> {
    quick_xml::escape::resolve_predefined_entity(entity)
}

/// Text as it may come: UTF-8, else Latin-1, whose every byte is a character.
pub(super) fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_put_together_from_all_its_forms() {
        let mut seen = String::new();
        walk("<a>x &amp; y&#8211;<![CDATA[<z>]]>&bomb;</a>", |step| {
            if let Step::Text(text) = step {
                seen.push_str(text);
            }
        });
        assert_eq!(seen, "x & y–<z>");
    }

    #[test]
    fn a_cut_document_counts_up_to_the_cut() {
        let mut names = Vec::new();
        walk("<a><b/><c>x</", |step| {
            if let Step::Open { name, depth, .. } = step {
                names.push((name.to_owned(), depth));
            }
        });
        assert_eq!(names, [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 2)]);
    }

    #[test]
    fn nesting_without_end_ends() {
        let start = Instant::now();
        let mut deepest = 0;
        walk(&"<media:group>".repeat(100_000), |step| {
            if let Step::Open { depth, .. } = step {
                deepest = depth;
            }
        });
        assert_eq!(deepest, 100_000, "after {:?}", start.elapsed());
    }

    #[test]
    fn old_lists_are_latin_1() {
        assert_eq!(text(b"F\xfcr Elise"), "Für Elise");
        assert_eq!(text("\u{feff}Für".as_bytes()), "Für");
        assert_eq!(text(b"Fu\xc3"), "Fu");
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(text in any::<String>(), bytes: Vec<u8>) {
            walk(&text, |_| ());
            walk(&format!("<rss><channel>{text}</channel>"), |_| ());
            walk(&super::text(&bytes), |_| ());
        }
    }
}
