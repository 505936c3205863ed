//! A connection and a server made of str0m, in virtual time and without a network.
//!
//! The server completes what a client needs to be connected, and forwards nothing. It answers no more
//! than `livekit-server` 1.13.5 would: `join`, the answer to an offer, an offer of what is subscribed to.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use livekit_protocol as proto;
use phonograph_livekit::{
    Addresses, Config, Connection, Datagram, Event, Output, Protocol, Received, Source, Target,
    TrackConfig, TrackId, TrackSid,
};
use prost::Message;
use proto::{signal_request::Message as Asked, signal_response::Message as Said};
use str0m::{
    Candidate, Input, Output as RtcOutput, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    format::Codec,
    media::{Direction, MediaKind, MediaTime, Mid},
    net::{Protocol as NetProtocol, Receive},
};

/// Longer than any measurement: nobody answers pings here.
const NEVER_SECONDS: i32 = 100_000;

/// A client and its server.
pub(super) struct Bed {
    pub(super) client: Connection,
    pub(super) track: TrackId,
    pub(super) now: Instant,
    /// What is on its way.
    wire: VecDeque<Packet>,
    publisher: Rtc,
    /// Made when somebody else publishes.
    subscriber: Option<Rtc>,
    subscriber_address: SocketAddr,
    /// What others publish, and the section that carries it.
    remote: BTreeMap<String, Option<Mid>>,
    wanted: Vec<String>,
    pending: Option<SdpPendingOffer>,
    connected: bool,
}

enum Packet {
    ToServer(Datagram),
    ToClient(Datagram),
    Signal(Box<Said>),
}

/// Where client and server send from; each peer connection from one of its own.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) client: [SocketAddr; 2],
    pub(super) server: [SocketAddr; 2],
}

impl Default for Ends {
    fn default() -> Self {
        let [a, b, c, d] = [1, 2, 3, 4].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        Self { client: [a, b], server: [c, d] }
    }
}

impl Bed {
    /// A client that publishes one encrypted track and is connected.
    pub(super) fn connected(ends: Ends, now: Instant) -> Result<Self> {
        let [publisher, subscriber] = ends.client.map(|address| vec![address]);
        let addresses = Addresses { publisher, subscriber };
        let mut client = Connection::new(&Config { addresses, seed: 1 }, now);
        let track = client.publish(music(), now)?;
        let [publisher, subscriber_address] = ends.server;
        let mut this = Self {
            client,
            track,
            now,
            wire: VecDeque::new(),
            publisher: server_peer(publisher, now)?,
            subscriber: None,
            subscriber_address,
            remote: BTreeMap::new(),
            wanted: Vec::new(),
            pending: None,
            connected: false,
        };
        this.say(welcome("@me:x:D"));
        this.run(Duration::from_secs(1))?;
        anyhow::ensure!(this.connected, "the client did not connect");
        Ok(this)
    }

    /// Somebody else publishes that many tracks, and the client subscribes to each.
    pub(super) fn hear(&mut self, tracks: &[String]) -> Result<()> {
        self.subscriber = Some(server_peer(self.subscriber_address, self.now)?);
        self.remote = tracks.iter().map(|sid| (sid.clone(), None)).collect();
        let info =
            |sid: &String| proto::TrackInfo { sid: sid.clone(), ..proto::TrackInfo::default() };
        let participants = vec![proto::ParticipantInfo {
            sid: "PA_1".to_owned(),
            identity: "@alice:x:A".to_owned(),
            version: 1,
            tracks: tracks.iter().map(info).collect(),
            ..proto::ParticipantInfo::default()
        }];
        self.say(Said::Update(proto::ParticipantUpdate { participants }));
        self.run(Duration::ZERO)?;
        for sid in tracks {
            self.client.subscribe(&TrackSid::from(sid.as_str()), self.now);
        }
        self.run(Duration::from_secs(1))?;
        let is_up = self.subscriber.as_ref().is_some_and(Rtc::is_connected);
        anyhow::ensure!(is_up && self.pending.is_none(), "the tracks were not agreed on");
        Ok(())
    }

