//! What every training run has: interruption, checkpoints, metrics, progress.
