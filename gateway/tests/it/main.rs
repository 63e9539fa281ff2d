//! The gateway between a real client and in-process fakes of the three services, all on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fakes;
mod scene;

mod auth;
mod calls;
mod conversation;
mod cuts;
mod edits;
mod events;
mod failures;
mod fitting;
mod gallery;
mod http;
mod indexes;
mod links;
mod published;
mod refusals;
mod room;
mod slow;
