//! WAV files as a test needs them.

/// A WAV file of 16-bit samples, its channels interleaved.
pub(crate) fn pcm16(rate_hz: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    file(1, rate_hz, channels, 16, &data)
}

/// A WAV file of floating point samples.
pub(crate) fn float(rate_hz: u32, channels: u16, samples: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    file(3, rate_hz, channels, 32, &data)
}

fn file(format: u16, rate_hz: u32, channels: u16, bits: u16, data: &[u8]) -> Vec<u8> {
    let align = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend(format.to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * u32::from(align)).to_le_bytes());
    bytes.extend(align.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

/// Samples of sines at a quarter of full scale, one per channel.
pub(crate) fn sines(rate_hz: u32, seconds: f64, hertz: &[f64]) -> Vec<i16> {
    let frames = (f64::from(rate_hz) * seconds) as u32;
    (0..frames)
        .flat_map(|n| {
            let time = f64::from(n) / f64::from(rate_hz);
            hertz.iter().map(move |hertz| {
                (8192.0 * (std::f64::consts::TAU * hertz * time).sin()).round() as i16
            })
        })
        .collect()
}
