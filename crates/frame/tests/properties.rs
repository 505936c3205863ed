//! What holds for every frame.

use std::collections::BTreeSet;

use phonograph_frame::{
    Codec,
    crypto::{KeyIndex, KeyRing, MediaKey, NonceSeed, OpenError, SealError, Sealer},
};
use proptest::{collection::vec, prelude::*};

const SEED: NonceSeed =
    NonceSeed::new([1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);

fn codecs() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::Opus),
        Just(Codec::Vp8),
        Just(Codec::Vp9),
        Just(Codec::H264),
        Just(Codec::H265)
    ]
}

/// A codec and a frame of it: any bytes, or one slice with many zeros and start codes in it.
fn frames() -> impl Strategy<Value = (Codec, Vec<u8>)> {
    let slice = |codec, header: [u8; 2]| {
        vec(prop_oneof![Just(0_u8), 0_u8..4, any::<u8>()], 0..300)
            .prop_map(move |body| (codec, [&[0, 0, 0, 1][..], &header, &body].concat()))
    };
    prop_oneof![
        (prop_oneof![Just(Codec::Opus), Just(Codec::Vp9)], vec(any::<u8>(), 0..300)),
        (Just(Codec::Vp8), vec(any::<u8>(), 10..300)),
        slice(Codec::H264, [0x65, 0x88]),
        slice(Codec::H265, [0x26, 0x01]),
    ]
}

fn pair(index: u8) -> (Sealer, KeyRing) {
    let key = MediaKey::from_random([9; 16]);
    let mut sealer = Sealer::new(SEED);
    sealer.set_key(KeyIndex::new(index), key.derive());
    let mut ring = KeyRing::new();
    ring.set(KeyIndex::new(index), key.derive());
    (sealer, ring)
}

proptest! {
    #[test]
    fn what_is_sealed_opens_again((codec, frame) in frames(), index in any::<u8>()) {
        let (mut sealer, mut ring) = pair(index);
        let (mut sealed, mut opened) = (Vec::new(), Vec::new());

        sealer.seal(codec, &frame, &mut sealed).unwrap();
        ring.open(codec, &sealed, &mut opened).unwrap();

        prop_assert_eq!(opened, frame);
    }

    #[test]
    fn no_iv_repeats_under_a_key_over_tracks_reconnections_and_rotations(
        seeds in vec(any::<[u8; 12]>(), 1..12),
        steps in vec((any::<prop::sample::Index>(), 0_u8..4, any::<bool>()), 1..200),
    ) {
        // Every sealer, of a track or a connection, begins with the key that is in use then.
        let key = |index: u8| MediaKey::from_random([index; 16]).derive();
        let mut sealers: Vec<Sealer> =
            seeds.iter().map(|seed| Sealer::new(NonceSeed::new(*seed))).collect();
        let mut seen = BTreeSet::new();
        let mut sealed = Vec::new();
        for (which, index, rotates) in steps {
            let sealer = &mut sealers[which.index(seeds.len())];
            if rotates || sealer.key_index().is_none() {
                // The same key again after another one: its IVs must go on.
                sealer.set_key(KeyIndex::new(index), key(index));
            }
            sealer.seal(Codec::Opus, &[0x78, 1, 2], &mut sealed).unwrap();
            let trailer = sealed.split_off(sealed.len() - 14);
            let (iv, index) = (trailer[..12].to_vec(), trailer[13]);
            prop_assert!(seen.insert((index, iv)));
        }
    }

    #[test]
    fn no_bytes_make_opening_panic(codec in codecs(), frame in vec(any::<u8>(), 0..200)) {
        let (_, mut ring) = pair(frame.last().copied().unwrap_or(0));
        let opened = ring.open(codec, &frame, &mut Vec::new());
        prop_assert!(frame.is_empty() == opened.is_ok());
    }

    #[test]
    fn a_changed_byte_does_not_open(
        codec in prop_oneof![Just(Codec::Opus), Just(Codec::Vp9)],
        frame in vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
    ) {
        let (mut sealer, mut ring) = pair(0);
        let mut sealed = Vec::new();
        sealer.seal(codec, &frame, &mut sealed).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1;
        prop_assert!(ring.open(codec, &sealed, &mut Vec::new()).is_err());
    }
}

