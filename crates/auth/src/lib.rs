//! Who a caller is, and how much of the server is theirs: API keys, JSON Web Tokens, rates, quotas.
//!
//! Start at [`door`]. Files are read when a server starts and again when they change. Touches files, clocks and headers; never
//! tonic, clap, or what a call is about. Secrets are kept as digests, compared in constant time, and never logged.

pub mod door;

pub mod key;
pub mod keys;
pub mod tokens;

pub mod caller;
pub mod refusal;

pub mod account;
mod rate;
mod source;

pub use caller::Caller;
pub use door::{Door, DoorError, Sources};
pub use refusal::Refusal;
