//! Handshakes over loopback between this crate's two sides, with certificates of an authority made for the test.

mod handshakes;
mod reloading;
