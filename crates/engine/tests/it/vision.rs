//! The vision engine.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use fondue_engine::{EngineError, VisionEngine, VisionLimits};
use fondue_model::{Placement, VisionTower};

fn engine(max_batch: usize, max_queued: usize) -> VisionEngine {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/clip");
    let limits = VisionLimits { max_batch, max_queued, gather: Duration::from_millis(2) };
    VisionEngine::spawn(move || VisionTower::load(&folder, Placement::CPU_F32), limits).unwrap()
}

fn picture(seed: usize) -> Vec<f32> {
    (0..3 * 64 * 64).map(|n| ((n * (seed + 3)) % 97) as f32 / 97.0 - 0.5).collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test]
async fn batches_of_any_size_give_the_same_features() {
    let engine = engine(3, 64);
    let mut alone = Vec::new();
    for seed in 0..7 {
        alone.extend(engine.encode(vec![picture(seed)], soon()).await.unwrap());
    }
    let together = engine.encode((0..7).map(picture).collect(), soon()).await.unwrap();
    for (a, b) in alone.concat().iter().zip(together.concat()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    assert_ne!(alone[0], alone[1]);
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_wrong_size_is_an_error() {
    let engine = engine(4, 4);
    let refused = engine.encode((0..5).map(picture).collect(), soon()).await;
    assert!(matches!(refused, Err(EngineError::Busy { limit: 4 })));
    assert!(matches!(engine.encode(vec![vec![0.0; 5]], soon()).await, Err(EngineError::Model(_))));
    let late = engine.encode(vec![picture(1)], Instant::now()).await;
    assert!(matches!(late, Err(EngineError::Deadline { .. })));
    assert_eq!(engine.encode((0..4).map(picture).collect(), soon()).await.unwrap().len(), 4);
}
