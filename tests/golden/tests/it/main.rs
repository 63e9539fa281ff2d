//! The model against the reference vectors, stage by stage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod coverage;
mod generation;
mod index;
mod pixels;
mod precision;
mod prompt;
mod score;
mod towers;
mod training;
