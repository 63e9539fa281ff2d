//! A whole cluster in one thread, with a simulated network and clock, whose history follows from a seed.
//!
//! The gateway and the stack of every server are the real ones; the models behind the services play scripts. A [`plan::Plan`], made
//! from a seed, says who asks what and what goes wrong when; [`cluster::run`] plays it and gives the [`journal::Journal`]; [`laws`]
//! judges that.

pub mod chance;
pub mod cluster;
pub mod journal;
pub mod laws;
pub mod network;
pub mod plan;

mod asking;
mod services;
