//! An index that is killed, and that runs out of room, while it is changed: all that was acknowledged is there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod killed;
mod told;
