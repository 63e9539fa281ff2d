//! Courses of events by the hundred, each from a seed. `FONDUE_SEEDS` sets how many (default 200), `FONDUE_SEED` plays one alone and
//! prints its journal.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod budget;
mod courses;
mod seeds;
