//! The library as a whole, on real folders.

use std::{fs, io::Read, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{config, jukebox::Origin, store::Store};

pub(super) const FILES: &[&str] = &[
    "Tones.flac",
    "notes.txt",
    "Bach/Toccata in D minor.ogg",
    "Bach/Air.mp3",
    "Bach/cover.jpg",
    "Others/AIR.opus",
    "Others/Cafe\u{301} del Mar.m4a",
    "Others/cover.flac",
    ".hidden/secret.mp3",
];

/// Long enough for the thread to get a turn on a busy machine; what is waited for comes much earlier.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_name_is_found_without_regard_to_case_or_ending() {
    let bench = Bench::indexed(FILES).await;
    for name in ["Tones.flac", "tones", "TONES.FLAC", " tones "] {
        assert_eq!(bench.found(name).await.unwrap(), "Tones.flac", "{name}");
    }
}

#[tokio::test]
async fn a_path_below_the_folder_tells_equal_names_apart() {
    let bench = Bench::indexed(FILES).await;
    assert_eq!(bench.found("bach/air").await.unwrap(), "Bach/Air.mp3");
    assert_eq!(bench.found("air.opus").await.unwrap(), "Others/AIR.opus");
}

#[tokio::test]
async fn words_suffice_in_any_order() {
    let bench = Bench::indexed(FILES).await;
    for name in ["toccata", "minor toccata", "bach tocc", "Toccata, in D-minor"] {
        assert_eq!(bench.found(name).await.unwrap(), "Bach/Toccata in D minor.ogg", "{name}");
    }
}

#[tokio::test]
async fn an_accent_does_not_count_however_it_is_written() {
    let bench = Bench::indexed(FILES).await;
    for name in ["café", "cafe", "CAFE\u{301} del mar"] {
        assert_eq!(bench.found(name).await.unwrap(), "Others/Cafe\u{301} del Mar.m4a");
    }
}

#[tokio::test]
async fn music_goes_before_its_cover() {
    let bench = Bench::indexed(FILES).await;
    assert_eq!(bench.found("cover").await.unwrap(), "Others/cover.flac");
    assert_eq!(bench.found("cover.jpg").await.unwrap(), "Bach/cover.jpg");
    assert_eq!(bench.found("notes").await.unwrap(), "notes.txt");
}

#[tokio::test]
async fn a_piece_in_several_formats_is_one_piece() {
    let bench = Bench::indexed(&["a/tones.mp3", "a/tones.FLAC", "a/tones.wav"]).await;
    assert_eq!(bench.found("tones").await.unwrap(), "a/tones.FLAC");
    assert_eq!(bench.found("tones.mp3").await.unwrap(), "a/tones.mp3");
}

#[tokio::test]
async fn several_that_fit_are_listed_to_choose_from() {
    let bench = Bench::indexed(FILES).await;
    let error = bench.found("air").await.unwrap_err();
    let LibraryError::Ambiguous { titles, items, count, .. } = error else { panic!("{error}") };
    assert_eq!(titles, ["Bach/Air.mp3", "Others/AIR.opus"].map(Title::new));
    let paths = ["Bach/Air.mp3", "Others/AIR.opus"].map(|path| bench.at(path));
    assert_eq!(items.map_paths(), paths);
    assert_eq!(count, 2);
}