    /// Has the server send one frame of each track; answers with the packets, which do not reach
    /// the client by themselves.
    pub(super) fn forward(&mut self, frame: &[u8], units: u64) -> Result<Vec<Datagram>> {
        let server = self.subscriber.as_mut().context("nobody publishes")?;
        let mut packets = Vec::new();
        for mid in self.remote.values().flatten() {
            let writer = server.writer(*mid).context("a section that takes nothing")?;
            let opus = {
                let mut agreed = writer.payload_params();
                let opus = agreed.find(|params| params.spec().codec == Codec::Opus);
                opus.map(|params| (params.pt(), params.spec().clock_rate))
            };
            let (payload_type, rate) = opus.context("Opus was not agreed on")?;
            writer.write(payload_type, self.now, MediaTime::new(units, rate), frame)?;
        }
        let mut send = |datagram: Datagram| {
            if is_media(&datagram.contents) {
                packets.push(datagram);
            } else {
                self.wire.push_back(Packet::ToClient(datagram));
            }
        };
        while drain(server, Target::Subscriber, &mut send)? <= self.now {
            server.handle_input(Input::Timeout(self.now))?;
        }
        Ok(packets)
    }

    /// Puts what the client has sent on its way to the server.
    pub(super) fn post(&mut self, datagram: Datagram) {
        self.wire.push_back(Packet::ToServer(datagram));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) -> Result<()> {
        let end = self.now + time;
        loop {
            let client = self.drain_client()?;
            let server = self.drain_server()?;
            if let Some(packet) = self.wire.pop_front() {
                self.deliver(packet)?;
                continue;
            }
            let next = client.min(server);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.client.handle_timeout(self.now);
            for rtc in [Some(&mut self.publisher), self.subscriber.as_mut()].into_iter().flatten() {
                rtc.handle_input(Input::Timeout(self.now))?;
            }
        }
        self.now = end;
        Ok(())
    }

    fn say(&mut self, message: Said) {
        self.wire.push_back(Packet::Signal(Box::new(message)));
    }

    fn deliver(&mut self, packet: Packet) -> Result<()> {
        match packet {
            Packet::Signal(message) => {
                let bytes = proto::SignalResponse { message: Some(*message) }.encode_to_vec();
                self.client.handle_signal(&bytes, self.now);
            }
            Packet::ToClient(datagram) => {
                self.client.handle_datagram(&received(&datagram), self.now);
            }
            Packet::ToServer(Datagram { target, source, destination, contents, .. }) => {
                let rtc = match target {
                    Target::Publisher => Some(&mut self.publisher),
                    Target::Subscriber => self.subscriber.as_mut(),
                };
                let contents = contents.as_slice().try_into()?;
                let proto = NetProtocol::Udp;
                let receive = Receive { proto, source, destination, contents };
                if let Some(rtc) = rtc {
                    rtc.handle_input(Input::Receive(self.now, receive))?;
                }
            }
        }
        Ok(())
    }

    fn drain_client(&mut self) -> Result<Instant> {
        loop {
            match self.client.poll_output() {
                Output::Signal(bytes) => self.answer(&bytes)?,
                Output::Datagram(datagram) => self.post(datagram),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Ended(ended)) => anyhow::bail!("it ended: {ended:?}"),
                Output::Timeout(at) => return Ok(at),
                Output::Done => anyhow::bail!("the connection has ended"),
                _ => {}
            }
        }
    }

    fn drain_server(&mut self) -> Result<Instant> {
        let Self { publisher, subscriber, wire, .. } = self;
        let mut send = |datagram| wire.push_back(Packet::ToClient(datagram));
        let next = drain(publisher, Target::Publisher, &mut send)?;
        match subscriber {
            Some(subscriber) => Ok(next.min(drain(subscriber, Target::Subscriber, send)?)),
            None => Ok(next),
        }
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        match proto::SignalRequest::decode(bytes)?.message {
            Some(Asked::Answer(answer)) => {
                let sdp = SdpAnswer::from_sdp_string(&answer.sdp)?;
                if let Some((pending, server)) = self.pending.take().zip(self.subscriber.as_mut()) {
                    server.sdp_api().accept_answer(pending, sdp)?;
                }
            }
            Some(Asked::Subscription(subscription)) if subscription.subscribe => {
                self.wanted.extend(subscription.track_sids);
            }
            Some(other) => {
                if let Some(said) = reply(&mut self.publisher, other)? {
                    self.say(said);
                }
            }
            None => {}
        }
        self.offer()
    }

    /// Offers what was asked for, unless an offer is out.
    fn offer(&mut self) -> Result<()> {
        let Some(server) = self.subscriber.as_mut() else { return Ok(()) };
        if self.pending.is_some() || self.wanted.is_empty() {
            return Ok(());
        }
        let mut changes = server.sdp_api();
        for sid in std::mem::take(&mut self.wanted) {
            let (stream, track) = (Some(format!("PA_1|{sid}")), Some(sid.clone()));
            let audio = MediaKind::Audio;
            let mid = changes.add_media(audio, Direction::SendOnly, stream, track, None);
            self.remote.insert(sid, Some(mid));
        }
        let (offer, pending) = changes.apply().context("nothing to offer")?;
        self.pending = Some(pending);
        let mut offer = described("offer", offer.to_sdp_string(), 1);
        let mids = self.remote.iter().filter_map(|(sid, mid)| Some((mid.as_ref()?, sid)));
        offer.mid_to_track_id = mids.map(|(mid, sid)| (mid.to_string(), sid.clone())).collect();
        self.say(Said::Offer(offer));
        Ok(())
    }
}

