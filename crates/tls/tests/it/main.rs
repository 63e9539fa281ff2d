//! Handshakes over loopback between this crate's two sides, with certificates of an authority made for the test.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod handshakes;
mod reloading;
