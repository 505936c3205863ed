//! Our offers: what is added to one and taken out of it.

use str0m::{
    change::{SdpApi, SdpPendingOffer},
    channel::{ChannelConfig, Reliability as ChannelReliability},
    media::{Direction, MediaKind, Mid},
};

/// An offer in the making.
pub(crate) struct Changes<'a> {
    pub(super) api: SdpApi<'a>,
    pub(super) pending: &'a mut Option<SdpPendingOffer>,
}

impl Changes<'_> {
    /// Adds a section for a track of that id.
    pub(crate) fn add(&mut self, track: String) -> Mid {
        let stream = Some("phonograph".to_owned());
        self.api.add_media(MediaKind::Audio, Direction::SendOnly, stream, Some(track), None)
    }

    /// Has a section carry nothing any more.
    pub(crate) fn remove(&mut self, mid: Mid) {
        self.api.set_direction(mid, Direction::Inactive);
    }

    /// The offer; `None` if there is nothing to offer.
    pub(crate) fn offer(mut self, restart: bool) -> Option<String> {
        if restart {
            self.api.ice_restart(true);
        }
        let (offer, pending) = self.api.apply()?;
        *self.pending = Some(pending);
        Some(offer.to_sdp_string())
    }
}

/// The channels that every client opens. Servers up to 1.9.0 wait for them before they count a
/// participant as present.
pub(super) fn add_channels(changes: &mut SdpApi<'_>) {
    for (label, ordered) in [("_reliable", true), ("_lossy", false), ("_data_track", false)] {
        let reliability = if ordered {
            ChannelReliability::Reliable
        } else {
            ChannelReliability::MaxRetransmits { retransmits: 0 }
        };
        changes.add_channel_with_config(ChannelConfig {
            label: label.to_owned(),
            ordered,
            reliability,
            ..ChannelConfig::default()
        });
    }
}
