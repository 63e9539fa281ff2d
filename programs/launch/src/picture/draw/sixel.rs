//! Sixel: 256 colours of the picture's own, chosen and spread by a library.

use icy_sixel::{DiffusionMethod, MethodForLargest, MethodForRep, PixelFormat, Quality};
use image::{DynamicImage, Rgb};

use super::INDENT;

/// Pixels behind a transparent picture.
const GROUND: f32 = 255.0;

/// A picture of its own size; what is transparent is white.
pub(super) fn encode(picture: &DynamicImage) -> Option<String> {
    let picture = picture.to_rgba8();
    let (width, height) = (i32::try_from(picture.width()).ok()?, i32::try_from(picture.height()).ok()?);
    let over = |pixel: &image::Rgba<u8>| {
        let [red, green, blue, alpha] = pixel.0;
        let part = f32::from(alpha) / 255.0;
        Rgb([red, green, blue].map(|value| (f32::from(value) * part + GROUND * (1.0 - part)).round() as u8)).0
    };
    let bytes: Vec<u8> = picture.pixels().flat_map(over).collect();
    let sixels = icy_sixel::sixel_string(
        &bytes,
        width,
        height,
        PixelFormat::RGB888,
        DiffusionMethod::Auto,
        MethodForLargest::Auto,
        MethodForRep::Auto,
        Quality::AUTO,
    );
    Some(format!("{INDENT}{}\n", sixels.ok()?.trim_end()))
}
