//! How loud files are: remembered, and measured before their turn comes.
//!
//! One file is measured at a time, on a thread of its own that the music on the workers does not
//! wait for. What is not measured yet plays as it is.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use phonograph_media::loudness::{self, DbTp, Limits, Loudness, Lufs};
use tokio::sync::mpsc;
use tracing::{debug, info};

use super::library::Library;
use crate::store::{LoudnessKey, Measured, Store};

/// Files that wait to be measured; one more is not, until it is asked for again.
const WAITING_MAX: usize = 256;
/// The longest piece that is measured as a whole: a minute of work for three hours of music.
const LENGTH_MAX: Duration = Duration::from_hours(3);

/// Knows how loud files are. Clones share what is known.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    store: Store,
    jobs: mpsc::Sender<PathBuf>,
    waiting: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Meter {
    /// Begins to work; it ends with the last clone. To be called within a runtime.
    pub(super) fn start(library: Library, store: Store) -> Self {
        let (jobs, mut receiver) = mpsc::channel::<PathBuf>(WAITING_MAX);
        let waiting = Arc::<Mutex<HashSet<PathBuf>>>::default();
        let meter = Self { store: store.clone(), jobs, waiting: Arc::clone(&waiting) };
        tokio::spawn(async move {
            while let Some(path) = receiver.recv().await {
                measure(&library, &store, &path).await;
                waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&path);
            }
        });
        meter
    }

    /// How loud a file was measured to be. One that was not is measured soon.
    pub(super) async fn of_file(&self, path: &Path) -> Option<Loudness> {
        let key = key(path).await?;
        match self.store.loudness(key).await {
            Ok(Some(measured)) => Some(Loudness {
                integrated: Some(Lufs(measured.lufs)),
                true_peak: Some(DbTp(measured.peak_dbtp)),
            }),
            Ok(None) => {
                self.want(path);
                None
            }
            Err(error) => {
                debug!(%error, "how loud a file is was not looked up");
                None
            }
        }
    }

    fn want(&self, path: &Path) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.insert(path.to_owned()) && self.jobs.try_send(path.to_owned()).is_err() {
            waiting.remove(path);
            debug!(path = %path.display(), "too many files wait to be measured");
        }
    }
}

/// A file as it is now; none if it is gone.
async fn key(path: &Path) -> Option<LoudnessKey> {
    let found = tokio::fs::metadata(path).await.ok()?;
    Some(LoudnessKey::file(path, found.len(), found.modified().ok()?))
}

async fn measure(library: &Library, store: &Store, path: &Path) {
    let (Some(key), Ok(file)) = (key(path).await, library.open_file(path).await) else { return };
    let limits = Limits { length_max: LENGTH_MAX };
    let running = Arc::new(());
    // Gone with this future, as when the program ends.
    let watched = Arc::downgrade(&running);
    let measuring = tokio::task::spawn_blocking(move || {
        loudness::measure(Box::new(file), &limits, &mut |_| watched.strong_count() > 0)
    });
    let measured = measuring.await;
    drop(running);
    let measured = match measured {
        Ok(Ok(measured)) => measured.loudness,
        Ok(Err(error)) => {
            let error = phonograph_call::chain(&error);
            return debug!(path = %path.display(), error, "a file was not measured");
        }
        Err(_ends) => return,
    };
    let (Some(Lufs(lufs)), Some(DbTp(peak_dbtp))) = (measured.integrated, measured.true_peak)
    else {
        return;
    };
    info!(path = %path.display(), lufs, peak_dbtp, "measured how loud a file is");
    if let Err(error) = store.set_loudness(key, Measured { lufs, peak_dbtp }).await {
        debug!(%error, "how loud a file is was not stored");
    }
}
