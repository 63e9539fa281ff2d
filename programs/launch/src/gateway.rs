//! The connection to the gateway.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::{Context, Result, bail};
use fondue_proto::dialogue::dialogue_client::DialogueClient;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

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
    /// Key or token for a gateway that asks who calls. Better in the environment: command lines can be seen by others.
    #[arg(long, value_name = "KEY", env = "FONDUE_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<ApiKey>,
}

/// A key as a header; it is not shown.
#[derive(Clone)]
pub(crate) struct ApiKey(MetadataValue<Ascii>);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

impl FromStr for ApiKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| "must be visible ASCII characters".to_owned();
        let mut header: MetadataValue<Ascii> = format!("Bearer {}", text.trim()).parse().map_err(wrong)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

/// A client of a gateway.
pub(crate) type Client = DialogueClient<InterceptedService<Channel, Bearer>>;

/// Puts the key into each call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<ApiKey>);

impl Interceptor for Bearer {
    fn call(&mut self, mut call: Request<()>) -> Result<Request<()>, Status> {
        if let Some(ApiKey(header)) = &self.0 {
            call.metadata_mut().insert("authorization", header.clone());
        }
        Ok(call)
    }
}

/// A client of the gateway at `address` (`HOST:PORT` or `http://HOST:PORT`). Connects with the first call, so that
/// a gateway that is down shows as `UNAVAILABLE` there.
pub(crate) fn client(address: &str, key: Option<ApiKey>) -> Result<Client> {
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
    Ok(DialogueClient::with_interceptor(channel, Bearer(key))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_addresses_with_and_without_scheme() {
        assert!(client("127.0.0.1:7400", None).is_ok());
        assert!(client(DEFAULT, "fdk_x".parse().ok()).is_ok());
        for wrong in ["https://example.org", "http://", "a b"] {
            assert!(client(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_goes_with_each_call_and_is_not_shown() {
        let key: ApiKey = " fdk_secret\n".parse().unwrap();
        assert!(!format!("{:?}", Bearer(Some(key.clone()))).contains("secret"));
        let call = Bearer(Some(key)).call(Request::new(())).unwrap();
        assert_eq!(call.metadata().get("authorization").unwrap(), "Bearer fdk_secret");
        assert!("a\u{7}b".parse::<ApiKey>().is_err());
        assert!(Bearer(None).call(Request::new(())).unwrap().metadata().is_empty());
    }
}
