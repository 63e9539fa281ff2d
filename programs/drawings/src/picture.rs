//! One SVG to pixels, and to one PNG.

use anyhow::{Context, Result};
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{Options, Tree},
};

/// Draws `svg` as a PNG of `size` × `size` pixels on white, scaled to fit and centred.
///
/// # Errors
/// If the text is no SVG or `size` is 0.
pub fn render(svg: &str, size: u32) -> Result<Vec<u8>> {
    paint(svg, size)?.encode_png().context("encoding PNG")
}

/// The pixels that [`render`] encodes: `size` rows of `size` pixels, each red, green and blue.
///
/// # Errors
/// As [`render`].
pub fn pixels(svg: &str, size: u32) -> Result<Vec<u8>> {
    let pixmap = paint(svg, size)?;
    Ok(pixmap.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect())
}

fn paint(svg: &str, size: u32) -> Result<Pixmap> {
    let tree = Tree::from_str(svg, &Options::default()).context("not an SVG")?;
    let mut pixmap = Pixmap::new(size, size).context("a drawing needs at least one pixel")?;
    pixmap.fill(Color::WHITE);
    let (width, height) = (tree.size().width(), tree.size().height());
    let scale = size as f32 / width.max(height);
    let shift = |length: f32| (size as f32 - length * scale) / 2.0;
    let transform = Transform::from_row(scale, 0.0, 0.0, scale, shift(width), shift(height));
    resvg::render(&tree, transform, &mut pixmap.as_mut());
    Ok(pixmap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_the_square_on_white() {
        let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 18"><rect width="36" height="18" fill="red"/></svg>"#;
        let picture = image::load_from_memory(&render(svg, 64).unwrap()).unwrap().to_rgba8();
        assert_eq!(picture.dimensions(), (64, 64));
        assert_eq!(picture.get_pixel(0, 0).0, [255, 255, 255, 255]); // above the wide rectangle
        assert_eq!(picture.get_pixel(0, 32).0, [255, 0, 0, 255]);
        assert_eq!(picture.get_pixel(63, 32).0, [255, 0, 0, 255]);
    }

    #[test]
    fn refuses_what_is_no_svg() {
        assert!(render("hello", 64).is_err());
        assert!(render("<svg xmlns=\"http://www.w3.org/2000/svg\"/>", 0).is_err());
    }
}
