//! From a cover to a picture that a room can be shown: small, with a thumbnail and a blurhash.
//!
//! Covers come out of strangers' files. The header is looked at before anything is decoded, the
//! decoder's memory is limited, and what comes out is encoded anew, so that nothing of the original
//! is passed on but what can be seen. All of it blocks: about 50 ms for a large cover.

use std::io::Cursor;

use ::image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits,
    Rgb, RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType,
};

/// The largest cover that is looked at, in bytes.
const COVER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest side that is decoded, in pixels.
const COVER_SIDE_MAX: u32 = 4096;
/// What decoding may take: 4096 × 4096 pixels of 16 bits in four channels, once over.
const DECODE_BYTES_MAX: u64 = 192 * 1024 * 1024;
/// The longest side of what is sent, in pixels: twice what Element Web gives a picture in a room.
const SIDE_MAX: u32 = 640;
/// The longest side of the thumbnail, in pixels.
const THUMBNAIL_SIDE_MAX: u32 = 160;
/// JPEG quality, of 100: no artefact is seen at this size.
const QUALITY: u8 = 85;
/// The blurhash's components in each direction, of 9; MSC2448 has 4 × 3 as its example.
const BLURHASH_COMPONENTS: (u32, u32) = (4, 3);
/// The side that the blurhash is taken of: it holds no more than four waves.
const BLURHASH_SIDE: u32 = 32;

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

