//! A connection to an address that was judged, and one exchange over it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};
use url::{Host, Url};

use crate::{error::Reason, limits::Limits};

/// Addresses of one host that are tried at most.
const MAX_TRIED: usize = 4;

/// An answer's head, and the connection that its body comes over.
pub(crate) struct Exchange {
    pub(crate) response: Response<Incoming>,
    /// Drives the connection; ends with this.
    _connection: JoinSet<()>,
}

/// TLS with the system's trusted authorities.
pub(crate) fn tls() -> Result<TlsConnector, Reason> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores hold odd certificates now and then; what cannot be used is not trusted.
    roots.add_parsable_certificates(found.certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Reason::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects to the first of `addresses` that takes the connection, and asks for `url`.
pub(crate) async fn exchange(
    url: &Url,
    addresses: &[IpAddr],
    tls: &TlsConnector,
    limits: &Limits,
    user_agent: &str,
) -> Result<Exchange, Reason> {
    let port = url.port_or_known_default().unwrap_or_default();
    let mut last = Reason::Resolve(io::ErrorKind::NotFound.into());
    for &address in addresses.iter().take(MAX_TRIED) {
        let connected = timeout(limits.connect, TcpStream::connect(SocketAddr::new(address, port))).await;
        let refused = |source| Reason::Connect { address, source };
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) if url.scheme() == "https" => {
                let name = server_name(url)?;
                let stream = timeout(limits.connect, tls.connect(name, stream)).await;
                let stream = stream
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                    .map_err(|source| Reason::Tls { address, source })?;
                return ask(url, stream, limits, user_agent).await;
            }
            Ok(stream) => return ask(url, stream, limits, user_agent).await,
            Err(source) => last = refused(source),
        }
    }
    Err(last)
}

fn server_name(url: &Url) -> Result<ServerName<'static>, Reason> {
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(ServerName::from(IpAddr::from(address))),
        Some(Host::Ipv6(address)) => return Ok(ServerName::from(IpAddr::from(address))),
        Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        None => String::new(),
    };
    ServerName::try_from(name).map_err(|error| Reason::Setup(error.to_string()))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    url: &Url,
    stream: S,
    limits: &Limits,
    user_agent: &str,
) -> Result<Exchange, Reason> {
    let max = limits.max_header_bytes.max(Limits::LEAST_HEADER_BYTES);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(max)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Reason::Http)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let _ = connection.await; // its errors come to the request and to the body
    });
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::get(target)
        .header(HOST, host)
        .header(USER_AGENT, user_agent)
        .header(ACCEPT, "image/*,*/*;q=0.5")
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Reason::Setup(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(|error| {
        if error.is_parse_too_large() { Reason::HeaderBytes { max } } else { Reason::Http(error) }
    })?;
    Ok(Exchange { response, _connection: driver })
}
