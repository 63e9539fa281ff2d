//! The connection to the gateway.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use fondue_proto::dialogue::dialogue_client::DialogueClient;
use tonic::transport::{Channel, Endpoint};

/// Where `fondue up` puts the gateway.
pub(crate) const DEFAULT: &str = "http://127.0.0.1:7400";

/// Found pictures come with their bytes, several in a reply's events, each event within this many bytes.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What every command that talks to a gateway takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct GatewayArgs {
    /// Address of the gateway.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT, env = "FONDUE_GATEWAY")]
    pub(crate) gateway: String,
}

/// A client of the gateway at `address` (`HOST:PORT` or `http://HOST:PORT`). Connects with the first call, so that
/// a gateway that is down shows as `UNAVAILABLE` there.
pub(crate) fn client(address: &str) -> Result<DialogueClient<Channel>> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    if !url.starts_with("http://") {
        bail!("the gateway's address `{address}` must be HOST:PORT or http://HOST:PORT");
    }
    let endpoint =
        Endpoint::from_shared(url).with_context(|| format!("the gateway's address `{address}`"))?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
    // A gateway whose machine has vanished is noticed while an answer is awaited.
    let endpoint = endpoint.http2_keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
    let channel = endpoint.connect_lazy();
    Ok(DialogueClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_addresses_with_and_without_scheme() {
        assert!(client("127.0.0.1:7400").is_ok());
        assert!(client(DEFAULT).is_ok());
        for wrong in ["https://example.org", "http://", "a b"] {
            assert!(client(wrong).is_err(), "{wrong}");
        }
    }
}
