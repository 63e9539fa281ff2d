//! Good files of every format, and the files that strangers send.

use std::io::Write;

use fondue_domain::{Classify, Fault};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use super::*;

const LIMITS: ImageLimits = ImageLimits { max_pixels: 1_000_000, max_bytes: 1 << 20 };

fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 20) as u8, (y * 20) as u8, 90]))
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG of `chunks` (kind, content) with right checksums.
fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in chunks {
        bytes.extend((content.len() as u32).to_be_bytes());
        let body = [kind.as_slice(), content].concat();
        bytes.extend(&body);
        let mut crc = u32::MAX;
        for byte in body {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        bytes.extend((!crc).to_be_bytes());
    }
    bytes
}

fn header(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat()
}

/// A zlib stream that stores `raw` uncompressed.
fn stored(raw: &[u8]) -> Vec<u8> {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in raw {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let length = raw.len() as u16;
    let mut bytes = vec![0x78, 0x01, 0x01];
    bytes.write_all(&length.to_le_bytes()).unwrap();
    bytes.write_all(&(!length).to_le_bytes()).unwrap();
    bytes.extend(raw);
    bytes.extend(((b << 16) | a).to_be_bytes());
    bytes
}

#[test]
fn decodes_every_format_by_its_content() {
    let source = DynamicImage::from(picture(6, 4));
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff]
    {
        let image = decode(&encode(&source, format), &LIMITS).unwrap();
        assert_eq!((image.width(), image.height()), (6, 4), "{format:?}");
        let gap = image.to_rgb8().iter().zip(source.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(gap.unwrap() <= 8, "{format:?}: {gap:?}"); // GIF has a palette
    }
    let flat = DynamicImage::from(RgbImage::from_pixel(16, 8, Rgb([200, 100, 50])));
    let image = decode(&encode(&flat, ImageFormat::Jpeg), &LIMITS).unwrap().to_rgb8();
    assert!(image.get_pixel(3, 3).0.iter().zip([200u8, 100, 50]).all(|(a, b)| a.abs_diff(b) < 8));
}

#[test]
fn decodes_grey_alpha_deep_and_palette() {
    let grey = decode(&png_of(&[7, 9], 2, 1, ExtendedColorType::L8), &LIMITS).unwrap();
    assert_eq!(grey.to_rgb8().as_raw(), &[7, 7, 7, 9, 9, 9]);
    let alpha = decode(&png_of(&[1, 2, 3, 0], 1, 1, ExtendedColorType::Rgba8), &LIMITS).unwrap();
    assert_eq!(alpha.to_rgb8().as_raw(), &[1, 2, 3]);
    let deep = [0xFFFFu16, 0x0000].iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<_>>();
    let deep = decode(&png_of(&deep, 2, 1, ExtendedColorType::L16), &LIMITS).unwrap();
    assert_eq!(deep.to_rgb8().as_raw(), &[255, 255, 255, 0, 0, 0]);
    // Two pixels of one bit each, colours from a palette.
    let palette = png(&[
        (b"IHDR", &header(2, 1, 1, 3)),
        (b"PLTE", &[10, 20, 30, 40, 50, 60]),
        (b"IDAT", &stored(&[0, 0b0100_0000])),
        (b"IEND", &[]),
    ]);
    assert_eq!(decode(&palette, &LIMITS).unwrap().to_rgb8().as_raw(), &[10, 20, 30, 40, 50, 60]);
}

fn png_of(raw: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes).write_image(raw, width, height, color).unwrap();
    bytes
}

#[test]
fn takes_the_first_frame_of_an_animation() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for color in [[250, 0, 0], [0, 0, 250]] {
        let frame = DynamicImage::from(RgbImage::from_pixel(4, 4, Rgb(color))).to_rgba8();
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    assert_eq!(decode(&bytes, &LIMITS).unwrap().to_rgb8().get_pixel(1, 1).0, [250, 0, 0]);
}

#[test]
fn applies_the_exif_orientation() {
    // A TIFF structure with one entry: tag 0x0112 (orientation), type short, one value: 6, turn right to view.
    let exif = [
        &b"II\x2A\x00\x08\x00\x00\x00"[..],
        &[1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0],
        &[0, 0, 0, 0],
    ]
    .concat();
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    let wide = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 250 } else { 5 }; 3]));
    encoder.write_image(&wide, 16, 8, ExtendedColorType::Rgb8).unwrap();
    let image = decode(&bytes, &LIMITS).unwrap().to_rgb8();
    assert_eq!(image.dimensions(), (8, 16));
    // The bright left half is on top now.
    assert!(image.get_pixel(4, 1)[0] > 200 && image.get_pixel(4, 14)[0] < 50);
}

