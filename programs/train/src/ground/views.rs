//! Augmented views of a picture: random sections, sizes, places and colours, which follow from a seed and the picture's name.

use fondue_imaging::DynamicImage;
use image::{Rgb, RgbImage};
use rand::{Rng, RngExt};

/// The picture itself for view 0; another view of it for any other.
pub(super) fn view(picture: &DynamicImage, n: usize, rng: &mut impl Rng) -> DynamicImage {
    if n == 0 {
        return picture.clone();
    }
    let rgb = picture.to_rgb8();
    let section = section(&rgb, rng);
    DynamicImage::ImageRgb8(coloured(section, rng))
}

/// A section of 70 to 120 % of the sides, anywhere that most of the picture is in it; what lies outside of the picture
/// has the colour of its nearest edge.
fn section(rgb: &RgbImage, rng: &mut impl Rng) -> RgbImage {
    let (width, height) = rgb.dimensions();
    let scale = rng.random_range(0.7..1.2f64);
    let stretch = rng.random_range(0.92..1.08f64);
    let side = |length: u32, factor: f64| ((f64::from(length) * factor).round() as u32).max(1);
    let (across, down) = (side(width, scale * stretch), side(height, scale / stretch));
    let mut start = |length: u32, part: u32| {
        let spare = i64::from(length) - i64::from(part);
        let (least, most) = (spare.min(0), spare.max(0));
        rng.random_range(least..=most)
    };
    let (left, top) = (start(width, across), start(height, down));
    let within = |at: i64, length: u32| at.clamp(0, i64::from(length) - 1) as u32;
    RgbImage::from_fn(across, down, |x, y| {
        *rgb.get_pixel(within(left + i64::from(x), width), within(top + i64::from(y), height))
    })
}

/// Brightness, contrast and saturation changed by up to a seventh.
fn coloured(mut rgb: RgbImage, rng: &mut impl Rng) -> RgbImage {
    let mut factor = || rng.random_range(0.85..1.15f32);
    let (brightness, contrast, saturation) = (factor(), factor(), factor());
    for Rgb(pixel) in rgb.pixels_mut() {
        let [r, g, b] = pixel.map(f32::from);
        let grey = 0.299 * r + 0.587 * g + 0.114 * b;
        *pixel = [r, g, b].map(|value| {
            let value = grey + (value - grey) * saturation;
            let value = 127.5 + (value - 127.5) * contrast;
            (value * brightness).round().clamp(0.0, 255.0) as u8
        });
    }
    rgb
}
