//! A server made of str0m alone, and a network without sockets: it answers as livekit-server 1.13.5
//! does, from its own reading of the protocol.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use livekit_protocol as proto;
use prost::Message;
use proto::{signal_request::Message as Asked, signal_response::Message as Said};
use str0m::{
    Candidate, Event as RtcEvent, Input, Output as RtcOutput, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::ChannelId,
    media::SenderFeedback,
    net::{Protocol, Receive, TcpType, Transmit},
};

use super::{
    link::{DELAY, Link},
    remote::Remote,
};
use crate::{
    Addresses, Config, Connection, Datagram, Event, Frame, Output, Received, Resume, Source,
    Target, TrackConfig, TrackId,
};

/// A client, its server, and the time between them.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault that a test switches on")]
pub(super) struct Bed {
    pub(super) client: Connection,
    pub(super) track: TrackId,
    pub(super) now: Instant,
    pub(super) events: Vec<Event>,
    /// What the client asked for, in order.
    pub(super) asked: Vec<Asked>,
    /// What others would receive.
    pub(super) frames: Vec<Vec<u8>>,
    /// The reports of the client on what it sends.
    pub(super) reports: Vec<SenderFeedback>,
    /// What the client received.
    pub(super) heard: Vec<Frame>,
    /// The open data channels.
    pub(super) channels: BTreeMap<(Target, String), ChannelId>,
    /// What the client sent over them.
    pub(super) data: Vec<Vec<u8>>,
    /// How often the client asked for a key frame.
    pub(super) key_frames_asked: usize,
    /// Where the client wanted a TCP connection to.
    pub(super) dialled: Vec<(Target, SocketAddr)>,
    /// When the client wanted a new WebSocket, and for what.
    pub(super) reopened: Vec<(Instant, Resume)>,
    /// Whether datagrams pass.
    pub(super) udp: bool,
    /// Whether TCP does.
    pub(super) tcp: bool,
    /// What becomes of the datagrams to the client that carry media.
    pub(super) link: Link,
    /// Whether the same becomes of all datagrams, each way.
    pub(super) is_rough: bool,
    /// What others publish, by its name.
    pub(super) remote: BTreeMap<String, Remote>,
    /// Tracks that the client asked for and that no offer has had yet.
    pub(super) to_offer: Vec<String>,
    /// Whether nothing is offered for what is asked for.
    pub(super) holds_offers: bool,
    pub(super) offers: u32,
    published: u32,
    /// Whether the client's offers are left without an answer.
    pub(super) is_slow: bool,
    /// The answer that was kept back.
    pub(super) late: Option<proto::SessionDescription>,
    pub(super) publisher: Rtc,
    pub(super) subscriber: Rtc,
    pub(super) pending: Option<SdpPendingOffer>,
    wire: VecDeque<(Instant, Packet)>,
}

