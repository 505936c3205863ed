//! Images that a room can be shown.

/// An image to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The encoded image.
    pub data: Vec<u8>,
    /// Its media type and that of its thumbnail, `image/jpeg`.
    pub media_type: String,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
    /// What is shown while it loads (MSC2448).
    pub blurhash: Option<String>,
    /// A smaller one of the same.
    pub thumbnail: Option<Thumbnail>,
}

/// A smaller image, of the same media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// The encoded image.
    pub data: Vec<u8>,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}
