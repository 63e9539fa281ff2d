//! The vision engine.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use fondue_engine::{EngineError, VisionEngine, VisionLimits};
use fondue_model::{Placement, VisionTower, placement::set_threads, weights::unwatched};

fn engine(max_batch: usize, max_queued: usize) -> VisionEngine {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/clip");
    let limits = VisionLimits { max_batch, max_queued, gather: Duration::from_millis(2) };
    set_threads(1);
    VisionEngine::spawn(move || VisionTower::load(&folder, Placement::CPU_F32, &unwatched), limits).unwrap()
}

fn picture(seed: usize) -> Vec<f32> {
    (0..3 * 64 * 64).map(|n| ((n * (seed + 3)) % 97) as f32 / 97.0 - 0.5).collect()
}

async fn encode(
    engine: &VisionEngine,
    pictures: Vec<Vec<f32>>,
    deadline: Instant,
) -> Result<Vec<Vec<f32>>, EngineError> {
    engine.encode(engine.reserve(pictures.len())?, pictures, deadline).await
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(300)
}

#[tokio::test]
async fn batches_of_any_size_give_the_same_features() {
    let engine = engine(3, 64);
    let mut alone = Vec::new();
    for seed in 0..7 {
        alone.extend(encode(&engine, vec![picture(seed)], soon()).await.unwrap());
    }
    let together = encode(&engine, (0..7).map(picture).collect(), soon()).await.unwrap();
    for (a, b) in alone.concat().iter().zip(together.concat()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_ne!(alone[0], alone[1]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_wrong_size_is_an_error() {
    let engine = engine(4, 4);
    let refused = encode(&engine, (0..5).map(picture).collect(), soon()).await;
    assert!(matches!(refused, Err(EngineError::Busy { limit: 4 })));
    assert!(matches!(encode(&engine, vec![vec![0.0; 5]], soon()).await, Err(EngineError::Model(_))));
    let late = encode(&engine, vec![picture(1)], Instant::now()).await;
    assert!(matches!(late, Err(EngineError::Deadline { .. })));
    assert_eq!(encode(&engine, (0..4).map(picture).collect(), soon()).await.unwrap().len(), 4);
}
