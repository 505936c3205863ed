//! A server made of str0m alone, and a network without sockets: it answers as livekit-server 1.13.5
//! does, from its own reading of the protocol.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use livekit_protocol as proto;
use prost::Message;
use proto::{signal_request::Message as Asked, signal_response::Message as Said};
use str0m::{
    Candidate, Event as RtcEvent, Input, Output as RtcOutput, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    net::{Protocol, Receive},
};

use crate::{
    Addresses, Config, Connection, Event, Output, Received, Source, Target, TrackConfig, TrackId,
};

/// How long a datagram or message takes.
const DELAY: Duration = Duration::from_millis(1);

/// A client, its server, and the time between them.
pub(super) struct Bed {
    pub(super) client: Connection,
    pub(super) track: TrackId,
    pub(super) now: Instant,
    pub(super) events: Vec<Event>,
    /// What the client asked for, in order.
    pub(super) asked: Vec<Asked>,
    /// What others would receive.
    pub(super) frames: Vec<Vec<u8>>,
    /// Whether datagrams pass.
    pub(super) udp: bool,
    publisher: Rtc,
    subscriber: Rtc,
    pending: Option<SdpPendingOffer>,
    wire: VecDeque<(Instant, Packet)>,
}

enum Packet {
    ToServer(Target, SocketAddr, SocketAddr, Vec<u8>),
    ToClient(Target, SocketAddr, SocketAddr, Vec<u8>),
    Signal(Box<Said>),
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn server_peer(port: u16, now: Instant) -> Rtc {
    let mut rtc = Rtc::builder().clear_codecs().enable_opus(true, false).build(now);
    rtc.add_local_candidate(Candidate::host(address(port), "udp").unwrap());
    rtc
}

/// An encrypted music track.
pub(super) fn music() -> TrackConfig {
    TrackConfig {
        name: "music".to_owned(),
        source: Source::Microphone,
        encrypted: true,
        stereo: true,
        muted: false,
    }
}

impl Bed {
    pub(super) fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
        let now = Instant::now(); // the beginning of virtual time
        let addresses = Addresses { publisher: vec![address(1)], subscriber: vec![address(2)] };
        let mut client = Connection::new(&Config { addresses, seed: 1 }, now);
        let track = client.publish(music(), now).unwrap();
        Self {
            client,
            track,
            now,
            events: Vec::new(),
            asked: Vec::new(),
            frames: Vec::new(),
            udp: true,
            publisher: server_peer(3, now),
            subscriber: server_peer(4, now),
            pending: None,
            wire: VecDeque::new(),
        }
    }

    /// The server lets the client in, and offers its data channel as the real one does.
    pub(super) fn join(&mut self) {
        let participant = proto::ParticipantInfo {
            identity: "@bot:x:D".to_owned(),
            ..proto::ParticipantInfo::default()
        };
        self.say(Said::Join(proto::JoinResponse {
            participant: Some(participant),
            ping_interval: 5,
            ping_timeout: 15,
            ..proto::JoinResponse::default()
        }));
        let mut changes = self.subscriber.sdp_api();
        changes.add_channel("_reliable".to_owned());
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        let offer = description("offer", offer.to_sdp_string(), 77);
        self.say(Said::Offer(offer));
    }

    pub(super) fn say(&mut self, message: Said) {
        self.wire.push_back((self.now + DELAY, Packet::Signal(Box::new(message))));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let client = self.drain_client();
            let server = self.drain_server();
            let wire = self.wire.iter().map(|(at, _)| *at).min();
            let next = [client, server, wire].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(packet) = self.take_packet() {
                self.deliver(packet);
            }
            self.client.handle_timeout(self.now);
            for rtc in [&mut self.publisher, &mut self.subscriber] {
                rtc.handle_input(Input::Timeout(self.now)).unwrap();
            }
        }
        self.now = end;
    }

    fn take_packet(&mut self) -> Option<Packet> {
        let due = self.wire.iter().position(|(at, _)| *at <= self.now)?;
        self.wire.remove(due).map(|(_, packet)| packet)
    }

    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Signal(message) => {
                let bytes = proto::SignalResponse { message: Some(*message) }.encode_to_vec();
                self.client.handle_signal(&bytes, self.now);
            }
            Packet::ToClient(target, from, to, bytes) => {
                let protocol = crate::Protocol::Udp;
                let (source, destination, contents) = (from, to, &bytes);
                let datagram = Received { target, protocol, source, destination, contents };
                self.client.handle_datagram(&datagram, self.now);
            }
            Packet::ToServer(target, source, destination, bytes) => {
                let contents = bytes.as_slice().try_into().unwrap();
                let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                let rtc = match target {
                    Target::Publisher => &mut self.publisher,
                    Target::Subscriber => &mut self.subscriber,
                };
                rtc.handle_input(Input::Receive(self.now, receive)).unwrap();
            }
        }
    }

    fn drain_client(&mut self) -> Option<Instant> {
        loop {
            match self.client.poll_output() {
                Output::Signal(bytes) => {
                    self.answer(&bytes);
                }
                Output::Datagram(datagram) if self.udp => {
                    let (from, to) = (datagram.source, datagram.destination);
                    let packet = Packet::ToServer(datagram.target, from, to, datagram.contents);
                    self.wire.push_back((self.now + DELAY, packet));
                }
                Output::Datagram(_) => {}
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => return Some(at),
                Output::Done => return None,
                Output::DialTcp { .. } | Output::Reopen(_) | Output::Frame(_) => {}
            }
        }
    }

    fn drain_server(&mut self) -> Option<Instant> {
        let mut next = None;
        for target in [Target::Publisher, Target::Subscriber] {
            let rtc = match target {
                Target::Publisher => &mut self.publisher,
                Target::Subscriber => &mut self.subscriber,
            };
            loop {
                match rtc.poll_output().unwrap() {
                    RtcOutput::Timeout(at) => {
                        next = next.into_iter().chain([at]).min();
                        break;
                    }
                    RtcOutput::Transmit(out) if self.udp => {
                        let bytes = out.contents.to_vec();
                        let packet = Packet::ToClient(target, out.source, out.destination, bytes);
                        self.wire.push_back((self.now + DELAY, packet));
                    }
                    RtcOutput::Event(RtcEvent::MediaData(data)) => {
                        self.frames.push(data.data.to_vec());
                    }
                    RtcOutput::Transmit(_) | RtcOutput::Event(_) => {}
                }
            }
        }
        next
    }

    fn answer(&mut self, bytes: &[u8]) {
        let request = proto::SignalRequest::decode(bytes).expect("a message that can be read");
        let asked = request.message.expect("a message with something in it");
        match &asked {
            Asked::AddTrack(request) => {
                let track =
                    proto::TrackInfo { sid: "TR_1".to_owned(), ..proto::TrackInfo::default() };
                let (cid, track) = (request.cid.clone(), Some(track));
                self.say(Said::TrackPublished(proto::TrackPublishedResponse { cid, track }));
            }
            Asked::Offer(offer) => {
                let sdp = SdpOffer::from_sdp_string(&offer.sdp).unwrap();
                let answer = self.publisher.sdp_api().accept_offer(sdp).unwrap();
                self.say(Said::Answer(description("answer", answer.to_sdp_string(), offer.id)));
            }
            Asked::Answer(answer) => {
                let sdp = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
                let pending = self.pending.take().unwrap();
                self.subscriber.sdp_api().accept_answer(pending, sdp).unwrap();
            }
            _ => {}
        }
        self.asked.push(asked);
    }
}

fn description(kind: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        ..proto::SessionDescription::default()
    }
}
