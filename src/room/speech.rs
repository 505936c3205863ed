//! What is heard over the music: short clips, and speech by a program of the operator's.

use std::time::Duration;

use phonograph_matrix::ReplyTo;
use phonograph_media::playback::TrackId;
use tokio::task::JoinError;
use tracing::error;

use super::Room;
use crate::{
    command::Reply,
    jukebox::{Opened, PlayError, clips, speech},
};

/// What is spoken or fetched at once in a room, beside what plays over the music already.
const SPEAKING_MAX: usize = 4;

/// Clips on their way to the desk whose senders are remembered, to be told of a refusal.
const CLIPS_REMEMBERED: usize = 8;

/// What came of a text that was to be spoken, or of a clip.
pub(super) struct Spoken {
    asked: ReplyTo,
    opened: Result<Opened, PlayError>,
}

impl Room {
    /// Plays a clip, or lists them.
    pub(super) async fn clip(&mut self, name: Option<String>, to: ReplyTo) {
        let Some(folder) = self.shared.config.sounds.clips.clone() else {
            return self.say(&Reply::Clips(Vec::new()), Some(to));
        };
        let Some(name) = name else {
            let listed = tokio::task::spawn_blocking(move || clips::list(&folder)).await;
            return match listed.map_err(PlayError::Unfinished).and_then(|listed| Ok(listed?)) {
                Ok(clips) => self.say(&Reply::Clips(clips), Some(to)),
                Err(error) => self.refuse(&error, Some(to)),
            };
        };
        if self.is_crowded(&to) {
            return;
        }
        self.join_if_out().await;
        let sound = self.sound();
        self.speaking.spawn(async move {
            let opening = tokio::task::spawn_blocking(move || {
                clips::find(&folder, &name)?.open_at(sound, Duration::ZERO)
            });
            let opened = opening.await.map_err(PlayError::Unfinished).flatten();
            Spoken { asked: to, opened }
        });
    }

    /// Has a text spoken.
    pub(super) async fn speak(&mut self, text: String, to: ReplyTo) {
        let command = self.shared.config.sounds.speech.clone();
        if command.is_empty() {
            return self.say(&Reply::NoSpeech, Some(to));
        }
        if self.is_crowded(&to) {
            return;
        }
        self.join_if_out().await;
        let sound = self.sound();
        self.speaking.spawn(async move {
            let opened = match speech::speak(&command, &text).await {
                Ok(source) => {
                    let opening =
                        tokio::task::spawn_blocking(move || source.open_at(sound, Duration::ZERO));
                    opening.await.map_err(PlayError::Unfinished).flatten()
                }
                Err(error) => Err(PlayError::from(error)),
            };
            Spoken { asked: to, opened }
        });
    }

    pub(super) fn spoken(&mut self, spoken: Result<Spoken, JoinError>) {
        let Spoken { asked, opened } = match spoken {
            Ok(spoken) => spoken,
            Err(error) => return error!(%error, "preparing a clip failed"),
        };
        match opened {
            Ok(opened) => {
                let track = self.stage.track();
                self.player.clip(track, opened);
                // Those before them are heard by now, or their refusal is lost.
                self.stage.clips.truncate(CLIPS_REMEMBERED - 1);
                self.stage.clips.push_front((track, asked));
            }
            Err(error) => self.refuse(&error, Some(asked)),
        }
    }

    /// A clip was one too many.
    pub(super) fn clip_refused(&mut self, track: TrackId) {
        let is_it = |(clip, _): &(TrackId, ReplyTo)| *clip == track;
        let asked = self.stage.clips.iter().find(|clip| is_it(clip)).map(|(_, to)| to.clone());
        self.say(&Reply::TooFast, asked);
    }

    fn is_crowded(&self, to: &ReplyTo) -> bool {
        let crowded = self.speaking.len() >= SPEAKING_MAX;
        if crowded {
            self.say(&Reply::TooFast, Some(to.clone()));
        }
        crowded
    }
}
