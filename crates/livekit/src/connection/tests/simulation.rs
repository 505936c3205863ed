//! The whole connection over links that lose, double and reorder everything, with a resume in the
//! middle. A failure names its seed; what str0m itself draws (keys, SSRCs) is not in it.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use str0m::media::MediaKind;

use super::*;

const SEEDS: u64 = 30;
/// Frames of 20 ms each way, before and after the resume.
const FRAMES: u64 = 100;

fn rough(seed: u64) -> Bed {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut bed = Bed::with_seed(seed);
    bed.link.loss = rng.random_range(0.0..0.1);
    bed.link.double = rng.random_range(0.0..0.1);
    bed.link.spread = Duration::from_millis(rng.random_range(0..60));
    bed.link.rng = rng;
    bed.is_rough = true;
    bed
}

/// Lets time pass in which the server answers pings, until something is true.
fn until(bed: &mut Bed, seconds: u64, is_true: impl Fn(&Bed) -> bool) -> bool {
    for _ in 0..seconds * 10 {
        if is_true(bed) {
            return true;
        }
        bed.say(Said::PongResp(proto::Pong::default()));
        bed.run(ms(100));
    }
    is_true(bed)
}

/// Both speak, each frame with its number in it.
fn talk(bed: &mut Bed, numbers: std::ops::Range<u64>) {
    let track = bed.track;
    for number in numbers {
        let frame = number.to_be_bytes();
        bed.send("TR_x", number * 960, &frame);
        // While paths are looked for anew a frame may be refused; then it is lost.
        let _sent = bed.client.send_frame(track, &frame, number * 960, Level::Silent, bed.now);
        bed.run(ms(20));
    }
    bed.say(Said::PongResp(proto::Pong::default()));
    bed.run(secs(1));
}

/// What was heard is in order, every gap is told, and most arrived.
fn check(bed: &Bed, seed: u64, sent: u64) {
    let number = |data: &[u8]| u64::from_be_bytes(data.try_into().unwrap());
    for pair in bed.heard.windows(2) {
        let (before, after) = (number(&pair[0].data), number(&pair[1].data));
        assert!(before < after, "seed {seed}: {before} before {after}");
        assert_eq!(after - before, u64::from(pair[1].lost) + 1, "seed {seed}");
        assert_eq!(pair[1].units - pair[0].units, (after - before) * 960, "seed {seed}");
    }
    assert!(bed.heard.len() as u64 > sent * 7 / 10, "seed {seed}: heard {}", bed.heard.len());
    assert!(bed.frames.len() as u64 > sent * 7 / 10, "seed {seed}: sent {}", bed.frames.len());
}

#[test]
fn over_thirty_bad_links_it_comes_up_is_heard_resumes_and_is_heard_again() {
    for seed in 0..SEEDS {
        let mut bed = rough(seed);
        bed.join();
        let is_up = |bed: &Bed| bed.client.state() == State::Connected;
        assert!(until(&mut bed, 15, is_up), "seed {seed}: {:?}", bed.events);
        bed.publish(1, &[("TR_x", MediaKind::Audio)]);
        bed.run(ms(10));
        bed.client.subscribe(&"TR_x".into(), bed.now);
        assert!(until(&mut bed, 15, |bed| bed.is_writable("TR_x")), "seed {seed}");
        talk(&mut bed, 0..FRAMES);

        bed.client.handle_signal_end(bed.now);
        bed.run(ms(600));
        bed.reconnect();
        talk(&mut bed, FRAMES..2 * FRAMES);
        assert_eq!(ended(&bed), None, "seed {seed}");
        check(&bed, seed, 2 * FRAMES);
    }
}
