//! Pixels against a second, slow bicubic in f64 that is written from Pillow's definition.

use image::{GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

fn plain(size: u32) -> Preprocess {
    Preprocess::new(size, [0.0; 3], [1.0; 3])
}

/// Smooth colours with hard edges and some noise, so that every weight of a filter matters.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise =
            (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 24;
        let edge = if (x / 7 + y / 5) % 2 == 0 { 200 } else { 20 };
        Rgb([noise as u8, edge, ((x * 255) / width.max(1)) as u8])
    })
}

/// The source pixels that one output pixel is made of, and their weights.
fn weights(source: u64, target: u64, at: u64) -> Vec<(u32, f64)> {
    let scale = source as f64 / target as f64;
    let stretch = scale.max(1.0);
    let centre = (at as f64 + 0.5) * scale;
    let low = (centre - 2.0 * stretch + 0.5).max(0.0) as u64;
    let high = ((centre + 2.0 * stretch + 0.5) as u64).min(source);
    let cubic = |x: f64| {
        let (x, a) = (x.abs(), -0.5);
        if x < 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            (((x - 5.0) * x + 8.0) * x - 4.0) * a
        } else {
            0.0
        }
    };
    let raw: Vec<_> = (low..high).map(|x| (x as u32, cubic((x as f64 - centre + 0.5) / stretch))).collect();
    let sum: f64 = raw.iter().map(|(_, weight)| weight).sum();
    raw.into_iter().map(|(x, weight)| (x, weight / sum)).collect()
}

/// Resizes the whole picture to `target`, then cuts the middle: both on paper, only the middle is computed.
fn oracle(source: &RgbImage, target: (u64, u64), size: u64) -> Vec<f64> {
    let (width, height) = (u64::from(source.width()), u64::from(source.height()));
    let (left, top) = ((target.0 - size) / 2, (target.1 - size) / 2);
    let mut out = Vec::new();
    for channel in 0..3 {
        for y in 0..size {
            let rows = weights(height, target.1, top + y);
            for x in 0..size {
                let columns = weights(width, target.0, left + x);
                let value: f64 = rows
                    .iter()
                    .map(|&(row, v)| {
                        // Pillow rounds to bytes between the passes.
                        let across: f64 = columns
                            .iter()
                            .map(|&(column, h)| h * f64::from(source.get_pixel(column, row)[channel]))
                            .sum();
                        v * across.round().clamp(0.0, 255.0)
                    })
                    .sum();
                out.push(value.round().clamp(0.0, 255.0));
            }
        }
    }
    out
}

/// Largest and mean distance, in steps of 1/255.
fn distance(got: &[f32], want: &[f64]) -> (f64, f64) {
    assert_eq!(got.len(), want.len());
    let gaps: Vec<f64> = got.iter().zip(want).map(|(&g, w)| (f64::from(g) * 255.0 - w).abs()).collect();
    (gaps.iter().fold(0.0, |a, &b| a.max(b)), gaps.iter().sum::<f64>() / gaps.len() as f64)
}

fn check(source: &RgbImage, size: u32, fit: Fit, target: (u64, u64)) {
    let plain = plain(size);
    let got = plain.normalise(&plain.square(source, fit, Passes::RowsFirst).unwrap());
    let (max, mean) = distance(&got, &oracle(source, target, size.into()));
    assert!(max <= 1.01 && mean <= 0.1, "{:?} {fit:?}: max {max}, mean {mean}", source.dimensions());
}

#[test]
fn crop_is_bicubic_then_middle() {
    for (width, height) in
        [(40, 40), (41, 24), (24, 41), (100, 37), (37, 101), (24, 24), (24, 61), (7, 5), (5, 93), (3, 1)]
    {
        let source = picture(width, height);
        let short = u64::from(width.min(height));
        let target = (24 * u64::from(width) / short, 24 * u64::from(height) / short);
        check(&source, 24, Fit::Crop, target);
    }
}

#[test]
fn squash_ignores_the_aspect_ratio() {
    for (width, height) in [(40, 40), (100, 17), (9, 50), (24, 60), (24, 24), (1, 90)] {
        check(&picture(width, height), 24, Fit::Squash, (24, 24));
    }
}

#[test]
fn thin_pictures_need_no_giant_between() {
    // Resized whole, these would be 224 x 6,720,000.
    for (width, height) in [(1, 30_000), (30_000, 1), (2, 29_999)] {
        let source = picture(width, height);
        let short = u64::from(width.min(height));
        let target = (224 * u64::from(width) / short, 224 * u64::from(height) / short);
        check(&source, 224, Fit::Crop, target);
    }
}

#[test]
fn a_picture_of_the_right_size_is_untouched() {
    let source = picture(24, 30);
    let got = plain(24).pixels(&source.clone().into(), Fit::Crop).unwrap();
    // (30 - 24) / 2 rows are cut at the top.
    for (x, y, channel) in [(0, 0, 0), (23, 23, 2), (5, 17, 1)] {
        let at = (channel * 24 * 24 + y * 24 + x) as usize;
        assert_eq!((got[at] * 255.0).round() as u8, source.get_pixel(x, y + 3)[channel as usize]);
    }
}

#[test]
fn normalises_each_channel() {
    let red = RgbImage::from_pixel(4, 4, Rgb([255, 51, 0]));
    let preprocess = Preprocess::new(2, [0.5, 0.1, 0.25], [0.25, 0.5, 1.0]);
    let got = preprocess.pixels(&red.into(), Fit::Crop).unwrap();
    let want = [2.0, 2.0, 2.0, 2.0, 0.2, 0.2, 0.2, 0.2, -0.25, -0.25, -0.25, -0.25];
    assert!(got.iter().zip(want).all(|(g, w): (_, f32)| (g - w).abs() < 1e-6), "{got:?}");
}

#[test]
fn other_kinds_of_pixels_become_rgb() {
    let first = |image: DynamicImage| {
        let pixels = plain(2).pixels(&image, Fit::Crop).unwrap();
        [0, 4, 8].map(|at| (pixels[at] * 255.0).round() as u8)
    };
    assert_eq!(first(GrayImage::from_pixel(2, 2, Luma([77])).into()), [77; 3]);
    // A transparent red stays red: alpha is dropped.
    assert_eq!(first(RgbaImage::from_pixel(2, 2, Rgba([200, 10, 20, 0])).into()), [200, 10, 20]);
    let deep = image::ImageBuffer::from_pixel(2, 2, Rgb([u16::MAX, 0x8080, 0]));
    assert_eq!(first(DynamicImage::ImageRgb16(deep)), [255, 128, 0]);
}

#[test]
fn refuses_a_picture_without_pixels() {
    let error = plain(2).pixels(&RgbImage::new(0, 5).into(), Fit::Crop).unwrap_err();
    assert!(matches!(error, ImagingError::NoPixels { width: 0, height: 5 }), "{error}");
}
