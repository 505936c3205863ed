//! What str0m does not tell of descriptions: which stream of the server's offer is which track; and
//! what its answers need before livekit-server sees them.

use std::{collections::HashMap, net::SocketAddr};

use phonograph_frame::Codec;
use str0m::{
    Candidate,
    net::{Protocol, TcpType},
};

use crate::{Kind, TrackSid, receive::CODECS_MAX};

/// The longest sid that is looked at; the server's are 14 characters.
pub(crate) const SID_MAX: usize = 64;

/// A media section of the server's offer that stands for a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) track: TrackSid,
    pub(crate) kind: Kind,
    /// The stream that carries it.
    pub(crate) ssrc: u32,
    /// The payload types it may come with.
    pub(crate) codecs: Vec<(u8, Codec)>,
}

/// Where TCP can be dialled, if that is what the address is.
pub(super) fn passive_tcp(candidate: &Candidate) -> Option<SocketAddr> {
    let is_passive = candidate.tcptype() == Some(TcpType::Passive);
    (candidate.proto() == Protocol::Tcp && is_passive).then(|| candidate.addr())
}

/// A description without the addresses in it, and those: there may be any number of them.
pub(super) fn split_addresses(sdp: &str) -> (String, Vec<&str>) {
    let mut rest = String::with_capacity(sdp.len());
    let mut addresses = Vec::new();
    for line in sdp.lines() {
        let value = line.strip_prefix("a=").filter(|value| value.starts_with("candidate:"));
        if let Some(address) = value {
            addresses.push(address.trim_end());
        } else {
            rest.push_str(line);
            rest.push_str("\r\n");
        }
    }
    (rest, addresses)
}

/// What the other side signs its checks with; another one begins them anew.
pub(super) fn ufrag(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim_end)
}

/// How many sections an offer has, before anything else looks at it.
pub(crate) fn count_sections(sdp: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with("m=")).count()
}

/// The tracks that an offer brings, one for each section that has one. `by_mid` is the server's own
/// list and counts more than the section's text.
pub(crate) fn sections(sdp: &str, by_mid: &HashMap<String, String>) -> Vec<Section> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line.trim_end());
        }
    }
    parts.iter().filter_map(|lines| section(lines, by_mid)).collect()
}

fn section(lines: &[&str], by_mid: &HashMap<String, String>) -> Option<Section> {
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name));
    let kind = match lines.first()?.split(' ').next()? {
        "m=audio" => Kind::Audio,
        "m=video" => Kind::Video,
        _ => return None,
    };
    // A section whose track has left keeps neither stream nor track.
    let ssrc = value("a=ssrc:")?.split(' ').next()?.parse().ok()?;
    let track = by_mid.get(value("a=mid:")?).map(String::as_str);
    let track = track.or_else(|| track_of(value("a=msid:")?))?;
    if track.is_empty() || track.len() > SID_MAX {
        return None;
    }
    let codecs = lines.iter().filter_map(|line| codec(line)).take(CODECS_MAX).collect();
    Some(Section { track: track.into(), kind, ssrc, codecs })
}

/// The track in `PA_…|stream TR_…`, where the second may not be a track but the stream is.
fn track_of(msid: &str) -> Option<&str> {
    let mut tokens = msid.split(' ');
    let (stream, track) = (tokens.next()?, tokens.next().unwrap_or_default());
    if track.starts_with("TR") { Some(track) } else { stream.split_once('|').map(|(_, id)| id) }
}

/// The codec in `a=rtpmap:111 opus/48000/2`; none in what only repeats or protects others.
fn codec(line: &str) -> Option<(u8, Codec)> {
    let (payload_type, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
    let name = name.split('/').next()?;
    Some((payload_type.parse().ok()?, by_name(name)?))
}

/// A codec by its name in SDP or behind the slash of a media type.
pub(crate) fn by_name(name: &str) -> Option<Codec> {
    let codecs = [
        ("opus", Codec::Opus),
        ("vp8", Codec::Vp8),
        ("vp9", Codec::Vp9),
        ("h264", Codec::H264),
        ("h265", Codec::H265),
        ("av1", Codec::Av1),
    ];
    codecs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, codec)| *codec)
}

