//! The vision engine on a real tower.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fondue_engine::{EngineError, PictureFile, VisionEngine, VisionLimits};
use fondue_imaging::{Compat, Fit, ImageLimits, Picture, Preprocess};
use fondue_model::{Placement, VisionTower, placement::set_threads, weights::unwatched};

const LIMITS: VisionLimits = VisionLimits {
    max_batch: 3,
    max_queued: 64,
    queued_bytes: 1 << 20,
    gather: Duration::from_millis(2),
    decode_threads: 2,
    decoded_bytes: 64 << 20,
    feature_cache_bytes: 1 << 20,
    image: ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 },
};

/// Files that look different.
const FILES: [&[u8]; 7] = [
    include_bytes!("../../../imaging/tests/data/420.jpg"),
    include_bytes!("../../../imaging/tests/data/exif6.jpg"),
    include_bytes!("../../../imaging/tests/data/palette.png"),
    include_bytes!("../../../imaging/tests/data/cmyk.jpg"),
    include_bytes!("../../../imaging/tests/data/lossy.webp"),
    include_bytes!("../../../imaging/tests/data/grey16.png"),
    include_bytes!("../../../imaging/tests/data/rgb.tif"),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/clip")
}

fn tower() -> VisionTower {
    set_threads(1);
    VisionTower::load(&folder(), Placement::CPU_F32, &unwatched).unwrap()
}

fn preprocess() -> Preprocess {
    Preprocess::from_file(&folder().join("preprocessor_config.json")).unwrap()
}

fn engine(limits: VisionLimits) -> VisionEngine {
    set_threads(1);
    let load = || VisionTower::load(&folder(), Placement::CPU_F32, &unwatched);
    VisionEngine::spawn(load, preprocess(), limits).unwrap()
}

fn file(n: usize, fit: Fit, compat: Compat) -> PictureFile {
    PictureFile { data: Bytes::from_static(FILES[n]), fit, compat }
}

fn plain(n: usize) -> PictureFile {
    file(n, Fit::Crop, Compat::Off)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

/// Each picture by itself, bit for bit.
async fn alone(engine: &VisionEngine, files: &[PictureFile]) -> Vec<Vec<u32>> {
    let mut bits = Vec::new();
    for file in files {
        let features = engine.encode(vec![file.clone()], soon()).await.unwrap();
        bits.push(features[0].iter().map(|value| value.to_bits()).collect());
    }
    bits
}

#[tokio::test]
async fn batches_of_any_size_give_the_same_features() {
    let engine = engine(VisionLimits { feature_cache_bytes: 0, ..LIMITS });
    let files: Vec<_> = (0..FILES.len()).map(plain).collect();
    let alone = alone(&engine, &files).await;
    let together = engine.encode(files, soon()).await.unwrap();
    for (a, b) in alone.concat().into_iter().map(f32::from_bits).zip(together.concat()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_ne!(alone[0], alone[1]);
}

#[tokio::test]
async fn the_cache_gives_the_very_bits_and_keeps_ways_of_showing_apart() {
    let ways = [(Fit::Crop, Compat::Off), (Fit::Squash, Compat::Off), (Fit::Squash, Compat::Reference)];
    let files: Vec<_> =
        [0, 1, 3].iter().flat_map(|&n| ways.map(|(fit, compat)| file(n, fit, compat))).collect();
    let fresh = alone(&engine(VisionLimits { feature_cache_bytes: 0, ..LIMITS }), &files).await;
    let keeping = engine(LIMITS);
    for _ in 0..2 {
        assert_eq!(alone(&keeping, &files).await, fresh);
    }
    // The whole way without the engine.
    let tower = tower();
    for (file, bits) in files.iter().zip(&fresh) {
        let picture = Picture::decode(&file.data, &LIMITS.image, file.compat).unwrap();
        let pixels = preprocess().picture_pixels(&picture, file.fit).unwrap();
        let features = tch::no_grad(|| tower.encode(&[pixels]).unwrap());
        assert_eq!(&features[0].iter().map(|value| value.to_bits()).collect::<Vec<_>>(), bits);
    }
    let different: std::collections::HashSet<_> = fresh.iter().collect();
    assert!(different.len() >= 8, "{} of {}", different.len(), fresh.len());
}

#[tokio::test]
async fn a_damaged_file_is_named_and_the_others_can_be_had_without_it() {
    let engine = engine(LIMITS);
    let cut = PictureFile { data: Bytes::from_static(&FILES[0][..FILES[0].len() / 2]), ..plain(0) };
    let other = tokio::spawn({
        let engine = engine.clone();
        async move { engine.encode(vec![plain(2), plain(3)], soon()).await }
    });
    let error = engine.encode(vec![plain(0), cut, plain(1)], soon()).await.unwrap_err();
    assert!(matches!(error, EngineError::Picture { index: 1, .. }), "{error}");
    assert_eq!(other.await.unwrap().unwrap().len(), 2);
    assert_eq!(engine.encode(vec![plain(0), plain(1)], soon()).await.unwrap().len(), 2);
}
