//! The services as real processes, several replicas of each, for load and for chaos: started, killed, frozen, started again on
//! their ports, put behind proxies that delay, throttle, cut and reset.
//!
//! Knows the programs' command lines and what they print; links none of them. Read `fleet` first.

mod error;
mod fleet;
mod process;
mod proxy;
mod replica;

pub use self::{
    error::FleetError,
    fleet::{Fleet, FleetPlan},
    proxy::{Conduct, Link, Proxy},
    replica::{Replica, Service},
};
