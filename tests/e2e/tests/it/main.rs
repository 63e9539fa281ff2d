//! Dialogues against real services: the model that ships, real sockets, one process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bad_input;
mod book;
mod cancellation;
mod chaos;
mod dialogue;
mod gallery;
mod histories;
mod http;
mod imported;
mod outage;
mod remembers;
mod said;
mod seen;
mod traced;
