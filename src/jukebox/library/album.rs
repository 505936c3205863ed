//! From the files of albums to the pieces of one, in order.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{LibraryError, best::item, text::folded};
use crate::{
    command::{CHOICES_MAX, Title},
    jukebox::Item,
    store::Stored,
};

/// What tells albums apart: many are called "Greatest Hits". The name, and whose it is; where that is
/// not said, the folder, which that of a single disc is not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: Option<String>,
    artist: Option<String>,
    folder: Option<PathBuf>,
}

/// An album.
#[derive(Debug)]
pub(crate) struct Album {
    /// "Artist – Album", or the name of its folder.
    pub(crate) title: Title,
    /// Its pieces, in its order.
    pub(crate) items: Vec<Item>,
}

/// The pieces of the one album that these files belong to.
///
/// # Errors
/// [`LibraryError::NotFound`] without files, [`LibraryError::Ambiguous`] if there are several albums.
pub(super) fn only(files: Vec<Stored>, name: &str) -> Result<Album, LibraryError> {
    let mut albums: BTreeMap<Key, Vec<Stored>> = BTreeMap::new();
    for file in files {
        albums.entry(key(&file)).or_default().push(file);
    }
    let mut albums: Vec<_> = albums.into_values().collect();
    for album in &mut albums {
        album.sort_by_cached_key(place);
    }
    let name = name.to_owned();
    match &mut albums[..] {
        [] => Err(LibraryError::NotFound { name }),
        [album] => {
            let title = album.first().map_or_else(|| Title::new(&name), title);
            Ok(Album { title, items: album.drain(..).map(piece).collect() })
        }
        albums => {
            let count = albums.len();
            // What is most likely meant comes first: the album with most pieces.
            albums.sort_by_key(|album| Reverse(album.len()));
            let firsts = albums.iter_mut().take(CHOICES_MAX);
            let firsts: Vec<_> = firsts.filter_map(|album| album.drain(..).next()).collect();
            let titles = firsts.iter().map(title).collect();
            let items = firsts.into_iter().map(piece).collect();
            Err(LibraryError::Ambiguous { name, titles, items, count })
        }
    }
}

fn key(file: &Stored) -> Key {
    let tags = &file.tags;
    let [name, artist] = [&tags.album, &tags.album_artist].map(|tag| tag.as_deref().map(folded));
    let folder = (name.is_none() || artist.is_none()).then(|| folder(&file.path).to_owned());
    Key { name, artist, folder }
}

/// The folder of an album that the file is in: the one above if its own is that of a disc.
fn folder(path: &Path) -> &Path {
    let own = path.parent().unwrap_or(path);
    let name = folded(&own.file_name().unwrap_or_default().to_string_lossy());
    let is_disc = ["cd", "disc", "disk"].iter().any(|word| {
        let number = name.strip_prefix(word).map(|rest| rest.trim_start_matches([' ', '-', '_']));
        number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
    });
    if is_disc { own.parent().unwrap_or(own) } else { own }
}

/// Where a piece stands in its album. Those without a number come in the order of their paths, after
/// those that have one.
fn place(file: &Stored) -> (u32, u32, PathBuf) {
    let tags = &file.tags;
    (tags.disc.unwrap_or(1), tags.track.unwrap_or(u32::MAX), file.path.clone())
}

fn piece(file: Stored) -> Item {
    item(file.path, &file.tags)
}

/// What the album of a file is called.
fn title(file: &Stored) -> Title {
    let tags = &file.tags;
    let folder = folder(&file.path).file_name().unwrap_or_default().to_string_lossy();
    let name = tags.album.as_deref().unwrap_or(&folder);
    match tags.album_artist.as_ref().or(tags.artist.as_ref()) {
        Some(artist) => Title::new(&format!("{artist} – {name}")),
        None => Title::new(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        jukebox::Origin,
        store::{Stamp, Tags},
    };

    #[test]
    fn pieces_come_by_disc_and_number_then_by_name() {
        let files = vec![
            file("/m/x/b.mp3", "", None, None),
            file("/m/x/z.mp3", "", None, Some(2)),
            file("/m/x/CD 2/a.mp3", "", Some(2), Some(1)),
            file("/m/x/y.mp3", "", None, Some(1)),
            file("/m/x/a.mp3", "", None, None),
        ];
        let expected = ["/m/x/y.mp3", "/m/x/z.mp3", "/m/x/a.mp3", "/m/x/b.mp3", "/m/x/CD 2/a.mp3"];
        let album = only(files, "x").unwrap();
        assert_eq!(paths(album.items), expected);
        assert_eq!(album.title.to_string(), "Hits");
    }

    #[test]
    fn albums_of_the_same_name_are_told_apart_by_whose_they_are() {
        let files = vec![
            file("/m/1.mp3", "Queen", None, Some(1)),
            file("/m/2.mp3", "Abba", None, Some(1)),
            file("/m/3.mp3", "ABBA", None, Some(2)),
        ];
        let error = only(files, "hits").unwrap_err();
        let LibraryError::Ambiguous { titles, items, count, .. } = error else { panic!("{error}") };
        assert_eq!(titles, ["Abba – Hits", "Queen – Hits"].map(Title::new));
        assert_eq!(paths(items), ["/m/2.mp3", "/m/1.mp3"]);
        assert_eq!(count, 2);
    }

    #[test]
    fn without_an_artist_the_folder_tells_albums_apart() {
        let files = vec![file("/m/a/1.mp3", "", None, None), file("/m/b/1.mp3", "", None, None)];
        assert!(matches!(only(files, "hits"), Err(LibraryError::Ambiguous { count: 2, .. })));
    }

    #[test]
    fn nothing_is_no_album() {
        assert!(
            matches!(only(Vec::new(), "x"), Err(LibraryError::NotFound { name }) if name == "x")
        );
    }

    #[test]
    fn the_folder_of_a_disc_is_none_of_an_album() {
        for (path, expected) in [
            ("/m/x/CD1/a.mp3", "/m/x"),
            ("/m/x/Disc 02/a.mp3", "/m/x"),
            ("/m/x/CD/a.mp3", "/m/x/CD"),
            ("/m/x/Discovery/a.mp3", "/m/x/Discovery"),
        ] {
            assert_eq!(folder(Path::new(path)), Path::new(expected));
        }
    }

    fn file(path: &str, album_artist: &str, disc: Option<u32>, track: Option<u32>) -> Stored {
        let tags = Tags {
            album: Some("Hits".to_owned()),
            album_artist: (!album_artist.is_empty()).then(|| album_artist.to_owned()),
            disc,
            track,
            ..Tags::default()
        };
        let stamp = Stamp { size: 1, modified_ns: 0 };
        Stored { path: PathBuf::from(path), stamp, is_music: true, tags }
    }

    fn paths(items: Vec<Item>) -> Vec<String> {
        items
            .into_iter()
            .map(|item| match item.origin {
                Origin::File(path) => path.to_str().unwrap().to_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    }
}
