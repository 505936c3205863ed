//! How loud files are: remembered, and measured before their turn comes.
//!
//! What is asked for is measured at once, one file at a time, and meanwhile plays as it is. The rest
//! of the library is measured aside, one file after the other in the order in which they were indexed,
//! unless its tags say how loud it is. The music on the workers waits for neither.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use phonograph_media::{
    loudness::{self, DbTp, Limits, Loudness, Lufs},
    playback,
};
use tokio::{runtime::Handle, sync::mpsc};
use tracing::{debug, warn};

use super::{
    aside::{Aside, Stop},
    library::Library,
};
use crate::store::{LoudnessKey, Measured, Store, Stored};

/// Files that wait to be measured; one more is not, until it is asked for again.
const WAITING_MAX: usize = 256;
/// The longest piece that is measured as a whole: a minute of work for three hours of music.
const LENGTH_MAX: Duration = Duration::from_hours(3);
/// How soon what is new in the library is measured.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Knows how loud files are. Clones share what is known.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    store: Store,
    jobs: mpsc::Sender<PathBuf>,
    waiting: Arc<Mutex<HashSet<PathBuf>>>,
    _ahead: Option<Arc<Aside>>,
}

impl Meter {
    /// Begins to work, on all of the library if it is to be measured ahead; it ends with the last
    /// clone. To be called within a runtime.
    pub(super) fn start(library: Library, store: Store, ahead: bool) -> Self {
        let (jobs, mut receiver) = mpsc::channel::<PathBuf>(WAITING_MAX);
        let waiting = Arc::<Mutex<HashSet<PathBuf>>>::default();
        let ahead = if ahead { start_ahead(&library, &store) } else { None };
        let meter =
            Self { store: store.clone(), jobs, waiting: Arc::clone(&waiting), _ahead: ahead };
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
    let running = Arc::new(());
    // Gone with this future, as when the program ends.
    let watched = Arc::downgrade(&running);
    let name = path.to_owned();
    let measuring = tokio::task::spawn_blocking(move || {
        how_loud(&name, file, &mut |_| watched.strong_count() > 0)
    });
    let measured = measuring.await;
    drop(running);
    if let Ok(Some(measured)) = measured {
        remember(store, path, key, measured).await;
    }
}

/// Measures a file, by decoding all of it; none if that cannot be done, or it is silent.
fn how_loud(
    path: &Path,
    file: File,
    goes_on: &mut dyn FnMut(Duration) -> bool,
) -> Option<Measured> {
    let limits = Limits { length_max: LENGTH_MAX };
    match loudness::measure(Box::new(file), &limits, goes_on) {
        Ok(measured) => as_stored(measured.loudness),
        Err(error) => {
            let error = phonograph_call::chain(&error);
            debug!(path = %path.display(), error, "a file was not measured");
            None
        }
    }
}

fn as_stored(loudness: Loudness) -> Option<Measured> {
    let (Lufs(lufs), DbTp(peak_dbtp)) = (loudness.integrated?, loudness.true_peak?);
    Some(Measured { lufs, peak_dbtp })
}

async fn remember(store: &Store, path: &Path, key: LoudnessKey, measured: Measured) {
    let Measured { lufs, peak_dbtp } = measured;
    // Not more than that: there may be as many as a library has files.
    debug!(path = %path.display(), lufs, peak_dbtp, "how loud a file is is known");
    if let Err(error) = store.set_loudness(key, measured).await {
        debug!(%error, "how loud a file is was not stored");
    }
}

fn start_ahead(library: &Library, store: &Store) -> Option<Arc<Aside>> {
    let (library, store, runtime) = (library.clone(), store.clone(), Handle::current());
    let work = move |stop| Ahead { library, store, runtime, stop }.run();
    match Aside::start("loudness", work) {
        Ok(aside) => Some(Arc::new(aside)),
        Err(error) => {
            warn!(%error, "files are measured only when they are asked for");
            None
        }
    }
}

/// Measures what nobody has asked for yet.
struct Ahead {
    library: Library,
    store: Store,
    runtime: Handle,
    stop: Stop,
}

impl Ahead {
    fn run(self) {
        let mut last = 0;
        while !self.stop.is_asked() {
            match self.library.after(last) {
                Ok(Some((id, file))) => {
                    last = id;
                    if file.is_music {
                        self.look_at(&file);
                    }
                }
                Ok(None) | Err(_) if self.stop.wait(LOOK_AGAIN) => return,
                Ok(None) => {}
                Err(error) => debug!(%error, "the library is not measured further"),
            }
        }
    }

    fn look_at(&self, Stored { path, stamp, .. }: &Stored) {
        let key = LoudnessKey::stamped(path, *stamp);
        if !matches!(self.runtime.block_on(self.store.loudness(key.clone())), Ok(None)) {
            return;
        }
        let open = || self.runtime.block_on(self.library.open_file(path)).ok();
        let Some(measured) = open().and_then(by_its_tags).or_else(|| {
            open().and_then(|file| how_loud(path, file, &mut |_| !self.stop.is_asked()))
        }) else {
            return;
        };
        self.runtime.block_on(remember(&self.store, path, key, measured));
    }
}

/// How loud its tags say that a file is. It plays by them too; stored, they are not read again.
fn by_its_tags(file: File) -> Option<Measured> {
    let (_, deck) = playback::open(Box::new(file)).ok()?;
    as_stored(deck.info().loudness?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config;

    /// The time that a busy machine may take.
    const WITHIN: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn what_nobody_has_asked_for_is_measured_ahead() {
        let (music, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = music.path().join("tones.flac");
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/trial/tones.flac"), &path).unwrap();
        let store = Store::open(home.path()).unwrap();
        let folders = vec![music.path().to_owned()];
        let settings = config::Library { folders, ..config::Library::default() };
        let library = Library::start(&settings, store.files()).unwrap();
        let key = key(&path).await.unwrap();

        let _meter = Meter::start(library, store.clone(), true);
        let measured = async {
            loop {
                if let Some(measured) = store.loudness(key.clone()).await.unwrap() {
                    return measured;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let Measured { lufs, peak_dbtp } = tokio::time::timeout(WITHIN, measured).await.unwrap();
        assert!(
            (-60.0..0.0).contains(&lufs) && (lufs..3.0).contains(&peak_dbtp),
            "{lufs} {peak_dbtp}"
        );
    }
}
