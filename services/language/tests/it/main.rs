//! The language service itself, with the model that ships.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cuts;
mod scene;
mod template;
