//! XSPF 1: XML with `location`, `title`, `creator` and `duration` of each `track`.

use std::time::Duration;

use url::Url;

use super::{
    super::xml::{Step, walk},
    List,
};

/// The longest text of one element that is kept, in bytes; titles are cut shorter than that.
const TEXT_MAX: usize = 4096;

/// What was read of a track.
#[derive(Default)]
struct Track {
    location: Option<String>,
    title: String,
    creator: String,
    duration: String,
}

pub(super) fn read(text: &str, base: &Url, list: &mut List) {
    // `playlist` has `title`, and `trackList` with `track`s.
    let mut track: Option<(usize, Track)> = None;
    let mut element = String::new();
    let mut content = String::new();
    walk(text, |step| match step {
        Step::Open { name, depth, .. } => {
            content.clear();
            element.clear();
            element.push_str(name);
            if name == "track" && track.is_none() {
                track = Some((depth, Track::default()));
            }
        }
        Step::Text(text) if content.len() + text.len() <= TEXT_MAX => content.push_str(text),
        Step::Text(_) => {}
        Step::Close { depth } => {
            let said = std::mem::take(&mut content);
            match &mut track {
                None if element == "title" && depth == 2 => list.call(&said),
                None => {}
                Some((at, _)) if *at == depth => {
                    if let Some((_, track)) = track.take() {
                        track.into(base, list);
                    }
                }
                Some((at, track)) if *at + 1 == depth => track.note(&element, said),
                Some(_) => {}
            }
            element.clear();
        }
    });
}

impl Track {
    fn note(&mut self, element: &str, said: String) {
        match element {
            // The first of several is the best one (XSPF 1 §4.1.1.2.14.1.1.1.1).
            "location" if self.location.is_none() => self.location = Some(said),
            "title" => self.title = said,
            "creator" => self.creator = said,
            "duration" => self.duration = said,
            _ => {}
        }
    }

    fn into(self, base: &Url, list: &mut List) {
        let Some(location) = self.location else { return };
        let title = match (self.creator.trim(), self.title.trim()) {
            ("", title) => title.to_owned(),
            (creator, "") => creator.to_owned(),
            (creator, title) => format!("{creator} – {title}"),
        };
        let duration = self.duration.trim().parse().ok().map(Duration::from_millis);
        list.push(base, &location, Some(&title), duration.filter(|duration| !duration.is_zero()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Form, read, tests::base};

    #[test]
    fn tracks_are_read_with_creator_and_milliseconds() {
        let text = "<?xml version=\"1.0\"?><playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">\
                    <title>Mix &amp; Match</title><trackList>\
                    <track><location>a.ogg</location><location>b.ogg</location>\
                    <creator>Bach</creator><title>Air</title><duration>1500</duration>\
                    <extension application=\"x\"><title>not this</title></extension></track>\
                    <track><title>nowhere</title></track>\
                    <track><location> http://c.example/ </location></track>\
                    </trackList></playlist>";
        let list = read(Form::Xspf, text.as_bytes(), &base());
        assert_eq!(list.title.unwrap().to_string(), "Mix & Match");
        assert_eq!(list.entries.len(), 2);
        let first = &list.entries[0];
        assert_eq!(first.url.as_str(), "https://radio.example/lists/a.ogg");
        assert_eq!(first.title.as_ref().unwrap().to_string(), "Bach – Air");
        assert_eq!(first.duration, Some(Duration::from_millis(1500)));
        assert_eq!(list.entries[1].title, None);
    }
}