#[test]
fn a_lying_header_costs_nothing() {
    for (width, height) in [(30_000, 30_000), (u32::MAX >> 1, u32::MAX >> 1), (1_000_001, 1)] {
        let bytes = png(&[(b"IHDR", &header(width, height, 8, 2)), (b"IDAT", &stored(&[0])), (b"IEND", &[])]);
        let error = decode(&bytes, &LIMITS).unwrap_err();
        assert!(
            matches!(error, ImagingError::TooManyPixels { max: 1_000_000, .. } | ImagingError::Decode { .. }),
            "{error}"
        );
        assert_eq!(error.fault(), Fault::Invalid);
    }
    let allowed = png(&[(b"IHDR", &header(900, 900, 8, 2)), (b"IDAT", &stored(&[0])), (b"IEND", &[])]);
    assert!(matches!(decode(&allowed, &LIMITS), Err(ImagingError::Decode { format: "PNG", .. })));
}

#[test]
fn the_limit_and_the_size_are_in_the_message() {
    let bytes = encode(&picture(11, 10).into(), ImageFormat::Png);
    let tight = ImageLimits { max_pixels: 109, ..LIMITS };
    let message = decode(&bytes, &tight).unwrap_err().to_string();
    assert!(message.contains("11 x 10") && message.contains("109"), "{message}");
    assert!(decode(&bytes, &ImageLimits { max_pixels: 110, ..LIMITS }).is_ok());
    let error = decode(&bytes, &ImageLimits { max_bytes: bytes.len() - 1, ..LIMITS }).unwrap_err();
    assert_eq!(error.fault(), Fault::TooLarge);
}

#[test]
fn broken_files_are_errors_never_panics() {
    assert!(matches!(decode(&[], &LIMITS), Err(ImagingError::Empty)));
    assert!(matches!(decode(b"hello, world", &LIMITS), Err(ImagingError::UnknownFormat { bytes: 12 })));
    assert!(matches!(decode(b"%PDF-1.7 ..", &LIMITS), Err(ImagingError::UnknownFormat { .. })));
    let source = DynamicImage::from(picture(30, 20));
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let whole = encode(&source, format);
        for length in 1..whole.len() {
            // Some formats can show a torn picture; what matters is an answer without a panic.
            let _ = decode(&whole[..length], &LIMITS);
        }
        assert!(decode(&whole[..whole.len() / 4], &LIMITS).is_err(), "{format:?}");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x5A;
            let _ = decode(&flipped, &LIMITS);
        }
    }
    let half = encode(&source, ImageFormat::Png);
    assert!(matches!(decode(&half[..half.len() / 2], &LIMITS), Err(ImagingError::Decode { .. })));
}

#[test]
fn a_thread_of_pixels_is_refused_by_its_header() {
    let encode = |width, height| {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_luma8(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let limits = ImageLimits { max_pixels: 40_000_000, max_bytes: 1 << 20 };
    assert!(decode(&encode(1, MAX_SIDE), &limits).is_ok());
    for (width, height) in [(1, MAX_SIDE + 1), (MAX_SIDE + 1, 1)] {
        let error = decode(&encode(width, height), &limits).unwrap_err();
        assert!(matches!(error, ImagingError::TooLong { .. }), "{error}");
    }
}

/// A TIFF of two pixels, the palette's entries 1 and 255, whose numbers are written by `short` and `long`.
fn palette_tiff(mark: &[u8], short: fn(u16) -> [u8; 2], long: fn(u32) -> [u8; 4], bits: u16) -> Vec<u8> {
    let entries: [(u16, u32, u32); 9] = [
        (256, 1, 2),           // columns
        (257, 1, 1),           // rows
        (258, 1, bits.into()), // bits of a sample
        (259, 1, 1),           // not compressed
        (262, 1, 3),           // a palette
        (273, 1, 8),           // where the pixels are
        (278, 1, 1),           // rows of a strip
        (279, 1, 2),           // bytes of a strip
        (320, 768, 10),        // where the palette is
    ];
    let mut bytes = [mark, &long(10 + 2 * 768), &[1, 255]].concat();
    bytes.extend((0..768u16).flat_map(|n| short((n % 256) << 8 | n >> 8)));
    bytes.extend(short(entries.len() as u16));
    for (tag, count, value) in entries {
        bytes.extend([short(tag), short(3)].concat());
        bytes.extend(long(count));
        bytes.extend(if count == 1 { [short(value as u16), [0; 2]].concat() } else { long(value).to_vec() });
    }
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn palettes_of_tiff_are_read_in_either_order_of_bytes() {
    let files = [
        palette_tiff(b"II*\0", u16::to_le_bytes, u32::to_le_bytes, 8),
        palette_tiff(b"MM\0*", u16::to_be_bytes, u32::to_be_bytes, 8),
    ];
    for file in files {
        assert_eq!(decode(&file, &LIMITS).unwrap().to_rgb8().as_raw(), &[1, 1, 1, 255, 255, 255]);
        for length in 0..file.len() {
            let _ = decode(&file[..length], &LIMITS);
        }
        // A palette that lies outside of the file.
        let short = [&file[..4], &file[10 + 2 * 768..]].concat();
        assert!(decode(&short, &LIMITS).is_err());
    }
    let nibbles = palette_tiff(b"II*\0", u16::to_le_bytes, u32::to_le_bytes, 4);
    assert!(matches!(decode(&nibbles, &LIMITS), Err(ImagingError::Decode { format: "TIFF", .. })));
}