#[test]
fn an_iv_never_repeats_under_a_key() {
    let (mut sealer, _) = pair(0);
    let mut seen = BTreeSet::new();
    let mut sealed = Vec::new();
    for n in 0..10_000_u32 {
        sealer.seal(Codec::Opus, &n.to_be_bytes(), &mut sealed).unwrap();
        let iv = sealed[sealed.len() - 14..sealed.len() - 2].to_vec();
        assert!(seen.insert(iv), "IV {n} repeats");
    }
}

#[test]
fn opening_a_frame_no_larger_than_the_last_reuses_its_buffer() {
    let (mut sealer, mut ring) = pair(0);
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
    sealer.seal(Codec::Opus, &[0x78; 160], &mut sealed).unwrap();
    ring.open(Codec::Opus, &sealed, &mut opened).unwrap();
    let buffer = (opened.as_ptr(), opened.capacity());
    for len in [160, 1, 80] {
        sealer.seal(Codec::Opus, &vec![0x78; len], &mut sealed).unwrap();
        ring.open(Codec::Opus, &sealed, &mut opened).unwrap();
        assert_eq!((opened.as_ptr(), opened.capacity()), buffer);
    }
}

#[test]
fn an_iv_for_h264_is_found_whatever_the_seed() {
    let frame = [0, 0, 0, 1, 0x65, 0x88, 1, 2, 3];
    for seed in [[0; 12], [0xff; 12], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut sealer = Sealer::new(NonceSeed::new(seed));
        sealer.set_key(KeyIndex::new(0), MediaKey::from_random([9; 16]).derive());
        for _ in 0..1_000 {
            sealer.seal(Codec::H264, &frame, &mut Vec::new()).unwrap();
        }
    }
}

#[test]
fn without_a_key_nothing_is_sealed() {
    let mut sealed = vec![1, 2, 3];
    let result = Sealer::new(SEED).seal(Codec::Opus, &[0x78, 1, 2], &mut sealed);
    assert_eq!(result, Err(SealError::NoKey));
    assert!(sealed.is_empty());
}

#[test]
fn a_frame_whose_header_could_not_be_found_again_is_not_sealed() {
    let (mut sealer, _) = pair(0);
    for (codec, frame) in
        [(Codec::H264, &[0, 0, 0, 1, 0x67, 1, 2][..]), (Codec::Vp8, &[0x10, 2, 0, 0x9d, 1])]
    {
        let result = sealer.seal(codec, frame, &mut Vec::new());
        assert_eq!(result, Err(SealError::NoHeader { codec, len: frame.len() }));
    }
}

#[test]
fn a_rotation_takes_effect_on_the_next_frame() {
    let (mut sealer, mut ring) = pair(0);
    let next = MediaKey::from_random([5; 16]);
    ring.set(KeyIndex::new(1), next.derive());
    let (mut sealed, mut opened) = (Vec::new(), Vec::new());

    sealer.set_key(KeyIndex::new(1), next.derive());
    sealer.seal(Codec::Opus, &[0x78, 1, 2], &mut sealed).unwrap();

    assert_eq!(ring.open(Codec::Opus, &sealed, &mut opened).unwrap(), Some(KeyIndex::new(1)));
    assert_eq!(opened, [0x78, 1, 2]);
}

#[test]
fn av1_is_never_encrypted() {
    let (mut sealer, mut out) = (Sealer::new(NonceSeed::new([1; 12])), Vec::new());
    sealer.set_key(KeyIndex::new(0), MediaKey::from_random([1; 16]).derive());
    assert_eq!(
        sealer.seal(Codec::Av1, &[1; 40], &mut out),
        Err(SealError::NotEncryptable(Codec::Av1))
    );
    let opened = KeyRing::new().open(Codec::Av1, &[1; 40], &mut out);
    assert_eq!(opened, Err(OpenError::NotEncryptable(Codec::Av1)));
}
