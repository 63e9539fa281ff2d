//! Squashing as the reference does it: `resize` comes before the conversion to RGB, so that each kind of pixels is
//! resized in its own way. Only [`Compat::Reference`](crate::Compat) comes here.

use image::DynamicImage;

use crate::Compat;
use crate::colour::{self, narrow, product};
use crate::decode::{Picture, Pixels};
use crate::resample::{Passes, Raster, Sample, Window, bicubic, multiplied, nearest, summed};

/// The whole picture in `side * side` RGB triples.
///
/// - Palettes and 1-bit pictures, and 16-bit greys of TIFF files: by nearest neighbour.
/// - With alpha: bicubic on colours multiplied with alpha, and divided again; alpha is dropped afterwards.
/// - 16-bit greys of PNG files: bicubic on 32 bits, which keep what the first pass overshoots, then clipped to 0 … 255.
/// - CMYK: bicubic on the inks.
pub(crate) fn native(picture: &Picture, side: usize) -> Vec<u8> {
    let image = match &picture.pixels {
        Pixels::Plain(image) => image,
        Pixels::Inks { width, height, samples } => {
            return colour::uninked(&resized::<u8, 4>((*width, *height), samples, side));
        }
    };
    let size = (image.width(), image.height());
    match image {
        DynamicImage::ImageLuma16(grey) if picture.nearest => {
            let near = nearest::<u16, 1>(raster(size, grey.as_raw()), (side, side), multiplied);
            clipped(near.into_iter())
        }
        DynamicImage::ImageLuma16(grey) => {
            let deep: Vec<i32> = grey.iter().map(|&value| i32::from(value)).collect();
            let deep = resized::<i32, 1>(size, &deep, side);
            clipped(deep.into_iter().map(|value| value.clamp(0, u16::MAX.into()) as u16))
        }
        DynamicImage::ImageLumaA8(grey) if !picture.nearest => {
            blended::<2>(size, grey.as_raw(), side).chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect()
        }
        DynamicImage::ImageRgba8(rgba) if !picture.nearest => blended::<4>(size, rgba.as_raw(), side)
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect(),
        other => {
            let rgb = colour::rgb(other, Compat::Reference);
            if picture.nearest {
                nearest::<u8, 3>(raster(size, rgb.as_raw()), (side, side), summed)
            } else {
                resized::<u8, 3>(size, rgb.as_raw(), side)
            }
        }
    }
}

fn raster<S>((width, height): (u32, u32), samples: &[S]) -> Raster<'_, S> {
    Raster { width: width as usize, height: height as usize, samples }
}

fn resized<S: Sample, const N: usize>(size: (u32, u32), samples: &[S], side: usize) -> Vec<S> {
    let window = Window { columns: 0..side, rows: 0..side };
    bicubic::<S, N>(raster(size, samples), (side, side), &window, Passes::RowsFirst)
}

fn clipped(deep: impl Iterator<Item = u16>) -> Vec<u8> {
    deep.flat_map(|value| [narrow(value, Compat::Reference); 3]).collect()
}

/// Resizes pixels whose last of `N` channels is alpha.
fn blended<const N: usize>(size: (u32, u32), samples: &[u8], side: usize) -> Vec<u8> {
    if (size.0 as usize, size.1 as usize) == (side, side) {
        return samples.to_vec(); // Pillow copies, without a way to premultiplied alpha and back
    }
    let mut pixels = samples.to_vec();
    for pixel in pixels.as_chunks_mut::<N>().0 {
        let alpha = pixel[N - 1];
        pixel[..N - 1].iter_mut().for_each(|value| *value = product(*value, alpha));
    }
    let mut pixels = resized::<u8, N>(size, &pixels, side);
    for pixel in pixels.as_chunks_mut::<N>().0 {
        let alpha = u32::from(pixel[N - 1]);
        if alpha != 0 && alpha != 255 {
            pixel[..N - 1]
                .iter_mut()
                .for_each(|value| *value = (255 * u32::from(*value) / alpha).min(255) as u8);
        }
    }
    pixels
}