enum Packet {
    ToServer(Datagram),
    ToClient(Datagram),
    Signal(Box<Said>),
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn server_peer(port: u16, tcp: bool, now: Instant) -> Rtc {
    let mut rtc = Rtc::builder()
        .clear_codecs()
        .enable_opus(true, false)
        .enable_vp8(true)
        .enable_vp9(true)
        .enable_h264(true)
        .enable_av1(true)
        .build(now);
    rtc.add_local_candidate(Candidate::host(address(port), "udp").unwrap());
    if tcp {
        let passive = Candidate::builder().tcp().host(address(port)).tcptype(TcpType::Passive);
        rtc.add_local_candidate(passive.build().unwrap());
    }
    rtc
}

/// The beginning of virtual time.
pub(super) fn beginning() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "virtual time needs one beginning")]
    let now = Instant::now(); // the beginning of virtual time
    now
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
        Self::with_seed(1)
    }

    /// A server that listens for no TCP.
    pub(super) fn without_tcp() -> Self {
        let mut this = Self::new();
        this.publisher = server_peer(3, false, this.now);
        this.subscriber = server_peer(4, false, this.now);
        this
    }

    pub(super) fn with_seed(seed: u64) -> Self {
        let now = beginning();
        let addresses = Addresses { publisher: vec![address(1)], subscriber: vec![address(2)] };
        let mut client = Connection::new(&Config { addresses, seed }, now);
        let track = client.publish(music(), now).unwrap();
        Self {
            client,
            track,
            now,
            events: Vec::new(),
            asked: Vec::new(),
            frames: Vec::new(),
            reports: Vec::new(),
            heard: Vec::new(),
            channels: BTreeMap::new(),
            data: Vec::new(),
            key_frames_asked: 0,
            dialled: Vec::new(),
            reopened: Vec::new(),
            udp: true,
            tcp: true,
            link: Link::new(0),
            is_rough: false,
            remote: BTreeMap::new(),
            to_offer: Vec::new(),
            holds_offers: false,
            offers: 76,
            published: 0,
            is_slow: false,
            late: None,
            publisher: server_peer(3, true, now),
            subscriber: server_peer(4, true, now),
            pending: None,
            wire: VecDeque::new(),
        }
    }

    /// The server lets the client in, and offers its data channel as the real one does.
    pub(super) fn join(&mut self) {
        let participant = proto::ParticipantInfo {
            sid: "PA_bot".to_owned(),
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
        self.send_offer(offer.to_sdp_string(), pending);
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

    fn passes(&self, protocol: crate::Protocol) -> bool {
        match protocol {
            crate::Protocol::Udp => self.udp,
            crate::Protocol::Tcp => self.tcp,
        }
    }

    fn delays(&mut self, is_bad: bool) -> Vec<Duration> {
        if is_bad { self.link.delays() } else { vec![DELAY] }
    }

    fn transmit(&mut self, datagram: &Datagram) {
        if !self.passes(datagram.protocol) {
            return;
        }
        let is_bad = self.is_rough || is_media(&datagram.contents);
        for delay in self.delays(is_bad) {
            self.wire.push_back((self.now + delay, Packet::ToClient(datagram.clone())));
        }
    }

    /// The client's TCP connection for that peer connection opens.
    pub(super) fn open_tcp(&mut self, target: Target) {
        let dialled = self.dialled.iter().rev().find(|(of, _)| *of == target);
        let (_, destination) = *dialled.expect("a connection that was dialled");
        let local = match target {
            Target::Publisher => address(11),
            Target::Subscriber => address(12),
        };
        self.client.handle_tcp_open(target, local, destination, self.now);
    }

    /// The client's new WebSocket opens, and the server knows it still: it says so, tells who is
    /// there, and begins the path to the client anew.
    pub(super) fn reconnect(&mut self) {
        self.client.handle_reopened(self.now);
        self.say(Said::Reconnect(proto::ReconnectResponse::default()));
        let mut changes = self.subscriber.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().expect("a restart");
        self.send_offer(offer.to_sdp_string(), pending);
    }

    /// The server closes the media paths.
    pub(super) fn close_server(&mut self) {
        self.publisher.close().unwrap();
        self.subscriber.close().unwrap();
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
            Packet::ToClient(datagram) => {
                let Datagram { target, protocol, source, destination, contents } = &datagram;
                let (target, protocol, source, destination) =
                    (*target, *protocol, *source, *destination);
                let datagram = Received { target, protocol, source, destination, contents };
                self.client.handle_datagram(&datagram, self.now);
            }
            Packet::ToServer(datagram) => {
                let Datagram { target, protocol, source, destination, contents } = &datagram;
                let (source, destination) = (*source, *destination);
                let contents = contents.as_slice().try_into().unwrap();
                let proto = match protocol {
                    crate::Protocol::Udp => Protocol::Udp,
                    crate::Protocol::Tcp => Protocol::Tcp,
                };
                let receive = Receive { proto, source, destination, contents };
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
                Output::Datagram(datagram) if self.passes(datagram.protocol) => {
                    for delay in self.delays(self.is_rough) {
                        let packet = Packet::ToServer(datagram.clone());
                        self.wire.push_back((self.now + delay, packet));
                    }
                }
                Output::Datagram(_) => {}
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => return Some(at),
                Output::Done => return None,
                Output::Frame(frame) => self.heard.push(frame),
                Output::DialTcp { target, destination } => self.dialled.push((target, destination)),
                Output::Reopen(resume) => self.reopened.push((self.now, resume)),
            }
        }
    }

    fn drain_server(&mut self) -> Option<Instant> {
        let mut next = None;
        for target in [Target::Publisher, Target::Subscriber] {
            loop {
                let rtc = match target {
                    Target::Publisher => &mut self.publisher,
                    Target::Subscriber => &mut self.subscriber,
                };
                match rtc.poll_output().unwrap() {
                    RtcOutput::Timeout(at) => {
                        next = next.into_iter().chain([at]).min();
                        break;
                    }
                    RtcOutput::Transmit(out) => {
                        let Transmit { source, destination, .. } = out;
                        let is_tcp = out.proto == Protocol::Tcp;
                        let protocol =
                            if is_tcp { crate::Protocol::Tcp } else { crate::Protocol::Udp };
                        let contents = out.contents.to_vec();
                        let datagram = Datagram { target, protocol, source, destination, contents };
                        self.transmit(&datagram);
                    }
                    RtcOutput::Event(RtcEvent::MediaData(data)) => {
                        self.frames.push(data.data.to_vec());
                    }
                    RtcOutput::Event(RtcEvent::SenderFeedback(report)) => self.reports.push(report),
                    RtcOutput::Event(RtcEvent::KeyframeRequest(_)) => self.key_frames_asked += 1,
                    RtcOutput::Event(RtcEvent::ChannelOpen(id, label)) => {
                        self.channels.insert((target, label), id);
                    }
                    RtcOutput::Event(RtcEvent::ChannelData(data)) => self.data.push(data.data),
                    RtcOutput::Event(_) => {}
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
                self.published += 1;
                let sid = format!("TR_{}", self.published);
                let track = proto::TrackInfo { sid, ..proto::TrackInfo::default() };
                let (cid, track) = (request.cid.clone(), Some(track));
                self.say(Said::TrackPublished(proto::TrackPublishedResponse { cid, track }));
            }
            Asked::Offer(offer) => {
                let sdp = SdpOffer::from_sdp_string(&offer.sdp).unwrap();
                let answer = self.publisher.sdp_api().accept_offer(sdp).unwrap();
                let answer = description("answer", answer.to_sdp_string(), offer.id);
                if self.is_slow {
                    self.late = Some(answer);
                } else {
                    self.say(Said::Answer(answer));
                }
            }
            Asked::Answer(answer) => {
                let sdp = SdpAnswer::from_sdp_string(&answer.sdp).unwrap();
                // An offer that the test made has nobody to take its answer.
                let Some(pending) = self.pending.take() else { return self.asked.push(asked) };
                self.subscriber.sdp_api().accept_answer(pending, sdp).unwrap();
            }
            Asked::Subscription(subscription) if subscription.subscribe => {
                self.to_offer.extend(subscription.track_sids.iter().cloned());
            }
            _ => {}
        }
        self.asked.push(asked);
        self.offer_wanted();
    }
}

/// Whether it is RTP, or RTCP (RFC 5761 §4).
fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (128..192).contains(first))
}

pub(super) fn description(kind: &str, sdp: String, id: u32) -> proto::SessionDescription {
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        ..proto::SessionDescription::default()
    }
}
