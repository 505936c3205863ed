//! Two halves of one sound, in files of their own, are heard as one sound.

use std::ops::Range;

use phonograph_media::playback::Join;

use crate::assets::{MP3, OPUS, VORBIS};
use crate::bench::{Bench, CLEAR, LATENCY, without_tone};
use crate::listen::{AMPLITUDE, LEFT_HZ};
use crate::{ogg, wav};

/// What is heard of the halves differs from what is heard of the whole by less than a step of -60 dB.
/// A shift of one sample would differ by -37 dB.
fn assert_seamless(name: &str, whole: &[u8], [first, second]: [Vec<u8>; 2], join_seconds: f64) {
    let ticks = (join_seconds * 50.0) as usize + 40;
    let mut reference = Bench::new(&CLEAR);
    reference.play(1, whole);
    reference.run(ticks);
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, first);
    bench.enqueue(2, second, Join::Gapless);
    bench.run(ticks);
    assert_eq!(bench.events, ["began 1", "finished 1", "began 2"]);
    let [expected, heard] = [reference, bench].map(|bench| bench.heard()[0].clone());
    let join = (join_seconds * 48_000.0) as usize;
    let around = join - 9_600..join + LATENCY + 9_600;
    let differ = |n: usize| (expected[n] - heard[n]).abs();
    let decibels = 20.0 * around.clone().map(differ).fold(1e-9, f64::max).log10();
    assert!(decibels < -60.0, "{name}: {decibels:.1} dB away from the whole");
    let (amplitude, _, _) = without_tone(&heard[around], LEFT_HZ);
    assert!((amplitude / AMPLITUDE - 1.0).abs() < 0.04, "{name}: {amplitude}");
}

/// Two seconds of a tone, and what comes before and behind a sample of it.
fn halves(rate_hz: u32, cut: usize) -> (Vec<i16>, [Vec<i16>; 2]) {
    let whole = wav::sines(rate_hz, 2.0, &[LEFT_HZ, LEFT_HZ]);
    let (first, second) = whole.split_at(2 * cut);
    let halves = [first.to_vec(), second.to_vec()];
    (whole, halves)
}

#[test]
fn wav_goes_on_without_a_step() {
    for (rate_hz, cut) in [(48_000, 40_007), (44_100, 40_007), (96_000, 90_001)] {
        let (whole, halves) = halves(rate_hz, cut);
        let halves = halves.map(|half| wav::pcm16(rate_hz, 2, &half));
        let join = cut as f64 / f64::from(rate_hz);
        assert_seamless("WAV", &wav::pcm16(rate_hz, 2, &whole), halves, join);
    }
}

#[test]
fn flac_goes_on_without_a_step() {
    let (whole, halves) = halves(44_100, 30_011);
    let halves = halves.map(|half| flac(44_100, &half));
    assert_seamless("FLAC", &flac(44_100, &whole), halves, 30_011.0 / 44_100.0);
}

#[test]
fn mp3_with_a_lame_tag_goes_on_without_a_step() {
    // The encoder's delay and the decoder's are 1105 samples together; each frame has 1152.
    let (cut, delay) = (33_333, 1105);
    let frames = (cut + delay) / 1152 + 2;
    let first = mp3(0, frames, delay - 529, frames * 1152 - delay - cut + 529);
    // Three frames earlier, since the bits of a frame may be in those before it.
    let start = (cut + delay) / 1152 - 3;
    let second = mp3(start, 120, cut + delay - start * 1152 - 529, 529);
    assert_seamless("MP3", MP3, [first, second], cut as f64 / 44_100.0);
}

#[test]
fn vorbis_goes_on_without_a_step() {
    let (halves, join) = vorbis();
    assert_seamless("Vorbis", VORBIS, halves, join);
}

#[test]
fn opus_goes_on_without_a_step_although_it_cannot_be_passed_there() {
    let packets = ogg::packets(OPUS);
    let head = ogg::head(OPUS);
    // 240 ms of what comes before, so that the decoder has settled.
    let mut late = head.clone();
    late[10..12].copy_from_slice(&(12 * 960_u16).to_le_bytes());
    let first = ogg::file(&head, &packets[..60]);
    let second = ogg::file(&late, &packets[48..140]);
    let mut bench = Bench::new(&CLEAR);
    bench.play(1, first);
    bench.enqueue(2, second, Join::Gapless);
    bench.run(100);
    assert_eq!(bench.frames[..50], packets[..50]);

    // Encoding it once more costs a little; a step at the join, or where packets end and begin again,
    // would stand out from that.
    let [expected, heard] =
        [&packets[..100], &bench.frames].map(|frames| crate::listen::decode(frames)[0].clone());
    let differ = |n: usize| (expected[n] - heard[n]).abs();
    let most = |frames: Range<usize>| {
        (frames.start * 960..frames.end * 960).map(differ).fold(0.0, f64::max)
    };
    let encoded = most(61..65);
    assert!(encoded > 0.0 && encoded < 4e-3, "{encoded} where it was encoded");
    assert!(most(50..61) < 1.5 * encoded, "{} at the join", most(50..61));
    assert!(most(65..80) < 1.5 * encoded, "{} behind it", most(65..80));
    // The halves were cut between two packets, so that the second is on its grid.
    assert_eq!(bench.frames[80..100], packets[80..100]);
}

