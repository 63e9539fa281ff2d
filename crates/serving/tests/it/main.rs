//! Real servers on loopback ports, their connections and their TLS, asked by real clients and by bad ones.

mod connections;
mod draining;
mod server;
mod tls;
