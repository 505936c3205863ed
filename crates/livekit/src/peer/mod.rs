//! One of the two peer connections, on str0m.
//!
//! The *publisher* carries our tracks and we make its offers; the *subscriber* carries those of
//! others and the server makes them. Each needs addresses of its own: the server tells the two apart
//! by where their packets come from.

mod offer;
mod receiving;
pub(crate) mod sdp;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::ChannelId,
    format::{Codec, PayloadParams},
    media::{KeyframeRequestKind, Mid, Pt},
    net::{Protocol, Receive, TcpType, Transmit},
    rtp::{Extension, ExtensionMap, ExtensionValues, RtpWrite, SeqNo},
};

pub(crate) use self::offer::Changes;
use self::{
    offer::add_channels,
    receiving::{packet, receiving, report},
};
use crate::{
    Received, Reliability,
    receive::{Packet, Report},
    track::Level,
};

/// Up to how many bytes our packets are, without IP and UDP.
const MTU: usize = 1400;
/// The longest frame that leaves in one packet of [`MTU`] bytes; every legal Opus packet stays whole: 1275
/// bytes and 30 of encryption.
pub(crate) const FRAME_MAX: usize = 1350;
/// How often we tell receivers what wall time an RTP time is. The server sends its own only after
/// our first, so the default of 5 s would leave them without for long.
const SENDER_REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Addresses of the server that are taken; more than a host has networks.
const ADDRESSES_MAX: usize = 64;
/// The longest of them, in bytes.
const ADDRESS_LEN_MAX: usize = 256;

/// The channels whose messages are packets of data.
const CHANNELS: [(&str, Reliability); 2] =
    [("_reliable", Reliability::Reliable), ("_lossy", Reliability::Lossy)];

/// Which of the two peer connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Ours, for what we send.
    Publisher,
    /// The server's, for what we receive.
    Subscriber,
}

/// What a peer connection says.
#[derive(Debug)]
pub(crate) enum PeerOutput {
    Transmit(Transmit),
    /// It is up for the first time, with encryption.
    Connected,
    /// Checks get through.
    PathUp,
    /// No check gets through any more.
    PathLost,
    /// The other side closed it.
    Closed,
    /// A packet of that stream.
    Packet(u32, Packet),
    /// A message from a data channel.
    Data(Reliability, Vec<u8>),
    /// A sender report of that stream.
    Report(u32, Report),
    Timeout(Instant),
}

/// What a description of the other side says of the way to it.
#[derive(Debug, Default)]
pub(crate) struct Described {
    /// It looks for ways anew.
    pub(crate) is_restart: bool,
    /// Where TCP can be dialled, as far as it is new.
    pub(crate) tcp: Vec<SocketAddr>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// There is no such channel, or not any more.
    NotOpen,
    /// As much as it takes is on its way.
    Full,
}

#[derive(Debug)]
pub(crate) struct Peer {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    has_channels: bool,
    /// The open ones of those that we know.
    channels: BTreeMap<Reliability, ChannelId>,
    /// Whether checks get through.
    is_up: bool,
    /// The server's addresses as it wrote them, since its side began anew.
    addresses: BTreeSet<String>,
    /// Those that came before the description.
    early: Vec<Candidate>,
    /// What the server signs its checks with.
    ufrag: Option<String>,
    has_remote: bool,
    /// The number of the next packet of each section. It goes on for as long as the section is there: SRTP
    /// must not meet one twice under a key (RFC 3711 §9.1).
    numbers: BTreeMap<Mid, SeqNo>,
}

impl Peer {
    pub(crate) fn new(target: Target, local: &[SocketAddr], now: Instant) -> Self {
        let config = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .set_mtu(MTU..=MTU)
            .set_rtcp_report_interval_audio(SENDER_REPORT_INTERVAL)
            // A frame of ours is a packet already, and what we receive is told apart by SSRC: the server reuses
            // a section for the next track, and str0m's frame buffer would then drop the newcomer's packets.
            .set_rtp_mode(true);
        let mut rtc = match target {
            Target::Publisher => config.set_extension_map(published_extensions()),
            Target::Subscriber => receiving(config),
        }
        .build(now);
        for address in local {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc,
            pending: None,
            has_channels: false,
            channels: BTreeMap::new(),
            is_up: false,
            addresses: BTreeSet::new(),
            ufrag: None,
            early: Vec::new(),
            has_remote: false,
            numbers: BTreeMap::new(),
        }
    }