/// Turns an answer to a subscriber offer into what libwebrtc clients send: we receive only.
///
/// livekit-server offers `sendrecv` lines in this mode, and str0m answers in kind, with streams of
/// its own that would never carry anything.
pub(super) fn receive_only(answer: &str) -> String {
    let lines = answer.lines().filter(|line| {
        !["a=ssrc:", "a=ssrc-group:", "a=msid:"].iter().any(|own| line.starts_with(own))
    });
    let mut text = String::with_capacity(answer.len());
    for line in lines {
        text.push_str(match line {
            "a=sendrecv" => "a=recvonly",
            "a=sendonly" => "a=inactive",
            other => other,
        });
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n\
        a=rtpmap:63 red/48000/2\r\na=ssrc:7 cname:x\r\na=msid:PA_a|TR_AMa TR_AMa\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:2\r\na=rtpmap:96 VP8/90000 \r\n\
        a=rtpmap:97 rtx/90000\r\na=ssrc-group:FID 8 9\r\na=ssrc:8 cname:x\r\na=ssrc:9 cname:x\r\n\
        a=msid:PA_a|camera TR_VCa\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:3\r\na=recvonly\r\n";

    fn found(by_mid: &[(&str, &str)]) -> Vec<(String, u32)> {
        let own = |(mid, track): &(&str, &str)| ((*mid).to_owned(), (*track).to_owned());
        let by_mid = by_mid.iter().map(own).collect();
        let sections = sections(OFFER, &by_mid);
        sections.into_iter().map(|section| (section.track.to_string(), section.ssrc)).collect()
    }

    #[test]
    fn a_section_with_a_stream_stands_for_a_track() {
        assert_eq!(found(&[]), [("TR_AMa".to_owned(), 7), ("TR_VCa".to_owned(), 8)]);
    }

    #[test]
    fn the_servers_own_list_counts_more_than_the_text() {
        let listed = [("1", "TR_AMb"), ("2", "TR_VCb"), ("3", "TR_gone")];
        assert_eq!(found(&listed), [("TR_AMb".to_owned(), 7), ("TR_VCb".to_owned(), 8)]);
    }

    #[test]
    fn payload_types_are_those_of_the_section() {
        let sections = sections(OFFER, &HashMap::new());
        assert_eq!(sections[0].codecs, [(111, Codec::Opus)]);
        assert_eq!(sections[1].codecs, [(96, Codec::Vp8)]);
        assert_eq!(sections[1].kind, Kind::Video);
    }

    #[test]
    fn a_track_may_be_named_by_its_stream_alone() {
        assert_eq!(track_of("PA_a|TR_b c"), Some("TR_b"));
        assert_eq!(track_of("PA_a|TR_b"), Some("TR_b"));
        assert_eq!(track_of("x y"), None);
    }

    #[test]
    fn a_sid_beyond_its_limit_is_no_track() {
        let long = "T".repeat(SID_MAX + 1);
        assert_eq!(found(&[("1", &long), ("2", "")]), []);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(m=(audio|video)|a=(ssrc|mid|msid|rtpmap):|[ -~]|\n){0,40}") {
            count_sections(&text);
            sections(&text, &HashMap::new());
        }
    }

    #[test]
    fn an_answer_promises_to_send_nothing() {
        let answer =
            "v=0\r\na=sendrecv\r\na=ssrc:1 cname:x\r\na=msid:a b\r\na=mid:1\r\na=sendonly\r\n";
        assert_eq!(receive_only(answer), "v=0\r\na=recvonly\r\na=mid:1\r\na=inactive\r\n");
    }
}
