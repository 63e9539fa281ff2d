//! What every Fondue server shares: settings, logs and traces, the error table, the stack of layers, a clean stop.
//!
//! `status` alone names gRPC's codes; `server::serve` alone assembles layers.

pub mod settings;
pub mod telemetry;

pub mod announce;
pub mod burst;
pub mod loading;
pub mod network;
pub mod runtime;
pub mod server;
pub mod stop;

pub mod deadline;
pub mod status;
pub mod upstream;