    /// Begins an offer. The first has the data channels that every client opens.
    pub(crate) fn change(&mut self) -> Changes<'_> {
        let mut api = self.rtc.sdp_api();
        if !self.has_channels {
            add_channels(&mut api);
            self.has_channels = true;
        }
        Changes { api, pending: &mut self.pending }
    }

    /// Forgets an offer that will not be answered.
    pub(crate) fn drop_offer(&mut self) {
        self.pending = None;
    }

    /// Takes the server's answer to our offer. One to no offer is left alone.
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<Described, RtcError> {
        let Some(pending) = self.pending.take() else { return Ok(Described::default()) };
        let (sdp, addresses) = sdp::split_addresses(sdp);
        let answer = SdpAnswer::from_sdp_string(&sdp).map_err(RtcError::from)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        Ok(self.described(&sdp, &addresses))
    }

    /// Takes the server's offer and answers it.
    pub(crate) fn accept_offer(&mut self, sdp: &str) -> Result<(String, Described), RtcError> {
        let (sdp, addresses) = sdp::split_addresses(sdp);
        let offer = SdpOffer::from_sdp_string(&sdp).map_err(RtcError::from)?;
        let answer = self.rtc.sdp_api().accept_offer(offer)?;
        let described = self.described(&sdp, &addresses);
        Ok((sdp::receive_only(&answer.to_sdp_string()), described))
    }

    /// Takes over what a description of the other side says of the way to it.
    fn described(&mut self, sdp: &str, addresses: &[&str]) -> Described {
        let ufrag = sdp::ufrag(sdp).map(str::to_owned);
        let is_restart = self.ufrag.is_some() && self.ufrag != ufrag;
        if is_restart {
            // str0m has forgotten them too.
            self.addresses.clear();
        }
        self.ufrag = ufrag;
        self.has_remote = true;
        for candidate in std::mem::take(&mut self.early) {
            self.rtc.add_remote_candidate(candidate);
        }
        let tcp = addresses.iter().filter_map(|address| self.add_candidate(address)).collect();
        Described { is_restart, tcp }
    }

    /// Has what is missing of a stream asked for again. It must be said after each offer.
    pub(crate) fn ask_again(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.suppress_nack(false);
        }
    }

    /// Forgets a stream that no section has any more.
    pub(crate) fn forget(&mut self, ssrc: u32) {
        self.rtc.direct_api().remove_stream_rx(ssrc.into());
    }

    /// Asks for a key frame of a stream (PLI).
    pub(crate) fn request_key_frame(&mut self, ssrc: u32) {
        if let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc.into()) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Whether checks get through.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    /// Whether the other side has described itself.
    pub(crate) fn has_remote(&self) -> bool {
        self.has_remote
    }

    /// Takes over our end of a TCP connection.
    pub(crate) fn add_tcp(&mut self, local: SocketAddr) {
        if let Some(candidate) = active_tcp(local) {
            self.rtc.add_local_candidate(candidate);
        }
    }

    /// Takes over that a TCP connection has ended.
    pub(crate) fn remove_tcp(&mut self, local: SocketAddr) {
        if let Some(candidate) = active_tcp(local) {
            self.rtc.direct_api().invalidate_candidate(&candidate);
        }
    }

    /// Takes one of the server's addresses; which one, if TCP can be dialled there.
    pub(crate) fn add_candidate(&mut self, candidate: &str) -> Option<SocketAddr> {
        let is_known = self.addresses.contains(candidate);
        if is_known || self.addresses.len() == ADDRESSES_MAX || candidate.len() > ADDRESS_LEN_MAX {
            return None;
        }
        self.addresses.insert(candidate.to_owned());
        let Ok(candidate) = Candidate::from_sdp_string(candidate) else {
            tracing::debug!("an address of the SFU cannot be read");
            return None;
        };
        let tcp = sdp::passive_tcp(&candidate);
        if self.has_remote {
            self.rtc.add_remote_candidate(candidate);
        } else {
            self.early.push(candidate);
        }
        tcp
    }

    #[cfg(test)]
    pub(crate) fn remote_addresses(&self) -> usize {
        self.addresses.len()
    }

    /// The payload type of Opus that was agreed on for that section.
    pub(crate) fn opus(&self, mid: Mid) -> Option<Pt> {
        let agreed = self.rtc.media(mid)?.remote_pts();
        let params = self.rtc.codec_config().params().iter();
        let mut opus = params.filter(|params| params.spec().codec == Codec::Opus);
        opus.find(|params| agreed.contains(&params.pt())).map(PayloadParams::pt)
    }

    /// Takes one frame as a packet (RFC 7587 §4.2); it leaves with the output that follows the next timeout.
    /// `false` if there is no such section, or not any more.
    pub(crate) fn write(
        &mut self,
        (mid, payload_type): (Mid, Pt),
        frame: &[u8],
        units: u64,
        level: Level,
        now: Instant,
    ) -> bool {
        if !self.rtc.is_alive() {
            return false;
        }
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return false };
        let (level, voice) = level.extension();
        let extensions = ExtensionValues {
            audio_level: Some(level),
            voice_activity: Some(voice),
            ..ExtensionValues::default()
        };
        let number = self.numbers.entry(mid).or_default().inc();
        // The time on the wire is the low 32 bits.
        let packet = RtpWrite::new(payload_type, number, units as u32, now, frame);
        stream.write_rtp(packet.ext_vals(extensions));
        true
    }

    /// Sends a message over a data channel.
    pub(crate) fn write_data(
        &mut self,
        reliability: Reliability,
        message: &[u8],
    ) -> Result<(), WriteError> {
        let id = self.channels.get(&reliability).ok_or(WriteError::NotOpen)?;
        let mut channel = self.rtc.channel(*id).ok_or(WriteError::NotOpen)?;
        match channel.write(true, message) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WriteError::Full),
            Err(error) => {
                tracing::debug!(%error, "a data channel refused a message");
                Err(WriteError::NotOpen)
            }
        }
    }

    /// Takes a datagram; `false` if it is not from the other side. Anybody can send us anything.
    pub(crate) fn handle_datagram(
        &mut self,
        datagram: &Received<'_>,
        now: Instant,
    ) -> Result<bool, RtcError> {
        // What is neither STUN, DTLS, RTP nor RTCP is nobody's business here.
        let Ok(contents) = datagram.contents.try_into() else { return Ok(false) };
        let proto = match datagram.protocol {
            crate::Protocol::Udp => Protocol::Udp,
            crate::Protocol::Tcp => Protocol::Tcp,
        };
        let Received { source, destination, .. } = *datagram;
        let receive = Receive { proto, source, destination, contents };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return Ok(false);
        }
        self.rtc.handle_input(input).map(|()| true)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), RtcError> {
        self.rtc.handle_input(Input::Timeout(now))
    }

    /// The next output; to be drained until it is a timeout, after each input.
    pub(crate) fn poll_output(&mut self) -> Result<PeerOutput, RtcError> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(PeerOutput::Timeout(at)),
                Output::Transmit(transmit) => return Ok(PeerOutput::Transmit(transmit)),
                Output::Event(Event::Connected) => return Ok(PeerOutput::Connected),
                Output::Event(Event::IceConnectionStateChange(state)) => {
                    let was_up = std::mem::replace(&mut self.is_up, state.is_connected());
                    match state {
                        _ if self.is_up && !was_up => return Ok(PeerOutput::PathUp),
                        IceConnectionState::Disconnected => return Ok(PeerOutput::PathLost),
                        _ => {}
                    }
                }
                Output::Event(Event::ChannelOpen(id, label)) => {
                    let known = CHANNELS.iter().find(|(known, _)| *known == label);
                    self.channels.extend(known.map(|(_, reliability)| (*reliability, id)));
                }
                Output::Event(Event::ChannelClose(id)) => {
                    self.channels.retain(|_, known| *known != id);
                }
                Output::Event(Event::ChannelData(data)) => {
                    let mut channels = self.channels.iter();
                    if let Some((reliability, _)) = channels.find(|(_, id)| **id == data.id) {
                        return Ok(PeerOutput::Data(*reliability, data.data));
                    }
                }
                Output::Event(Event::Closed) => return Ok(PeerOutput::Closed),
                Output::Event(Event::RtpPacket(got)) => {
                    let (ssrc, packet) = packet(&got);
                    return Ok(PeerOutput::Packet(ssrc, packet));
                }
                Output::Event(Event::SenderFeedback(feedback)) => {
                    let (ssrc, report) = report(&feedback);
                    return Ok(PeerOutput::Report(ssrc, report));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Says goodbye to the other side.
    pub(crate) fn close(&mut self) {
        if let Err(error) = self.rtc.close() {
            tracing::debug!(%error, "a peer connection did not close cleanly");
        }
    }
}

/// What goes along with our packets. livekit-server 1.13.5 leaves no more of an offer of sound; one that
/// took transport-wide sequence numbers would report on them ten times a second, and nobody here
/// estimates a bandwidth.
fn published_extensions() -> ExtensionMap {
    let mut extensions = ExtensionMap::empty();
    extensions.set(1, Extension::AudioLevel);
    extensions.set(4, Extension::RtpMid);
    extensions
}

/// Our end of a TCP connection as an address for checks.
fn active_tcp(local: SocketAddr) -> Option<Candidate> {
    Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build().ok()
}