/// Why a cover is not shown. Nothing helps but another cover.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It is longer than 16 MiB.
    #[error("the cover has {0} bytes, more than {COVER_BYTES_MAX}")]
    TooLong(usize),
    /// It has more pixels than we decode, by its header.
    #[error("the cover has {width} × {height} pixels, more than {COVER_SIDE_MAX} on a side")]
    TooLarge {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// It is neither JPEG nor PNG, by its first bytes.
    #[error("the cover is neither JPEG nor PNG")]
    Format,
    /// It is broken, or would take more memory than we allow.
    #[error("the cover cannot be decoded")]
    Broken(#[source] ::image::ImageError),
    /// What was decoded could not be encoded again.
    #[error("the cover cannot be encoded")]
    Encode(#[source] ::image::ImageError),
}

impl Image {
    /// Makes a JPEG of at most 640 pixels a side of a cover (JPEG or PNG, by its content), with a
    /// thumbnail of 160 and a blurhash. What is transparent becomes white. It blocks.
    ///
    /// # Errors
    /// [`ImageError`], before anything is decoded where the header tells.
    pub fn from_cover(cover: &[u8]) -> Result<Self, ImageError> {
        let image = upright(cover)?;
        let image = shrunk(&image, SIDE_MAX);
        let thumbnail = shrunk(&image, THUMBNAIL_SIDE_MAX);
        Ok(Self {
            data: encoded(&image)?,
            media_type: "image/jpeg".to_owned(),
            width: image.width(),
            height: image.height(),
            blurhash: blurhash(&thumbnail),
            thumbnail: Some(Thumbnail {
                data: encoded(&thumbnail)?,
                width: thumbnail.width(),
                height: thumbnail.height(),
            }),
        })
    }
}

/// Decodes within the limits, and turns it as its Exif data say.
fn upright(cover: &[u8]) -> Result<DynamicImage, ImageError> {
    if cover.len() > COVER_BYTES_MAX {
        return Err(ImageError::TooLong(cover.len()));
    }
    let format = ::image::guess_format(cover).map_err(|_unknown| ImageError::Format)?;
    if !matches!(format, ImageFormat::Jpeg | ImageFormat::Png) {
        return Err(ImageError::Format);
    }
    let mut reader = ImageReader::with_format(Cursor::new(cover), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(ImageError::Broken)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > COVER_SIDE_MAX {
        return Err(ImageError::TooLarge { width, height });
    }
    let orientation = decoder.orientation().map_err(ImageError::Broken)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(ImageError::Broken)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    limits
}

/// Scales down to that longest side; never up.
fn shrunk(image: &DynamicImage, side: u32) -> DynamicImage {
    if image.width().max(image.height()) <= side {
        return image.clone();
    }
    image.resize(side, side, FilterType::Triangle)
}

fn encoded(image: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    let rgb = on_white(image);
    let mut data = Vec::new();
    JpegEncoder::new_with_quality(&mut data, QUALITY)
        .write_image(&rgb, rgb.width(), rgb.height(), ExtendedColorType::Rgb8)
        .map_err(ImageError::Encode)?;
    Ok(data)
}

/// JPEG knows no transparency.
fn on_white(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let rgba = image.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let blend = |part: u8| {
            let (part, alpha) = (u16::from(part), u16::from(alpha));
            ((part * alpha + 255 * (255 - alpha)) / 255) as u8
        };
        Rgb([blend(red), blend(green), blend(blue)])
    })
}

fn blurhash(image: &DynamicImage) -> Option<String> {
    let small = DynamicImage::from(on_white(image)).thumbnail_exact(BLURHASH_SIDE, BLURHASH_SIDE);
    let (across, down) = BLURHASH_COMPONENTS;
    blurhash::encode(across, down, BLURHASH_SIDE, BLURHASH_SIDE, &small.to_rgba8()).ok()
}

#[cfg(test)]
mod tests {
    use ::image::{Rgba, RgbaImage};

    use super::*;

    fn png(image: &DynamicImage) -> Vec<u8> {
        let mut data = Cursor::new(Vec::new());
        image.write_to(&mut data, ImageFormat::Png).unwrap();
        data.into_inner()
    }

    fn plain(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_pixel(width, height, Rgb([200, 30, 30])).into()
    }

    /// The signature and the header of a PNG of that size: what a decoder sees first.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut data = png(&plain(1, 1));
        data[16..20].copy_from_slice(&width.to_be_bytes());
        data[20..24].copy_from_slice(&height.to_be_bytes());
        // IHDR: its checksum covers type and content.
        let checksum = crc32(&data[12..29]).to_be_bytes();
        data[29..33].copy_from_slice(&checksum);
        data
    }

    fn crc32(data: &[u8]) -> u32 {
        !data.iter().fold(u32::MAX, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte), |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
            })
        })
    }

    fn size_of(data: &[u8]) -> (u32, u32) {
        let image = ::image::load_from_memory_with_format(data, ImageFormat::Jpeg).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn a_cover_becomes_a_small_jpeg_with_a_thumbnail_of_the_same_shape() {
        let image = Image::from_cover(&png(&plain(1_000, 500))).unwrap();
        assert_eq!((image.width, image.height), (640, 320));
        assert_eq!(size_of(&image.data), (640, 320));
        let thumbnail = image.thumbnail.unwrap();
        assert_eq!((thumbnail.width, thumbnail.height), (160, 80));
        assert_eq!(size_of(&thumbnail.data), (160, 80));
    }

    #[test]
    fn a_small_cover_stays_as_large_as_it_is() {
        let image = Image::from_cover(&png(&plain(100, 90))).unwrap();
        assert_eq!((image.width, image.height), (100, 90));
    }

    #[test]
    fn a_jpeg_is_taken_too() {
        let jpeg = encoded(&plain(700, 700)).unwrap();
        assert_eq!(Image::from_cover(&jpeg).unwrap().width, 640);
    }

    #[test]
    fn what_is_transparent_becomes_white() {
        let clear = RgbaImage::from_pixel(20, 20, Rgba([0, 0, 0, 0]));
        let image = Image::from_cover(&png(&clear.into())).unwrap();
        let decoded = ::image::load_from_memory(&image.data).unwrap().to_rgb8();
        assert!(decoded.pixels().all(|pixel| pixel.0.iter().all(|&part| part > 250)));
    }

    #[test]
    fn the_blurhash_has_the_colour_of_the_cover() {
        let hash = Image::from_cover(&png(&plain(64, 64))).unwrap().blurhash.unwrap();
        let pixels = blurhash::decode(&hash, 4, 4, 1.0).unwrap();
        for pixel in pixels.chunks_exact(4) {
            assert!(pixel[0] > 190 && pixel[1] < 45 && pixel[2] < 45, "{pixel:?}");
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let error = Image::from_cover(&png_header(50_000, 50_000)).unwrap_err();
        assert!(
            matches!(error, ImageError::TooLarge { width: 50_000, height: 50_000 }),
            "{error:?}"
        );
    }

    #[test]
    fn a_cover_beyond_the_limits_is_refused_and_one_at_the_limit_decoded() {
        let error = Image::from_cover(&vec![0; COVER_BYTES_MAX + 1]).unwrap_err();
        assert!(matches!(error, ImageError::TooLong(_)), "{error:?}");
        let error = Image::from_cover(&png(&plain(COVER_SIDE_MAX + 1, 1))).unwrap_err();
        assert!(matches!(error, ImageError::TooLarge { .. }), "{error:?}");
        assert_eq!(Image::from_cover(&png(&plain(COVER_SIDE_MAX, 64))).unwrap().width, 640);
    }

    #[test]
    fn other_formats_are_refused() {
        for data in [&b"GIF89a"[..], b"<svg/>", b""] {
            assert!(matches!(Image::from_cover(data).unwrap_err(), ImageError::Format));
        }
    }

    #[test]
    fn a_cover_that_is_cut_off_does_no_harm() {
        let whole = png(&plain(300, 300));
        for length in (8..whole.len()).step_by(37) {
            let error = Image::from_cover(&whole[..length]).err();
            assert!(matches!(error, None | Some(ImageError::Broken(_))), "{length}: {error:?}");
        }
    }
}
