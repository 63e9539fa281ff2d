//! Settings of the connections that a server takes.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{SettingsError, address, within};

/// The connections that a server takes.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
pub struct ConnectionSettings {
    /// Connections that are open at once; one beyond them is closed at once [default: 4096].
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<usize>,
    /// Milliseconds that a new connection may take until it has said what it speaks, and as long before for its TLS handshake
    /// [default: 10000].
    #[arg(long, value_name = "MS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout_ms: Option<u32>,
    /// Address of a second port without TLS, for /livez, /readyz, /metrics and grpc.health.v1 alone: where probes have no
    /// certificate. It asks nobody who calls, for /metrics neither: loopback, or an address that a network policy lets probes alone
    /// reach [default: none; they are on the port itself].
    #[arg(long, value_name = "HOST:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes_listen: Option<String>,
}

/// The connections that a server takes, checked.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How many at once.
    pub max: usize,
    /// How long each may take until it has said what it speaks.
    pub header_timeout: Duration,
    /// A second port for probes.
    pub probes: Option<SocketAddr>,
}

impl ConnectionSettings {
    /// The checked settings, defaults filled in.
    ///
    /// # Errors
    /// [`SettingsError`] that names the setting and what would be right.
    pub fn resolve(self) -> Result<Connections, SettingsError> {
        let probes = self.probes_listen.map(|text| address("probes_listen", text)).transpose()?;
        let timeout = within("header_timeout_ms", self.header_timeout_ms, 10_000, 1, 600_000)?;
        Ok(Connections {
            max: within("max_connections", self.max_connections, 4096, 1, 1 << 20)?,
            header_timeout: Duration::from_millis(u64::from(timeout)),
            probes,
        })
    }
}
