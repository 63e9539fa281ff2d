//! The index from outside: generations that somebody attacks on the disk.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod attacks;
mod stand;
