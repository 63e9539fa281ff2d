//! The gateway between a real client and in-process fakes of the three services, all on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fakes;
mod process;
mod scene;

mod auth;
mod bodies;
mod bursts;
mod calls;
mod conversation;
mod cuts;
mod deadlines;
mod drain;
mod edits;
mod events;
mod failures;
mod fitting;
mod gallery;
mod http;
mod indexes;
mod links;
mod memory;
mod published;
mod refusals;
mod room;
mod secure;
mod slow;
mod starved;
mod unread;
