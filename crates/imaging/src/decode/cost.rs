//! What decoding a picture will hold in memory, told from its header, so that callers can bound the sum.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};

use super::{ImageLimits, check, name, readable, tiff};
use crate::jpeg::{Frame, frame};

/// Bytes that decoding and resizing a file hold at their height, beside the file and the result: by its header, generous,
/// the same for both behaviours. 0 for what [`decode`](super::decode) refuses by its header.
pub fn decoded_bytes(bytes: &[u8], limits: &ImageLimits) -> u64 {
    if bytes.len() > limits.max_bytes {
        return 0;
    }
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg(bytes, limits),
        Ok(format) if name(format).is_some() => other(bytes, format, limits),
        _ => None,
    }
    .unwrap_or(0)
}

fn jpeg(bytes: &[u8], limits: &ImageLimits) -> Option<u64> {
    let Frame { width, height, components, progressive } = frame(bytes)?;
    check((width, height), limits).ok()?;
    // The samples and their turned copy; before them, progressive files' coefficients of 16 bits.
    let each = if progressive { 4 } else { 2 };
    Some(u64::from(width) * u64::from(height) * u64::from(components) * each)
}

fn other(bytes: &[u8], format: ImageFormat, limits: &ImageLimits) -> Option<u64> {
    let palette = if format == ImageFormat::Tiff { tiff::Palette::find(bytes) } else { None };
    let readable = readable(bytes, format, palette.as_ref());
    let decoder = ImageReader::with_format(Cursor::new(&*readable), format).into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    check((width, height), limits).ok()?;
    // The decoder's copy, the picture and its turned copy or its RGB.
    Some(decoder.total_bytes() * 2 + u64::from(width) * u64::from(height) * RGB)
}

/// Bytes of a pixel as RGB.
const RGB: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    const LIMITS: ImageLimits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };

    fn file(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    #[test]
    fn every_picture_that_can_be_decoded_costs_at_least_itself() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).unwrap();
        let files = folder.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        let mut n = 0;
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            let Ok(picture) = decode(&bytes, &LIMITS) else { continue };
            let (cost, size) = (decoded_bytes(&bytes, &LIMITS), picture.as_bytes().len() as u64);
            assert!(cost >= size && cost <= 16 * size, "{}: {cost} for {size}", path.display());
            n += 1;
        }
        assert!(n > 30, "{n}");
    }

    #[test]
    fn progressive_files_cost_their_coefficients_too() {
        let cost = |name| decoded_bytes(&file(name), &LIMITS);
        assert_eq!(cost("420_progressive.jpg"), 2 * cost("420.jpg"));
    }

    #[test]
    fn what_is_refused_by_its_header_costs_nothing() {
        let bytes = file("420.jpg");
        let picture = decode(&bytes, &LIMITS).unwrap();
        let pixels = u64::from(picture.width()) * u64::from(picture.height());
        for (max_pixels, max_bytes, costs) in
            [(pixels, bytes.len(), true), (pixels - 1, bytes.len(), false), (pixels, bytes.len() - 1, false)]
        {
            assert_eq!(decoded_bytes(&bytes, &ImageLimits { max_pixels, max_bytes }) > 0, costs);
        }
        for bytes in [&b""[..], b"GIF89a", b"\xff\xd8\xff", b"nothing", &bytes[..30]] {
            assert_eq!(decoded_bytes(bytes, &LIMITS), 0);
        }
    }
}
