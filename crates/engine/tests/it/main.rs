//! The engine rooms with the shipped model: batching, stops, cancellation, limits.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crowd;
mod language;
mod load;
mod precision;
mod prefix;
mod published;
mod score;
mod vision;
