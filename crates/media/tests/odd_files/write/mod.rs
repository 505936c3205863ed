//! Small writers of the containers, so that the tests share no code with what they test.

pub(crate) mod apple;
pub(crate) mod flac;
pub(crate) mod matroska;
pub(crate) mod mp4;
pub(crate) mod ogg;
pub(crate) mod wav;

/// Two seconds of the tones as packets of Opus, each of so many samples.
pub(crate) fn opus_packets(samples: usize) -> Vec<Vec<u8>> {
    opus_packets_of(&crate::hear::tones(48_000), opus::Channels::Stereo, samples)
}

/// As many whole packets as the samples make.
pub(crate) fn opus_packets_of(
    pcm: &[f32],
    channels: opus::Channels,
    samples: usize,
) -> Vec<Vec<u8>> {
    let mut encoder =
        opus::Encoder::new(48_000, channels, opus::Application::Audio).expect("an encoder");
    encoder.set_bitrate(opus::Bitrate::Bits(192_000)).expect("a bit rate that there is");
    pcm.chunks_exact(samples * channels as usize)
        .map(|block| encoder.encode_vec_float(block, 4000).expect("a block of an allowed length"))
        .collect()
}

/// What an Opus stream begins with (RFC 7845 §5.1).
pub(crate) fn opus_head(channels: u8, pre_skip: u16, gain_q8: i16) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(pre_skip.to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    head.extend(gain_q8.to_le_bytes());
    head.push(0);
    head
}
