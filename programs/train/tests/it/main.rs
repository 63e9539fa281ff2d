//! Training, by the commands that people type and by its parts.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod goldens;
mod runs;
mod scene;
mod small_towers;
mod towers;
