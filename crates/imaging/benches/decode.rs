//! How fast files become the tower's pixels: `cargo bench -p fondue-imaging`. A photograph's size and detail, by one
//! worker and by two; criterion's elements per second are pictures per second.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fondue_imaging::{Compat, Fit, ImageLimits, Picture, Preprocess};
use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};

const LIMITS: ImageLimits = ImageLimits { max_pixels: 1 << 22, max_bytes: 1 << 22 };

/// A JPEG of waves with some noise, which takes about the bytes of a photograph of its size and quality.
fn photograph(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let image = RgbImage::from_fn(width, height, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 28) as f32;
        let wave = |a: f32, b: f32| 110.0 + 90.0 * (x as f32 * a + y as f32 * b).sin();
        Rgb([wave(0.02, 0.011), wave(0.05, -0.03), wave(-0.013, 0.04)].map(|value| (value + noise) as u8))
    });
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 90).encode_image(&image).unwrap();
    file
}

fn prepare(preprocess: &Preprocess, file: &[u8]) {
    let picture = Picture::decode(black_box(file), &LIMITS, Compat::Off).unwrap();
    black_box(preprocess.picture_pixels(&picture, Fit::Crop).unwrap());
}

/// Each worker prepares as many pictures as criterion asks for.
fn by_workers(workers: usize, pictures: u64, preprocess: &Preprocess, file: &[u8]) -> Duration {
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| (0..pictures).for_each(|_| prepare(preprocess, file)));
        }
    });
    begun.elapsed()
}

fn decode(criterion: &mut Criterion) {
    let file = photograph(640, 480);
    // What CLIP's ViT-L/14 takes.
    let preprocess = Preprocess::new(224, [0.481, 0.458, 0.408], [0.269, 0.261, 0.276]);
    let mut group = criterion.benchmark_group(format!("JPEG 640x480 of {} KiB to 224x224", file.len() >> 10));
    for workers in [1, 2] {
        group.throughput(Throughput::Elements(workers as u64));
        group.bench_function(BenchmarkId::new("workers", workers), |bencher| {
            bencher.iter_custom(|pictures| by_workers(workers, pictures, &preprocess, &file));
        });
    }
    group.finish();
    criterion.bench_function("decoding alone", |bencher| {
        bencher.iter(|| black_box(Picture::decode(black_box(&file), &LIMITS, Compat::Off).unwrap()));
    });
}

criterion_group!(benches, decode);
criterion_main!(benches);
