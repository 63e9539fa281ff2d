//! Fetches files that strangers' URLs name, and is led nowhere that they should not reach.
//!
//! ```text
//! URL ─rules─▶ host ─resolve, once─▶ addresses ─judge─▶ connect to one of those ─▶ headers ─▶ body, counted
//!   ▲                                                                              │ redirect
//!   └──────────────────────────────────────────────────────────────────────────────┘ all of it anew
//! ```
//! A host's name is resolved once for each connection, all its addresses are judged, and the socket is connected to a
//! judged address itself: what the name means a moment later makes no difference. Proxies are not asked for, whatever the
//! environment says, since nothing here could judge what they reach. Nothing is decompressed.
//!
//! Touches the network; no files but the system's certificates. Its user gives all limits ([`Limits`], [`Rules`]).

pub mod error;
pub mod limits;
pub mod rules;

pub mod address;
pub mod resolve;

mod body;
mod connect;
mod fetcher;
mod retry;
mod shown;
mod turns;

pub use address::NotPublic;
pub use error::{FetchError, Reason};
pub use fetcher::{Fetched, Fetcher};
pub use ipnet::IpNet;
pub use limits::Limits;
pub use resolve::{Resolve, System};
pub use rules::{HostPattern, Rules};
pub use shown::Shown;
pub use url::Url;
