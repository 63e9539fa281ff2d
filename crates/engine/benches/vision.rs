//! Whether the vision engine decodes while the tower runs: `cargo bench -p fondue-engine --bench vision`. Pictures per second
//! of the model that ships, a thread for the tower and a worker, against one thread that does one after the other.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fondue_engine::{PictureFile, VisionEngine, VisionLimits};
use fondue_imaging::{Compat, Fit, ImageLimits, Picture, Preprocess};
use fondue_model::{Placement, VisionTower, placement::set_threads, weights::unwatched};
use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};

const BATCH: usize = 16;
/// Pictures of one measurement.
const PICTURES: usize = 4 * BATCH;

const LIMITS: VisionLimits = VisionLimits {
    max_batch: BATCH,
    max_queued: 2 * PICTURES,
    queued_bytes: 256 << 20,
    gather: Duration::from_millis(2),
    decode_threads: 1,
    decoded_bytes: 256 << 20,
    feature_cache_bytes: 0,
    image: ImageLimits { max_pixels: 1 << 22, max_bytes: 1 << 22 },
};

/// Different JPEGs of 640×480 pixels.
fn photographs() -> Vec<PictureFile> {
    let image = RgbImage::from_fn(640, 480, |x, y| Rgb([(x * y / 97) as u8, (x + y) as u8, (y ^ x) as u8]));
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, 80).encode_image(&image).unwrap();
    // What stands behind its end makes another file of it.
    let data = (0..PICTURES as u8).map(|n| Bytes::from([file.as_slice(), &[n]].concat()));
    data.map(|data| PictureFile { data, fit: Fit::Crop, compat: Compat::Off }).collect()
}

fn vision(criterion: &mut Criterion) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/clip");
    let preprocess = Preprocess::from_file(&folder.join("preprocessor_config.json")).unwrap();
    let load = {
        let folder = folder.clone();
        move || VisionTower::load(&folder, Placement::CPU_F32, &unwatched)
    };
    set_threads(1);
    let (tower, files) = (load().unwrap(), photographs());
    let mut group = criterion.benchmark_group("JPEG 640x480 to features");
    group.sampling_mode(SamplingMode::Flat).sample_size(20).throughput(Throughput::Elements(PICTURES as u64));
    let prepare = |file: &PictureFile| {
        let picture = Picture::decode(&file.data, &LIMITS.image, file.compat).unwrap();
        preprocess.picture_pixels(&picture, file.fit).unwrap()
    };
    group.bench_function("decoding alone", |bencher| {
        bencher.iter(|| files.iter().map(prepare).collect::<Vec<_>>());
    });
    let pixels: Vec<_> = files.iter().map(prepare).collect();
    group.bench_function("tower alone", |bencher| {
        bencher.iter(|| {
            tch::no_grad(|| pixels.chunks(BATCH).map(|batch| tower.encode(batch)).collect::<Vec<_>>())
        });
    });
    group.bench_function("one after the other", |bencher| {
        let encode = |batch: &[PictureFile]| tower.encode(&batch.iter().map(prepare).collect::<Vec<_>>());
        bencher.iter(|| tch::no_grad(|| files.chunks(BATCH).map(encode).collect::<Vec<_>>()));
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let engine = VisionEngine::spawn(load, preprocess.clone(), LIMITS).unwrap();
    group.bench_function("engine", |bencher| {
        bencher.iter(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            runtime.block_on(engine.encode(files.clone(), deadline)).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, vision);
criterion_main!(benches);