#[tokio::test]
async fn of_very_many_that_fit_five_are_listed() {
    let names: Vec<_> = (0..100).map(|n| format!("song {n:02}.mp3")).collect();
    let bench = Bench::indexed(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let error = bench.found("song").await.unwrap_err();
    let LibraryError::Ambiguous { titles, items, count, .. } = error else { panic!("{error}") };
    assert_eq!((titles.len(), items.len(), count), (5, 5, 100));
}

#[tokio::test]
async fn what_is_no_file_is_not_found() {
    let bench = Bench::indexed(&["Bach/x.mp3", "y.mp3"]).await;
    for name in ["nothing", "", ".", "..", "/", "*"] {
        let found = bench.found(name).await;
        assert!(matches!(found, Err(LibraryError::NotFound { .. })), "{name:?}");
    }
}

#[tokio::test]
async fn names_are_found_before_anything_is_indexed() {
    let folder = library(FILES);
    let store = tempfile::tempdir().unwrap();
    let files = Store::open(store.path()).unwrap().files();
    let shelf = Shelf {
        folders: vec![folder.path().to_owned()],
        files,
        index: RwLock::default(),
        is_complete: AtomicBool::new(false),
    };
    assert_eq!(text(shelf.find("toccata").unwrap().file), "Bach/Toccata in D minor.ogg");
    assert!(matches!(shelf.find("air"), Err(LibraryError::Ambiguous { count: 2, .. })));
}

#[tokio::test]
async fn nothing_outside_the_folder_is_found_or_opened() {
    let outside = library(&["secret.mp3"]);
    let inside = library(FILES);
    let secret = outside.path().join("secret.mp3");
    std::os::unix::fs::symlink(&secret, inside.path().join("link.mp3")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("folder")).unwrap();
    let bench = Bench::in_folder(inside).await;
    let up = format!("../{}/secret.mp3", outside.path().file_name().unwrap().display());
    for name in ["secret", "link", "link.mp3", "folder/secret.mp3", &up, secret.to_str().unwrap()] {
        let found = bench.found(name).await;
        assert!(matches!(found, Err(LibraryError::NotFound { .. })), "{name}");
        let opened = bench.library.open_file(&bench.at(name)).await;
        let refused =
            matches!(opened, Err(LibraryError::Outside { .. } | LibraryError::Unopenable { .. }));
        assert!(refused, "{name}");
    }
    for name in [".hidden/secret.mp3", "Bach/../Tones.flac", "Bach", "", &"d/".repeat(17)] {
        let opened = bench.library.open_file(&bench.at(name)).await;
        assert!(matches!(opened, Err(LibraryError::Outside { .. })), "{name:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_found_earlier_is_opened_by_its_path() {
    let bench = Bench::indexed(FILES).await;
    let file = bench.library.open_file(&bench.at("Bach/Air.mp3")).await.unwrap();
    assert_eq!(text(file), "Bach/Air.mp3");
    fs::remove_file(bench.at("Bach/Air.mp3")).unwrap();
    let gone = bench.library.open_file(&bench.at("Bach/Air.mp3")).await;
    assert!(matches!(gone, Err(LibraryError::Unopenable { source, .. })
        if source.kind() == std::io::ErrorKind::NotFound));
}

#[tokio::test]
async fn a_library_that_is_not_there_is_told_from_one_without_the_file() {
    let there = library(FILES);
    let missing = PathBuf::from("/nonexistent/music");
    let bench = Bench::of(std::slice::from_ref(&missing)).await;
    let found = bench.found("x").await;
    assert!(matches!(found, Err(LibraryError::Unreadable { path, .. }) if path == missing));
    let bench = Bench::of(&[missing, there.path().to_owned()]).await;
    assert_eq!(bench.found("tones").await.unwrap(), "Tones.flac");
    let settings = config::Library {
        folders: Vec::new(),
        rescan: Duration::from_mins(10),
        ..config::Library::default()
    };
    let library = Library::start(&settings, bench.files).unwrap();
    assert!(matches!(library.find("x").await, Err(LibraryError::NoFolders)));
    assert!(matches!(library.search("x", 5).await, Err(LibraryError::NoFolders)));
    assert!(matches!(library.album("x").await, Err(LibraryError::NoFolders)));
}

#[tokio::test]
async fn a_search_lists_the_best_first() {
    let bench = Bench::indexed(FILES).await;
    let hits = bench.library.search("a", 3).await.unwrap();
    let shown: Vec<_> = hits.iter().map(|hit| hit.below.to_string()).collect();
    assert_eq!(shown, ["Bach/Air.mp3", "Others/AIR.opus", "Bach/Toccata in D minor.ogg"]);
    assert!(bench.library.search("nothing", 3).await.unwrap().is_empty());
    assert!(bench.library.search("", 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_without_tags_is_an_album() {
    let bench = Bench::indexed(FILES).await;
    let album = bench.library.album("bach").await.unwrap();
    let paths = ["Bach/Air.mp3", "Bach/Toccata in D minor.ogg"].map(|path| bench.at(path));
    assert_eq!(album.title.to_string(), "Bach");
    assert_eq!(album.items.map_paths(), paths);
    let none = bench.library.album("nothing").await;
    assert!(matches!(none, Err(LibraryError::NotFound { .. })));
}

#[tokio::test]
async fn a_list_has_a_hundred_lines_at_most() {
    let names: Vec<_> = (0..120).map(|n| format!("song {n}.mp3")).collect();
    let bench = Bench::indexed(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(bench.library.search("song", usize::MAX).await.unwrap().len(), LIST_MAX);
}

#[tokio::test]
async fn so_many_files_are_indexed_and_the_others_found_by_name() {
    let bench = Bench::indexed(&[]).await;
    let other = library(FILES);
    let settings = config::Library {
        folders: vec![other.path().to_owned()],
        rescan: Duration::from_mins(10),
        ..config::Library::default()
    };
    let effort = Effort::quick(settings.rescan, 3);
    let library = Library::start_at(&settings, bench.files.clone(), effort).unwrap();
    complete(&library).await;
    assert_eq!(library.shelf.index(Index::len), 3);
    assert_eq!(text(library.find("toccata").await.unwrap().file), "Bach/Toccata in D minor.ogg");
}

#[tokio::test]
async fn what_changes_on_the_disk_is_noticed() {
    let bench = Bench::indexed(FILES).await;
    fs::create_dir_all(bench.at("New/Album")).unwrap();
    fs::write(bench.at("New/Album/piece.mp3"), "x").unwrap();
    bench.until("piece", 1).await;
    fs::rename(bench.at("New"), bench.at("Newer")).unwrap();
    bench.until("newer piece", 1).await;
    assert_eq!(bench.library.search("piece", 9).await.unwrap().len(), 1);
    fs::write(bench.at("Newer/Album/other piece.mp3"), "x").unwrap();
    bench.until("piece", 2).await;
    fs::remove_dir_all(bench.at("Newer")).unwrap();
    bench.until("piece", 0).await;
    fs::rename(bench.at("Bach"), bench.at(".Bach")).unwrap();
    bench.until("toccata", 0).await;
}

#[tokio::test]
async fn without_watches_the_folders_are_looked_through_again() {
    let bench = Bench::indexed(&["d/a.mp3"]).await;
    // The folder is put in the place of another, of which its own watch tells nothing.
    let other = library(&["d/b.mp3"]);
    let settings = config::Library {
        folders: vec![other.path().join("d")],
        rescan: Duration::from_millis(50),
        ..config::Library::default()
    };
    let effort = Effort::quick(settings.rescan, 1_000);
    let library = Library::start_at(&settings, bench.files.clone(), effort).unwrap();
    let bench = Bench { library, ..bench };
    bench.until("b", 1).await;
    fs::rename(other.path().join("d"), other.path().join("moved")).unwrap();
    fs::create_dir(other.path().join("d")).unwrap();
    fs::write(other.path().join("d/c.mp3"), "x").unwrap();
    bench.until("c", 1).await;
    bench.until("b", 0).await;
}

#[tokio::test]
async fn the_index_is_there_at_the_next_start() {
    let bench = Bench::indexed(FILES).await;
    let Bench { library, files, folder, .. } = bench;
    drop(library);
    let shelf = Shelf {
        folders: vec![folder.path().to_owned()],
        files: files.clone(),
        index: RwLock::default(),
        is_complete: AtomicBool::new(false),
    };
    let mut stored = 0;
    shelf.files.each(|_, _| stored += 1).unwrap();
    assert_eq!(stored, FILES.len() - 1);
    let other = tempfile::tempdir().unwrap();
    let settings = config::Library {
        folders: vec![other.path().to_owned()],
        rescan: Duration::from_mins(1),
        ..config::Library::default()
    };
    let library =
        Library::start_at(&settings, files.clone(), Effort::quick(settings.rescan, 1_000)).unwrap();
    complete(&library).await;
    let mut stored = 0;
    files.each(|_, _| stored += 1).unwrap();
    assert_eq!(stored, 0, "what is in no folder of the settings is forgotten");
}

#[tokio::test]
async fn a_folder_that_is_absent_is_not_forgotten() {
    // The first run ends before the folder goes: it would notice, and it is its to forget.
    let Bench { library, files, folder, _store } = Bench::indexed(&["m/a.mp3"]).await;
    drop(library);
    let at = |path: &str| folder.path().join(path);
    let settings = config::Library {
        folders: vec![at("m")],
        rescan: Duration::from_mins(1),
        ..config::Library::default()
    };
    let effort = Effort::quick(settings.rescan, 1_000);
    fs::rename(at("m"), at(".away")).unwrap();
    let library = Library::start_at(&settings, files, effort).unwrap();
    complete(&library).await;
    assert_eq!(library.search("a", 9).await.unwrap().len(), 1);
}

struct Bench {
    library: Library,
    files: Files,
    folder: TempDir,
    _store: TempDir,
}

impl Bench {
    /// A library of files that hold their own paths, after the first look through it.
    async fn indexed(files: &[&str]) -> Self {
        Self::in_folder(library(files)).await
    }

    async fn in_folder(folder: TempDir) -> Self {
        let folders = [folder.path().to_owned()];
        Self { folder, ..Self::of(&folders).await }
    }

    async fn of(folders: &[PathBuf]) -> Self {
        let store = tempfile::tempdir().unwrap();
        let files = Store::open(store.path()).unwrap().files();
        let settings = config::Library {
            folders: folders.to_vec(),
            rescan: Duration::from_mins(10),
            ..config::Library::default()
        };
        let effort = Effort::quick(settings.rescan, 1_000);
        let library = Library::start_at(&settings, files.clone(), effort).unwrap();
        complete(&library).await;
        Self { library, files, folder: tempfile::tempdir().unwrap(), _store: store }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// What is in the file that was found: its own path.
    async fn found(&self, name: &str) -> Result<String, LibraryError> {
        self.library.find(name).await.map(|found| text(found.file))
    }

    /// Waits until a search has so many results.
    async fn until(&self, words: &str, count: usize) {
        let wait = async {
            while self.library.search(words, 9).await.unwrap().len() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("{words:?} has not come to {count} results"));
    }
}

/// Waits until the folders have been looked through once.
async fn complete(library: &Library) {
    let wait = async {
        while !library.is_complete() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the folders are looked through");
}

pub(super) fn library(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

fn text(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

trait MapPaths {
    fn map_paths(self) -> Vec<PathBuf>;
}

impl MapPaths for Vec<Item> {
    fn map_paths(self) -> Vec<PathBuf> {
        let path = |item: Item| match item.origin {
            Origin::File(path) => path,
            other => panic!("{other:?}"),
        };
        self.into_iter().map(path).collect()
    }
}
