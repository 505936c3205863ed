//! What is known of a link by whoever does not read it.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::LinkError;

/// Follows a link after whoever reads it has taken it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    is_music: AtomicBool,
    has_ended: AtomicBool,
    failure: OnceLock<Arc<LinkError>>,
}

impl Watch {
    /// Says that the link has turned out to be music: it may take its time from now on.
    pub(crate) fn is_music(&self) {
        self.0.is_music.store(true, Ordering::Relaxed);
    }

    /// Whether the link has given all its bytes once.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended.load(Ordering::Relaxed)
    }

    /// Why the link gives no more bytes, if it failed. Decoders tell less about it, or nothing.
    pub(crate) fn failure(&self) -> Option<Arc<LinkError>> {
        self.0.failure.get().cloned()
    }

    /// Whether it has been said to be music.
    pub(in super::super) fn is_known(&self) -> bool {
        self.0.is_music.load(Ordering::Relaxed)
    }

    /// Whether nobody follows it any more but its reader, which then need not try for long.
    pub(in super::super) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Says that all bytes were given.
    pub(in super::super) fn end(&self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }

    /// Notes why it fails; the first reason counts.
    pub(in super::super) fn fail(&self, error: LinkError) -> Arc<LinkError> {
        Arc::clone(self.0.failure.get_or_init(|| Arc::new(error)))
    }
}
