//! What only the connection that receives has.

use std::sync::Arc;

use str0m::{RtcConfig, format::CodecConfig, media::SenderFeedback, rtp::RtpPacket};

use crate::receive::{Packet, Report};

/// Every codec, and what is missing asked for again.
pub(super) fn receiving(config: RtcConfig) -> RtcConfig {
    let mut config = config.enable_vp8(true).enable_vp9(true).enable_h264(true).enable_av1(true);
    // str0m leaves NACK off for audio. The server resends under the same SSRC and number.
    let mut codecs = config.codec_config().params().to_vec();
    for codec in &mut codecs {
        codec.set_fb_nack(true);
    }
    *config.codec_config() = CodecConfig::new_from_payload_params(codecs);
    config
}

/// A packet, and the stream that it is of.
pub(super) fn packet(packet: &RtpPacket) -> (u32, Packet) {
    let taken = Packet {
        seq: *packet.seq_no,
        time: packet.header.timestamp,
        payload_type: *packet.header.payload_type,
        marker: packet.header.marker,
        arrival: packet.timestamp,
        payload: Arc::clone(&packet.payload),
    };
    (*packet.header.ssrc, taken)
}

/// A sender report, and the stream that it is of.
pub(super) fn report(feedback: &SenderFeedback) -> (u32, Report) {
    let info = &feedback.sender_info;
    let report = Report {
        // Only the last 32 bits were on the wire.
        time: info.rtp_time.numer() as u32,
        wall: info.ntp_time,
        arrival: feedback.received_at,
    };
    (*info.ssrc, report)
}
