//! Why the library gives no file.

use std::{io, path::PathBuf};

use crate::{command::Title, jukebox::Item, store::StoreError};

/// Why there is no file to play.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LibraryError {
    /// The settings name no folder. The operator has to.
    #[error("the setting `library.folders` is empty")]
    NoFolders,
    /// Nothing fits. Other words may.
    #[error("nothing in the library is called {name:?}")]
    NotFound {
        /// What was looked for.
        name: String,
    },
    /// Several files fit equally well. More words help.
    #[error("{count} files are called {name:?}")]
    Ambiguous {
        /// What was looked for.
        name: String,
        /// The first few of them, in order.
        titles: Vec<Title>,
        /// The same, to be played by whoever chooses one.
        items: Vec<Item>,
        /// All of them.
        count: usize,
    },
    /// The path leads out of the library, through a link, or to something hidden. It comes from what
    /// was stored under other settings.
    #[error("{} is not in the library", .path.display())]
    Outside {
        /// Its title.
        title: Title,
        /// The path.
        path: PathBuf,
    },
    /// The file was found and cannot be opened: gone since, or not ours to read.
    #[error("cannot open {}", .path.display())]
    Unopenable {
        /// Its title.
        title: Title,
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No folder of the library can be read. The operator has to look at it.
    #[error("cannot read the library folder {}", .path.display())]
    Unreadable {
        /// The first such folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The index cannot be read. The operator has to look at the store.
    #[error("the index of the library cannot be read")]
    Index(#[source] StoreError),
    /// The work was given up because the bot ends, or it failed in itself.
    #[error("the search was not finished")]
    Unfinished(#[source] tokio::task::JoinError),
}
