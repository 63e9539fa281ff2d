//! Real servers on loopback ports, their connections and their TLS, asked by real clients and by bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod connections;
mod draining;
mod server;
mod tls;
