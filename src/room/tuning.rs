//! How what plays is heard in a room, by its settings and the operator's.

use phonograph_media::playback::{Config, Volume};

use super::Room;
use crate::{
    command::RoomSettings,
    config,
    jukebox::{Sound, Tuning},
};

impl Room {
    /// Brings player and queue after the room's settings.
    pub(super) fn apply_settings(&mut self) {
        let settings = &self.kept.settings;
        self.queue.set_fair(settings.fair);
        self.player.tune(Tuning {
            volume: Volume::from_percent(settings.volume.min(200) as u8),
            duck_percent: settings.duck,
            fade: settings.fade,
            encoding: encoding(&self.shared.config.audio, settings),
        });
        self.panel.touch();
        self.watch_speakers();
    }

    /// How sources are opened here.
    pub(super) fn sound(&self) -> Sound {
        let even_loudness = self.shared.config.audio.even_loudness;
        Sound { even_loudness: even_loudness && self.kept.settings.loudness }
    }
}

/// The encoder's settings in a room.
pub(super) fn encoding(audio: &config::Audio, settings: &RoomSettings) -> Config {
    let bitrate_bps = settings.bitrate_kbps.map_or(audio.bitrate_bps, |kbps| kbps * 1000);
    Config { bitrate_bps, complexity: audio.complexity as u8, fec: audio.fec }
}
