//! The real program `fondue`, against services and a gateway made for the purpose.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod chat;
mod cluster;
mod demo;
mod dialogue;
mod fake;
mod pages;
mod secure;
mod terminal;
