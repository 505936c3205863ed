//! Whatever a room does, each pull is one frame of sound or silence.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use phonograph_media::playback::{
    Begin, Config, Join, Mixer, Pulled, Reader, TrackId, Volume, open,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::assets::{MP3, OPUS};
use crate::{ogg, wav};

#[derive(Debug, Clone, Copy)]
enum Command {
    Play {
        file: usize,
        fade_out_ms: u64,
        fade_in_ms: u64,
        gain: f32,
    },
    Enqueue {
        file: usize,
        crossfade_ms: Option<u64>,
    },
    Unqueue,
    Skip(u64),
    Stop(u64),
    Pause,
    Resume,
    Volume(u8),
    Duck(bool),
    Clip(usize),
    Encoding {
        bitrate_bps: u32,
        complexity: u8,
        fec: bool,
    },
    Seek {
        seconds: f64,
    },
    /// The readers are late from here on, or no longer.
    Late(bool),
    Pull(usize),
}

fn command() -> impl Strategy<Value = Command> {
    let file = 0..4_usize;
    let fade = 0..300_u64;
    let gain = prop_oneof![Just(1.0_f32), Just(0.3), Just(f32::NAN), Just(1e9)];
    prop_oneof![
        3 => (file.clone(), fade.clone(), fade.clone(), gain).prop_map(
            |(file, fade_out_ms, fade_in_ms, gain)| Command::Play {
                file, fade_out_ms, fade_in_ms, gain
            }
        ),
        3 => (file.clone(), prop::option::of(0..800_u64))
            .prop_map(|(file, crossfade_ms)| Command::Enqueue { file, crossfade_ms }),
        1 => Just(Command::Unqueue),
        1 => fade.clone().prop_map(Command::Skip),
        1 => fade.prop_map(Command::Stop),
        1 => Just(Command::Pause),
        2 => Just(Command::Resume),
        2 => prop_oneof![Just(100_u8), any::<u8>()].prop_map(Command::Volume),
        2 => any::<bool>().prop_map(Command::Duck),
        2 => file.prop_map(Command::Clip),
        1 => (any::<u32>(), 0..12_u8, any::<bool>()).prop_map(|(bitrate_bps, complexity, fec)| {
            Command::Encoding { bitrate_bps, complexity: complexity.min(11), fec }
        }),
        2 => (0.0..2.0_f64).prop_map(|seconds| Command::Seek { seconds }),
        1 => any::<bool>().prop_map(Command::Late),
        8 => (0..25_usize).prop_map(Command::Pull),
    ]
}

/// Short files: what passes, what is resampled, what has to be decoded, and one that is loud.
fn files() -> [Vec<u8>; 4] {
    let loud: Vec<i16> = wav::sines(48_000, 0.7, &[441.0, 613.0])
        .iter()
        .map(|sample| sample.saturating_mul(4))
        .collect();
    [
        ogg::file(&ogg::head(OPUS), &ogg::packets(OPUS)[..60]),
        MP3[..9_000].to_vec(),
        wav::pcm16(44_100, 1, &wav::sines(44_100, 0.5, &[441.0])),
        wav::pcm16(48_000, 2, &loud),
    ]
}

struct Room {
    mixer: Mixer,
    readers: BTreeMap<TrackId, Reader>,
    files: [Vec<u8>; 4],
    last_id: u64,
    late: bool,
    far_end: opus::Decoder,
    pcm: Vec<f32>,
}

impl Room {
    fn new() -> Self {
        Self {
            mixer: Mixer::new(&Config { complexity: 0, ..Config::default() }).expect("an encoder"),
            readers: BTreeMap::new(),
            files: files(),
            last_id: 0,
            late: false,
            far_end: opus::Decoder::new(48_000, opus::Channels::Stereo).expect("a decoder"),
            pcm: vec![0.0; 2 * 5760],
        }
    }