/// A FLAC file of verbatim subframes (RFC 9639).
fn flac(rate_hz: u32, samples: &[i16]) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend([(BLOCK as u16).to_be_bytes(); 2].concat());
    file.extend([0; 6]);
    // 20 bits of rate, 3 of channels less one, 5 of bits less one, 36 of length.
    let length = samples.len() as u64 / 2;
    file.extend((u64::from(rate_hz) << 44 | 1 << 41 | 15 << 36 | length).to_be_bytes());
    file.extend([0; 16]);
    for (number, block) in samples.chunks(2 * BLOCK).enumerate() {
        let start = file.len();
        // Fixed block size of 16 bits, rate and depth from the header, two channels.
        file.extend([0xff, 0xf8, 0x70, 0x10, number as u8]);
        file.extend((block.len() as u16 / 2 - 1).to_be_bytes());
        file.push(crc(&file[start..], 8, 0x07) as u8);
        for channel in 0..2 {
            file.push(0x02);
            file.extend(block[channel..].iter().step_by(2).flat_map(|sample| sample.to_be_bytes()));
        }
        let sum = crc(&file[start..], 16, 0x8005);
        file.extend((sum as u16).to_be_bytes());
    }
    file
}

fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let (top, mask) = (1 << (bits - 1), (1_u32 << bits) - 1);
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << (bits - 8), |crc, _| {
            if crc & top == 0 { crc << 1 & mask } else { (crc << 1 ^ polynomial) & mask }
        })
    })
}

/// Some frames of the MP3 file, behind a tag that says what of them is no music.
fn mp3(start: usize, frames: usize, delay: usize, padding: usize) -> Vec<u8> {
    let at = MP3.windows(4).position(|at| at == b"Info").expect("a tag") - 36;
    let mut split = Vec::new();
    let mut rest = &MP3[at..];
    while split.len() <= start + frames {
        // 96 kbit/s at 44.1 kHz, MPEG 1 layer III.
        let len = 144 * 96_000 / 44_100 + usize::from(rest[2] >> 1 & 1);
        assert_eq!(rest[..2], [0xff, 0xfb]);
        split.push(&rest[..len]);
        rest = &rest[len..];
    }
    let mut tag = split.remove(0).to_vec();
    tag[36 + 8..36 + 12].copy_from_slice(&(frames as u32).to_be_bytes());
    let trim = (delay as u32) << 12 | padding as u32;
    assert!(delay < 1 << 12 && padding < 1 << 12);
    tag[36 + 141..36 + 144].copy_from_slice(&trim.to_be_bytes()[1..]);
    [tag, split[start..start + frames].concat()].concat()
}

/// The Vorbis file cut at a page, and where that is in seconds.
fn vorbis() -> ([Vec<u8>; 2], f64) {
    let pages = ogg::pages(VORBIS);
    // Identification, and a page or more of comments and codebooks; then those with sound.
    let sound = pages.iter().position(|page| page.granule > 0).expect("sound");
    let cut = sound + 1;
    let granule = pages[cut].granule;
    let first: Vec<u8> = pages[..=cut].iter().flat_map(|page| page.bytes.clone()).collect();
    let mut second: Vec<u8> = pages[..sound].iter().flat_map(|page| page.bytes.clone()).collect();
    // The last packet again, as the next one overlaps with it; it gives no samples.
    let serial = ogg::serial(VORBIS);
    let last = pages[cut].packets().pop().expect("a packet");
    let mut sequence = sound as u32;
    ogg::page_of(&mut second, serial, 0, 0, sequence, &[last]);
    for page in &pages[cut + 1..] {
        sequence += 1;
        let at = page.granule - granule;
        ogg::page_of(&mut second, serial, page.bytes[5] & 4, at, sequence, &page.packets());
    }
    let rate = u32::from_le_bytes(VORBIS[28 + 12..28 + 16].try_into().expect("a rate"));
    ([first, second], granule as f64 / f64::from(rate))
}
