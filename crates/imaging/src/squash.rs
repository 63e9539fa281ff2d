//! Squashing as the reference does it: `resize` comes before the conversion to RGB, so that each kind of pixels is
//! resized in its own way. Only [`Compat::Reference`](crate::Compat) comes here.

use fast_image_resize::PixelType;
use image::DynamicImage;

use crate::{
    Compat, ImagingError,
    colour::{self, narrow, product},
    decode::{Picture, Pixels},
    resample::{Passes, Raster, Window, bicubic, nearest},
};

/// The whole picture in `side * side` RGB triples.
///
/// - Palettes and 1-bit pictures, and 16-bit greys of TIFF files: by nearest neighbour.
/// - With alpha: bicubic on colours multiplied with alpha, and divided again; alpha is dropped afterwards.
/// - 16-bit greys of PNG files: bicubic on 32 bits, then clipped to 0 … 255.
/// - CMYK: bicubic on the inks.
pub(crate) fn native(picture: &Picture, side: usize) -> Result<Vec<u8>, ImagingError> {
    let image = match &picture.pixels {
        Pixels::Plain(image) => image,
        Pixels::Inks { width, height, samples } => {
            let inks = resized((*width, *height), samples, PixelType::U8x4, u16::MAX, side)?;
            return Ok(colour::uninked(&inks));
        }
    };
    let size = (image.width(), image.height());
    Ok(match image {
        DynamicImage::ImageLuma16(grey) if picture.nearest => {
            clipped(nearest::<u16, 1>(size, grey.as_raw(), (side, side)).into_iter())
        }
        DynamicImage::ImageLuma16(grey) => {
            // Pillow holds them in 32 bits, which keep what the first pass overshoots.
            let deep: Vec<i32> = grey.as_raw().iter().map(|&value| value.into()).collect();
            let deep = resized(size, bytemuck::cast_slice(&deep), PixelType::I32, u16::MAX, side)?;
            let values = deep.as_chunks::<4>().0.iter().map(|&value| i32::from_ne_bytes(value));
            clipped(values.map(|value| value.clamp(0, u16::MAX.into()) as u16))
        }
        DynamicImage::ImageLumaA8(grey) if !picture.nearest => {
            let pixels = blended::<2>(size, grey.as_raw(), PixelType::U16x2, side)?;
            pixels.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect()
        }
        DynamicImage::ImageRgba8(rgba) if !picture.nearest => {
            let pixels = blended::<4>(size, rgba.as_raw(), PixelType::U16x4, side)?;
            pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
        }
        other => {
            let rgb = colour::rgb(other, Compat::Reference);
            if picture.nearest {
                nearest::<u8, 3>(size, rgb.as_raw(), (side, side))
            } else {
                resized(size, rgb.as_raw(), PixelType::U8x3, u16::MAX, side)?
            }
        }
    })
}

fn resized(
    (width, height): (u32, u32),
    bytes: &[u8],
    kind: PixelType,
    most: u16,
    side: usize,
) -> Result<Vec<u8>, ImagingError> {
    let window = Window { columns: 0..side, rows: 0..side };
    bicubic(Raster { width, height, bytes, kind, most }, (side, side), &window, Passes::RowsFirst)
}

fn clipped(deep: impl Iterator<Item = u16>) -> Vec<u8> {
    deep.flat_map(|value| [narrow(value, Compat::Reference); 3]).collect()
}

/// Resizes pixels whose last of `N` channels is alpha. They are held in the 16 bits of `kind` meanwhile, which filter more
/// exactly: where alpha is small, the division by it makes a level into many.
fn blended<const N: usize>(
    size: (u32, u32),
    samples: &[u8],
    kind: PixelType,
    side: usize,
) -> Result<Vec<u8>, ImagingError> {
    if (size.0 as usize, size.1 as usize) == (side, side) {
        return Ok(samples.to_vec()); // Pillow copies, without a way to premultiplied alpha and back
    }
    let mut pixels = samples.to_vec();
    for pixel in pixels.as_chunks_mut::<N>().0 {
        let alpha = pixel[N - 1];
        pixel[..N - 1].iter_mut().for_each(|value| *value = product(*value, alpha));
    }
    let deep: Vec<u16> = pixels.into_iter().map(u16::from).collect();
    let deep = resized(size, bytemuck::cast_slice(&deep), kind, u8::MAX.into(), side)?;
    let narrow = |&sample: &[u8; 2]| u16::from_ne_bytes(sample).min(u8::MAX.into()) as u8;
    let mut pixels: Vec<u8> = deep.as_chunks::<2>().0.iter().map(narrow).collect();
    for pixel in pixels.as_chunks_mut::<N>().0 {
        let alpha = u32::from(pixel[N - 1]);
        if alpha != 0 && alpha != 255 {
            pixel[..N - 1]
                .iter_mut()
                .for_each(|value| *value = (255 * u32::from(*value) / alpha).min(255) as u8);
        }
    }
    Ok(pixels)
}
