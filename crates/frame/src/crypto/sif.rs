//! Server-injected frames: silence and black that the SFU makes around mute, unmute and the end of
//! a track.
//!
//! They end with a trailer that the server announces when we join, and are neither encrypted nor
//! authenticated: whoever runs the server can write them. So they are recognised and replaced by
//! silence, and their content is never used.

/// The bytes that end a server-injected frame (livekit-server 1.13.5: 43 letters and digits).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SifTrailer(Vec<u8>);

impl SifTrailer {
    /// The trailer from the join response; an empty one matches nothing.
    pub fn new(trailer: impl Into<Vec<u8>>) -> Self {
        Self(trailer.into())
    }

    /// Whether the server made this frame. To be asked before a key is looked for.
    pub fn ends(&self, frame: &[u8]) -> bool {
        !self.0.is_empty() && frame.ends_with(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_server_is_recognised() {
        let trailer = SifTrailer::new(*b"trailer");
        assert!(trailer.ends(b"\xf8\xff\xfetrailer"));
        assert!(!trailer.ends(b"\xf8\xff\xfe"));
    }

    #[test]
    fn an_empty_trailer_matches_nothing() {
        assert!(!SifTrailer::default().ends(b"anything"));
    }
}