/// What a server says first.
pub(super) fn welcome(identity: &str) -> Said {
    Said::Join(proto::JoinResponse {
        participant: Some(proto::ParticipantInfo {
            sid: "PA_0".to_owned(),
            identity: identity.to_owned(),
            ..proto::ParticipantInfo::default()
        }),
        ping_interval: NEVER_SECONDS,
        ping_timeout: NEVER_SECONDS,
        ..proto::JoinResponse::default()
    })
}

/// What a server says to somebody who publishes.
pub(super) fn reply(publisher: &mut Rtc, asked: Asked) -> Result<Option<Said>> {
    Ok(match asked {
        Asked::AddTrack(request) => {
            let sid = "TR_own".to_owned();
            let track = Some(proto::TrackInfo { sid, ..proto::TrackInfo::default() });
            let cid = request.cid;
            Some(Said::TrackPublished(proto::TrackPublishedResponse { cid, track }))
        }
        Asked::Offer(offer) => {
            let sdp = SdpOffer::from_sdp_string(&offer.sdp)?;
            let answer = publisher.sdp_api().accept_offer(sdp)?;
            Some(Said::Answer(described("answer", answer.to_sdp_string(), offer.id)))
        }
        _ => None,
    })
}

/// Whether it is RTP, or RTCP (RFC 5761 §4).
pub(super) fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (128..192).contains(first))
}

/// A datagram as it arrives.
pub(super) fn received(datagram: &Datagram) -> Received<'_> {
    let Datagram { target, protocol, source, destination, contents } = datagram;
    let (target, protocol) = (*target, *protocol);
    Received { target, protocol, source: *source, destination: *destination, contents }
}

fn music() -> TrackConfig {
    TrackConfig {
        name: "music".to_owned(),
        source: Source::Microphone,
        encrypted: true,
        stereo: true,
        muted: false,
    }
}

pub(super) fn server_peer(address: SocketAddr, now: Instant) -> Result<Rtc> {
    let mut rtc = Rtc::builder().clear_codecs().enable_opus(true, false).build(now);
    rtc.add_local_candidate(Candidate::host(address, "udp")?);
    Ok(rtc)
}

/// Takes over all that a peer connection of the server has to say.
fn drain(rtc: &mut Rtc, target: Target, mut send: impl FnMut(Datagram)) -> Result<Instant> {
    loop {
        match rtc.poll_output()? {
            RtcOutput::Timeout(at) => return Ok(at),
            RtcOutput::Transmit(out) => {
                let (source, destination) = (out.source, out.destination);
                let contents = out.contents.to_vec();
                let protocol = Protocol::Udp;
                send(Datagram { target, protocol, source, destination, contents });
            }
            RtcOutput::Event(_) => {}
        }
    }
}

fn described(kind: &str, sdp: String, id: u32) -> proto::SessionDescription {
    let r#type = kind.to_owned();
    proto::SessionDescription { r#type, sdp, id, ..proto::SessionDescription::default() }
}
