//! The engine rooms with the shipped model: batching, stops, cancellation, limits.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod language;
mod precision;
mod published;
mod score;
mod vision;