    fn open(&mut self, file: usize) -> (TrackId, phonograph_media::playback::Deck) {
        self.last_id += 1;
        let id = TrackId(self.last_id);
        let source = Cursor::new(self.files[file].clone());
        let (reader, deck) = open(Box::new(source)).expect("a source");
        self.readers.insert(id, reader);
        (id, deck)
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Play { file, fade_out_ms, fade_in_ms, gain } => {
                let (id, mut deck) = self.open(file);
                deck.set_gain(gain);
                let [fade_out, fade_in] = [fade_out_ms, fade_in_ms].map(Duration::from_millis);
                self.mixer.play(id, deck, Begin { fade_out, fade_in });
            }
            Command::Enqueue { file, crossfade_ms } => {
                let (id, deck) = self.open(file);
                let crossfade = crossfade_ms.map(Duration::from_millis);
                self.mixer.enqueue(id, deck, crossfade.map_or(Join::Gapless, Join::Crossfade));
            }
            Command::Unqueue => drop(self.mixer.unqueue()),
            Command::Skip(fade_ms) => self.mixer.skip(Duration::from_millis(fade_ms)),
            Command::Stop(fade_ms) => self.mixer.stop(Duration::from_millis(fade_ms)),
            Command::Pause => self.mixer.pause(),
            Command::Resume => self.mixer.resume(),
            Command::Volume(percent) => self.mixer.set_volume(Volume::from_percent(percent)),
            Command::Duck(is_ducked) => self.mixer.duck(is_ducked),
            Command::Clip(file) => {
                let (id, deck) = self.open(file);
                drop(self.mixer.clip(id, deck));
            }
            Command::Encoding { bitrate_bps, complexity, fec } => {
                let config = Config { bitrate_bps, complexity, fec };
                assert_eq!(self.mixer.set_encoding(&config).is_err(), complexity > 10);
            }
            Command::Seek { seconds } => self.seek(Duration::from_secs_f64(seconds)),
            Command::Late(late) => self.late = late,
            Command::Pull(ticks) => (0..ticks).for_each(|_| self.pull()),
        }
    }

    fn seek(&mut self, to: Duration) {
        let Some(id) = self.mixer.current() else { return };
        let reader = self.readers.get_mut(&id).expect("a reader");
        let batch = reader.seek(to).expect("files can seek");
        self.mixer.deck_mut(id).expect("a deck").feed(batch);
    }

    fn pull(&mut self) {
        for (id, reader) in &mut self.readers {
            let Some(deck) = self.mixer.deck_mut(*id).filter(|_| !self.late) else { continue };
            if deck.wants_packets() {
                match reader.read_ahead() {
                    Ok(batch) => deck.feed(batch),
                    Err(_) => deck.end(),
                }
            }
        }
        let mut frame = Vec::new();
        match self.mixer.pull(&mut frame) {
            Pulled::Silent => assert!(frame.is_empty()),
            Pulled::Frame => {
                assert!(!frame.is_empty() && frame.len() <= 1276, "{} bytes", frame.len());
                let samples =
                    self.far_end.decode_float(&frame, &mut self.pcm, false).expect("a frame");
                assert_eq!(samples, 960);
                // What goes in stays within full scale; encoding adds a little of its own.
                assert!(self.pcm[..1920].iter().all(|sample| sample.abs() < 2.0));
            }
        }
        while self.mixer.poll_event().is_some() {}
        while self.mixer.take_dead().is_some() {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_commands_give_one_frame_or_silence_for_each_pull(commands in vec(command(), 1..40)) {
        let mut room = Room::new();
        for command in commands {
            room.obey(command);
        }
        // Left alone, it comes to its end.
        room.late = false;
        room.mixer.resume();
        (0..400).for_each(|_| room.pull());
        let mut frame = Vec::new();
        prop_assert_eq!(room.mixer.pull(&mut frame), Pulled::Silent);
        prop_assert_eq!(room.mixer.current(), None);
    }
}
