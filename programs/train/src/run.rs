//! What every training run has: checkpoints, metrics, progress, company.

pub mod checkpoint;
pub mod group;
pub mod metrics;
pub mod progress;
