//! Playback without files or clocks: demux, decode, resample, mix, Opus.
