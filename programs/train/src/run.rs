//! What every training run has: interruption, checkpoints, metrics, progress, company.

pub mod checkpoint;
pub mod group;
pub mod interrupt;
pub mod metrics;
pub mod progress;
