//! Who speaks, in a call where nobody is listened to.
//!
//! An SFU tells this only to who subscribes to a microphone (livekit-server 1.13.5), so those are
//! subscribed to and their sound is switched off.

use phonograph_livekit::{RemoteTrack, Source};
use phonograph_matrixrtc::Now;

use super::{Machine, links::LinkId};

impl Machine {
    /// Whether to be told who speaks where others are not listened to.
    pub(crate) fn watch_speakers(&mut self, watch: bool, now: Now) {
        if self.listens || std::mem::replace(&mut self.watches_speakers, watch) == watch {
            return;
        }
        for id in self.links.ids() {
            self.on_link(id, now, |connection| {
                let microphones = connection.tracks().filter(|track| is_microphone(track));
                let sids: Vec<_> = microphones.map(|track| track.sid.clone()).collect();
                for sid in &sids {
                    if watch {
                        connection.watch(sid, now.instant);
                    } else {
                        connection.unsubscribe(sid, now.instant);
                    }
                }
            });
        }
    }

    /// Watches a track that appeared, if it is a microphone and those are watched.
    pub(super) fn watch_speaker(&mut self, id: LinkId, track: &RemoteTrack, now: Now) {
        if self.watches_speakers && is_microphone(track) {
            self.on_link(id, now, |connection| connection.watch(&track.sid, now.instant));
        }
    }
}

fn is_microphone(track: &RemoteTrack) -> bool {
    track.source == Source::Microphone
}
