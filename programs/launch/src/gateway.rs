//! The connection to the gateway: with TLS where its address says so, and with what proves who calls.

use std::{
    convert::Infallible,
    fmt::{self, Debug, Formatter},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use fondue_proto::dialogue::dialogue_client::DialogueClient;
use fondue_tls::{ClientFiles, ClientTls};
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
    /// Address of the gateway; https://HOST:PORT speaks TLS.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT, env = "FONDUE_GATEWAY")]
    pub(crate) gateway: String,
    /// Authorities in PEM that sign the certificate of an https:// gateway [default: the system's].
    #[arg(long, value_name = "FILE", env = "FONDUE_CA")]
    ca: Option<PathBuf>,
    /// Key or token for a gateway that asks who calls, sent as `authorization: Bearer …`. Others on this machine can see a command
    /// line: the variable is safer.
    #[arg(long, value_name = "KEY", env = "FONDUE_API_KEY", hide_env_values = true)]
    api_key: Option<Token>,
}

/// What proves who calls, as it was given. It is printed nowhere, so clap must find nothing wrong with it: it would quote it.
#[derive(Clone)]
struct Token(String);

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl Token {
    fn bearer(&self) -> Result<MetadataValue<Ascii>> {
        let is_word = !self.0.is_empty() && self.0.chars().all(|c| c.is_ascii_graphic());
        ensure!(is_word, "the key (--api-key or FONDUE_API_KEY) must be one word of ASCII characters");
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", self.0).parse()?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Sends the token with each call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A client of the gateway.
pub(crate) type Client = DialogueClient<InterceptedService<Channel, Bearer>>;

impl GatewayArgs {
    /// A client of the gateway, as the flags say.
    pub(crate) fn client(&self) -> Result<Client> {
        client(&self.gateway, self.ca.clone(), self.api_key.clone())
    }
}

/// A client of the gateway at `address` without TLS, which knows nobody.
pub(crate) fn local(address: &str) -> Result<Client> {
    client(address, None, None)
}

/// A client of the gateway at `address` (`HOST:PORT`, or with `http://` or `https://`). Connects with the first call, so that
/// a gateway that is down shows as `UNAVAILABLE` there.
fn client(address: &str, ca: Option<PathBuf>, token: Option<Token>) -> Result<Client> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let is_secure = url.starts_with("https://");
    if !is_secure && !url.starts_with("http://") {
        bail!("the gateway's address `{address}` must be HOST:PORT, http://HOST:PORT or https://HOST:PORT");
    }
    ensure!(is_secure || ca.is_none(), "--ca is for https:// gateways, and the address is `{address}`");
    let bearer = Bearer(token.as_ref().map(Token::bearer).transpose()?);
    let endpoint =
        Endpoint::from_shared(url).with_context(|| format!("the gateway's address `{address}`"))?;
    let endpoint = endpoint.tcp_nodelay(true);
    // A gateway whose machine has vanished is noticed while an answer is awaited.
    let endpoint = endpoint.http2_keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_TIMEOUT);
    let channel = if is_secure {
        let tls = ClientTls::load(ClientFiles { ca, ..ClientFiles::default() })?;
        let host = endpoint.uri().host().unwrap_or_default().to_owned();
        endpoint.connect_with_connector_lazy(tls.connector(&host, CONNECT_TIMEOUT)?)
    } else {
        endpoint.connect_timeout(CONNECT_TIMEOUT).connect_lazy()
    };
    Ok(DialogueClient::with_interceptor(channel, bearer)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_addresses_with_and_without_scheme() {
        assert!(local("127.0.0.1:7400").is_ok());
        assert!(local(DEFAULT).is_ok());
        for wrong in ["ftp://example.org", "http://", "a b"] {
            assert!(local(wrong).is_err(), "{wrong}");
        }
        let error = client("127.0.0.1:7400", Some("ca.pem".into()), None).unwrap_err();
        assert!(error.to_string().starts_with("--ca is for https://"), "{error}");
        let error = client("https://127.0.0.1:7400", Some("/none/ca.pem".into()), None).unwrap_err();
        assert!(error.to_string().starts_with("/none/ca.pem: "), "{error}");
    }

    #[test]
    fn a_token_is_one_word_and_is_not_shown() {
        for wrong in ["", "  ", "two words", "Bearer x", "ключ"] {
            assert!(Token(wrong.to_owned()).bearer().is_err(), "{wrong}");
        }
        let token: Token = "fk_secret\n".parse().unwrap();
        let bearer = token.bearer().unwrap();
        assert_eq!(bearer.to_str().unwrap(), "Bearer fk_secret");
        assert!(!format!("{token:?} {bearer:?}").contains("secret"));
    }

    #[test]
    fn a_token_goes_with_each_call() {
        let token: Token = " fdk_secret\n".parse().unwrap();
        let call = Bearer(Some(token.bearer().unwrap())).call(Request::new(())).unwrap();
        assert_eq!(call.metadata().get("authorization").unwrap(), "Bearer fdk_secret");
        assert!(Bearer(None).call(Request::new(())).unwrap().metadata().is_empty());
    }
}
