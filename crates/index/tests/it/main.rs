//! The index from outside: generations that somebody attacks on the disk, disks that are full, memory.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod attacks;
mod memory;
mod room;
mod stand;
