//! Short sounds that people play over the music: the files of one folder, by their names.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{error::PlayError, resolve::Source};
use crate::command::Title;

/// Clips that are known of a folder; what lies beyond is not.
const CLIPS_MAX: usize = 500;

/// Why a clip is not played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClipError {
    /// There is none of that name.
    #[error("there is no clip called {0:?}")]
    Unknown(String),
    /// The folder, or the file, cannot be read. The operator has to look at it.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The names of the clips, in order. Blocking.
///
/// # Errors
/// [`ClipError::Unreadable`].
pub(crate) fn list(folder: &Path) -> Result<Vec<Title>, ClipError> {
    let mut titles: Vec<_> = files(folder)?.iter().map(|path| title(path)).collect();
    titles.sort();
    titles.dedup();
    Ok(titles)
}

/// Opens the clip of that name, whatever its case. Blocking.
///
/// # Errors
/// [`ClipError`].
pub(crate) fn find(folder: &Path, name: &str) -> Result<Source, PlayError> {
    let wanted = Title::new(name).to_string().to_lowercase();
    let found =
        files(folder)?.into_iter().find(|path| title(path).to_string().to_lowercase() == wanted);
    let path = found.ok_or_else(|| ClipError::Unknown(name.to_owned()))?;
    match File::open(&path) {
        Ok(file) => Ok(Source::of_file(title(&path), file)),
        Err(source) => Err(ClipError::Unreadable { path, source }.into()),
    }
}

/// The plain files of a folder: no links, which could lead anywhere, and none that is hidden.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ClipError> {
    let unreadable = |source| ClipError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)?.take(CLIPS_MAX) {
        let entry = entry.map_err(unreadable)?;
        let is_plain = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_plain && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn title(path: &Path) -> Title {
    Title::new(&path.file_stem().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_are_the_plain_files_of_the_folder_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["Drum roll.wav", "applause.ogg", ".hidden.wav"] {
            fs::write(at(name), "x").unwrap();
        }
        fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", at("passwd.wav")).unwrap();
        let shown: Vec<_> = list(folder.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["Drum roll", "applause"]);
        assert!(find(folder.path(), "drum ROLL").is_ok());
        for name in ["passwd", "hidden", "../x", "folder"] {
            let missing = find(folder.path(), name);
            assert!(matches!(missing, Err(PlayError::Clip(ClipError::Unknown(_)))), "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_gone_is_said() {
        let gone = Path::new("/nonexistent/clips");
        assert!(matches!(list(gone), Err(ClipError::Unreadable { .. })));
    }
}
