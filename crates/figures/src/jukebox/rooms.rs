//! What a hundred rooms cost that all play, and how punctual they are.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Lateness,
    music::{Format, Music},
};
use crate::{
    figure::Figure,
    library::{
        Sink,
        publisher::{Order, Publisher},
        sound::Sound,
    },
    process::{cpu_seconds, resident_mib},
};

/// Rooms that memory is compared with.
const FEW: usize = 8;
const ROOMS: usize = 100;
/// How often the music is in the file: for six minutes, which is longer than all of it takes.
const TIMES: u32 = 5;
/// So that joining is over, and what is read ahead is held.
const SETTLE: Duration = Duration::from_secs(10);
/// When memory is looked at.
const EARLY: Duration = Duration::from_secs(30);
const LATER: Duration = Duration::from_secs(90);
/// How long is watched whether frames are in time.
const WINDOW: Duration = Duration::from_mins(2);

/// One process plays FLAC of 44.1 kHz, 128 kbit/s stereo, encrypted, into 100 rooms: each has its file,
/// which is read ahead on blocking threads, its mixer and its call. Matrix is made up, and so is the
/// SFU, in another process on the same machine, which drops what it gets.
///
/// `late_frames_percent`: frames that came to the SFU's socket more than 20 ms later than their slot, of
/// all frames of two minutes; by the kernel's time of their coming, against the frame of the same room
/// that came earliest for its RTP time. Parts: `lost`, the slots without a frame, in % of all slots;
/// `p99_9_ms`, by how much 999 in 1000 frames were late at most, to half a millisecond; `process`, the
/// process's time on the CPU, in % of a core.
///
/// `memory_per_playing_room_mib`: by how much the resident memory of the process grows from 8 such
/// rooms to 100, for each room, after 30 s; the part `after_90_s` is the same a minute later.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let music = Music::new()?;
    let file = music.file(Format::Flac, 44_100, TIMES).await?;
    let sink = Sink::open().await?;
    let order = Order { service: sink.service.clone(), sound: Sound::Played, file: Some(file) };
    let mut publisher = Publisher::ours(&order).await?;
    publisher.grow(FEW).await?;
    sleep(SETTLE).await;
    let id = publisher.id()?;
    let few = resident_mib(id)?;
    publisher.grow(ROOMS).await?;
    sleep(SETTLE).await;
    // What was late while they joined does not count.
    sink.take();
    let (began, cpu) = (Instant::now(), cpu_seconds(id)?);
    let mut each = Vec::new();
    for time in [EARLY, LATER] {
        sleep_until(began + time).await;
        each.push((resident_mib(id)? - few) / (ROOMS - FEW) as f64);
    }
    sleep_until(began + WINDOW).await;
    let lateness = sink.take();
    let cpu = (cpu_seconds(id)? - cpu) / began.elapsed().as_secs_f64() * 100.0;
    publisher.end().await?;
    let mut figures = punctuality(&lateness);
    figures.push(Figure::new("late_frames_percent/process", cpu, "% of a core", None));
    let name = "memory_per_playing_room_mib";
    figures.push(Figure::new(name, each[0], "MiB", Some(3.0)));
    figures.push(Figure::new(&format!("{name}/after_90_s"), each[1], "MiB", Some(3.0)));
    Ok(figures)
}

fn punctuality(lateness: &Lateness) -> Vec<Figure> {
    let Lateness { came, late, lost, p999_ms } = *lateness;
    let slots = WINDOW.as_millis() as u64 / 20 * ROOMS as u64;
    // A track that has ended counts nothing. At both ends a slot may lie outside.
    let uncounted = slots.saturating_sub(came + lost);
    let lost = if uncounted > 2 * ROOMS as u64 { lost + uncounted } else { lost };
    let percent = |part: u64, whole: u64| part as f64 / whole as f64 * 100.0;
    let name = "late_frames_percent";
    vec![
        Figure::new(name, percent(late, came), "%", Some(0.1)),
        Figure::new(&format!("{name}/lost"), percent(lost, slots), "%", Some(0.0)),
        Figure::new(&format!("{name}/p99_9_ms"), p999_ms, "ms", None),
    ]
}
