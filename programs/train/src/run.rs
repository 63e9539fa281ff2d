//! What every training run has: checkpoints, metrics, progress, company, a dtype.

pub mod checkpoint;
pub mod dtype;
pub mod group;
pub mod metrics;
pub mod progress;
