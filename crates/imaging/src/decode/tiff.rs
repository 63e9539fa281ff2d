//! TIFF files with a palette, which the decoder of `image` refuses: read as the greys that their indices make, whose colours
//! are looked up afterwards. Of 8 bits only, as programs write them.

use image::{DynamicImage, RgbImage};

/// Tags of a TIFF directory.
const BITS: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const COLOURS: u16 = 320;
/// Values of [`PHOTOMETRIC`].
const GREY: u16 = 1;
const PALETTE: u16 = 3;
/// The type of a field: unsigned, 16 bits.
const SHORT: u16 = 3;
/// Bytes of a directory's entry.
const ENTRY: usize = 12;

/// A file's palette.
pub(super) struct Palette {
    /// The file, which says now that its indices are greys.
    pub(super) greys: Vec<u8>,
    colours: Vec<[u8; 3]>,
}

impl Palette {
    /// None if the file has none, or is not to be understood: the decoder will say why.
    pub(super) fn find(bytes: &[u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        let short = |at: usize| {
            let digits = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
            Some(if little { u16::from_le_bytes(digits) } else { u16::from_be_bytes(digits) })
        };
        let long = |at: usize| {
            let digits = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
            Some(if little { u32::from_le_bytes(digits) } else { u32::from_be_bytes(digits) } as usize)
        };
        let directory = long(4)?;
        let first = directory.checked_add(2)?;
        let entry = |tag: u16| {
            let mut places = (0..usize::from(short(directory)?)).map(|n| first.saturating_add(n * ENTRY));
            places.find(|&at| short(at) == Some(tag) && short(at.saturating_add(2)) == Some(SHORT))
        };
        let photometric = entry(PHOTOMETRIC)? + 8;
        if short(photometric) != Some(PALETTE) || short(entry(BITS)? + 8) != Some(8) {
            return None;
        }
        let table = long(entry(COLOURS)? + 8)?;
        // All reds, all greens, all blues; of their 16 bits the high 8, as Pillow takes.
        let high = |n: usize| Some((short(table.checked_add(2 * n)?)? >> 8) as u8);
        let colours =
            (0..256).map(|n| Some([high(n)?, high(n + 256)?, high(n + 512)?])).collect::<Option<_>>()?;
        let mut greys = bytes.to_vec();
        let grey = if little { GREY.to_le_bytes() } else { GREY.to_be_bytes() };
        greys.get_mut(photometric..photometric + 2)?.copy_from_slice(&grey);
        Some(Self { greys, colours })
    }

    /// The colours of the greys.
    pub(super) fn colour(&self, image: DynamicImage) -> DynamicImage {
        let DynamicImage::ImageLuma8(greys) = &image else { return image };
        let samples = greys.iter().flat_map(|&index| self.colours[usize::from(index)]).collect();
        RgbImage::from_raw(greys.width(), greys.height(), samples).map_or(image, DynamicImage::from)
    }
}
