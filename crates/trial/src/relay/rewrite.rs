//! What the relay changes in LiveKit's signalling: addresses of media, and nothing else.
//!
//! Messages are protobuf (`livekit.proto`). One without an address in it passes as the bytes that it
//! came as, so that fields which are newer than this crate's get through.

use std::net::SocketAddr;

use livekit_protocol::{
    SignalRequest, SignalResponse, TrickleRequest, signal_request, signal_response,
};
use prost::Message;
use serde_json::Value;

/// Where clients find the relay's media.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) udp: SocketAddr,
    pub(super) tcp: SocketAddr,
}

/// A client's message as the SFU gets it: without the client's addresses, so that the SFU answers
/// only where it is spoken to from. `None` where nothing of it is left.
pub(super) fn from_client(bytes: &[u8]) -> Option<Vec<u8>> {
    use signal_request::Message::{Answer, Offer, Trickle};
    let Ok(mut request) = SignalRequest::decode(bytes) else { return Some(bytes.to_vec()) };
    match &mut request.message {
        Some(Offer(description) | Answer(description)) => {
            description.sdp = without_candidates(&description.sdp);
            Some(request.encode_to_vec())
        }
        Some(Trickle(_)) => None,
        _ => Some(bytes.to_vec()),
    }
}

/// The SFU's message as a client gets it: with the relay's addresses.
pub(super) fn from_sfu(bytes: &[u8], told: Told) -> Vec<u8> {
    use signal_response::Message::{Answer, Offer, Trickle};
    let Ok(mut response) = SignalResponse::decode(bytes) else { return bytes.to_vec() };
    match &mut response.message {
        Some(Offer(description) | Answer(description)) => {
            description.sdp = with_candidates_at(&description.sdp, told);
        }
        Some(Trickle(trickle)) => redirect_trickle(trickle, told),
        _ => return bytes.to_vec(),
    }
    response.encode_to_vec()
}

/// A description (RFC 8839 §5.1) without its candidates.
fn without_candidates(sdp: &str) -> String {
    let kept =
        |line: &&str| !line.starts_with("a=candidate:") && line.trim_end() != "a=end-of-candidates";
    sdp.split_inclusive('\n').filter(kept).collect()
}

fn with_candidates_at(sdp: &str, told: Told) -> String {
    let line = |line: &str| match line.strip_prefix("a=") {
        Some(candidate) if candidate.starts_with("candidate:") => {
            format!("a={}\r\n", redirected(candidate.trim_end(), told))
        }
        _ => line.to_owned(),
    };
    sdp.split_inclusive('\n').map(line).collect()
}

/// `candidateInit` is a JSON text; its `candidate` is empty at the end of them.
fn redirect_trickle(trickle: &mut TrickleRequest, told: Told) {
    let Ok(mut init) = serde_json::from_str::<Value>(&trickle.candidate_init) else { return };
    let Some(candidate) = init["candidate"].as_str() else { return };
    init["candidate"] = redirected(candidate, told).into();
    trickle.candidate_init = init.to_string();
}

/// `candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT …` at the relay's address of that
/// transport.
fn redirected(candidate: &str, told: Told) -> String {
    let mut words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
    if let [_, _, transport, _, address, port, ..] = words.as_mut_slice() {
        let at = if transport.eq_ignore_ascii_case("tcp") { told.tcp } else { told.udp };
        *address = at.ip().to_string();
        *port = at.port().to_string();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use livekit_protocol::SessionDescription;

    use super::*;

    const SDP: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=candidate:1 1 udp 2130706431 10.0.0.7 5000 typ host ufrag abcd\r\n\
        a=candidate:2 1 tcp 1671430143 10.0.0.7 5001 typ host tcptype passive ufrag abcd\r\n\
        a=end-of-candidates\r\na=mid:0\r\n";

    #[test]
    fn a_client_is_told_the_relays_addresses_and_keeps_all_else() {
        let description = SessionDescription {
            r#type: "offer".to_owned(),
            sdp: SDP.to_owned(),
            id: 7,
            mid_to_track_id: [("0".to_owned(), "TR_a".to_owned())].into(),
        };
        let message = Some(signal_response::Message::Offer(description.clone()));
        let sent = SignalResponse { message }.encode_to_vec();

        let got = SignalResponse::decode(&*from_sfu(&sent, told())).expect("protobuf");

        let sdp = SDP.replace("10.0.0.7 5000", "::1 1").replace("10.0.0.7 5001", "::1 2");
        let message =
            Some(signal_response::Message::Offer(SessionDescription { sdp, ..description }));
        assert_eq!(got, SignalResponse { message });
    }

    #[test]
    fn a_trickled_candidate_is_redirected_and_the_end_of_them_is_not() {
        let trickled = |candidate: &str| {
            let init = serde_json::json!({ "candidate": candidate, "sdpMid": "0" });
            let trickle =
                TrickleRequest { candidate_init: init.to_string(), ..TrickleRequest::default() };
            let message = Some(signal_response::Message::Trickle(trickle));
            SignalResponse { message }.encode_to_vec()
        };
        let host = trickled("candidate:1 1 UDP 1 10.0.0.7 5000 typ host");
        assert_eq!(from_sfu(&host, told()), trickled("candidate:1 1 UDP 1 ::1 1 typ host"));
        assert_eq!(from_sfu(&trickled(""), told()), trickled(""));
    }

    #[test]
    fn the_sfu_learns_no_address_of_a_client() {
        let description =
            SessionDescription { sdp: SDP.to_owned(), ..SessionDescription::default() };
        let message = Some(signal_request::Message::Answer(description));
        let sent = SignalRequest { message }.encode_to_vec();
        let got =
            SignalRequest::decode(&*from_client(&sent).expect("a message")).expect("protobuf");
        let Some(signal_request::Message::Answer(description)) = got.message else {
            panic!("{got:?}")
        };
        assert_eq!(description.sdp, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n");

        let message = Some(signal_request::Message::Trickle(TrickleRequest::default()));
        assert_eq!(from_client(&SignalRequest { message }.encode_to_vec()), None);
    }

    #[test]
    fn what_is_not_understood_passes_as_it_came() {
        // Field 900 with one byte, and no protobuf at all.
        for bytes in [&[0xa2, 0x38, 0x01, 0x07][..], &[0xff, 0xff, 0xff]] {
            assert_eq!(from_client(bytes).as_deref(), Some(bytes));
            assert_eq!(from_sfu(bytes, told()), bytes);
        }
    }

    fn told() -> Told {
        Told {
            udp: ([0, 0, 0, 0, 0, 0, 0, 1], 1).into(),
            tcp: ([0, 0, 0, 0, 0, 0, 0, 1], 2).into(),
        }
    }
}
