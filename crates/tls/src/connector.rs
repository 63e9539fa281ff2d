//! Opens connections: TCP, then TLS, both within one time.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};
use tower::Service;

use crate::{
    ClientTls,
    explain::{MARK, server_refused},
};

/// The port of an address that names none.
const PORT: u16 = 443;
/// How long a connection may be silent before the system tries whether the other side is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// There is nobody, or no way.
    #[error("cannot connect to {address}: {reason}")]
    Connect {
        /// Where to.
        address: String,
        /// What the system says.
        reason: io::Error,
    },
    /// It takes too long.
    #[error("{address} does not answer within {within:?}")]
    Timeout {
        /// Where to.
        address: String,
        /// The time that was allowed.
        within: Duration,
    },
    /// They do not agree.
    #[error("{}{address}: {reason}", MARK)]
    Handshake {
        /// With whom.
        address: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// Opens TLS connections to one server, at whatever addresses it is asked for: a tower service, as tonic takes.
#[derive(Clone)]
pub struct Connector {
    pub(crate) tls: ClientTls,
    /// Whose certificate it must be.
    pub(crate) name: ServerName<'static>,
    pub(crate) within: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Secured>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let Self { tls, name, within } = self.clone();
        let host = address.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = address.port_u16().unwrap_or(PORT);
        Box::pin(async move {
            let told = format!("{host}:{port}");
            let dialled = timeout(within, dial(&tls, name, (host.as_str(), port), &told)).await;
            let timed_out = |_| Err(DialError::Timeout { address: told.clone(), within });
            dialled.unwrap_or_else(timed_out).map(TokioIo::new)
        })
    }
}

async fn dial(
    tls: &ClientTls,
    name: ServerName<'static>,
    to: (&str, u16),
    told: &str,
) -> Result<Secured, DialError> {
    let failed = |reason| DialError::Connect { address: told.to_owned(), reason };
    let stream = TcpStream::connect(to).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3);
    SockRef::from(&stream).set_tcp_keepalive(&keep_alive).map_err(failed)?;
    let stream = TlsConnector::from(tls.config()).connect(name, stream).await;
    let stream = stream.map_err(|error| DialError::Handshake {
        address: told.to_owned(),
        reason: server_refused(&error, tls.authorities()),
    })?;
    Ok(Secured { stream, tls: tls.clone(), address: told.to_owned() })
}

/// A connection with TLS. A server that refuses a client's certificate tells so after the handshake, for the client has ended
/// its own part by then: so errors of reading are told in words, too.
pub struct Secured {
    stream: TlsStream<TcpStream>,
    tls: ClientTls,
    address: String,
}

impl Secured {
    fn told(&self, error: io::Error) -> io::Error {
        // Only what TLS says; a connection that breaks is one that breaks.
        if error.get_ref().is_none_or(|inner| !inner.is::<tokio_rustls::rustls::Error>()) {
            return error;
        }
        let reason = server_refused(&error, self.tls.authorities());
        io::Error::new(error.kind(), DialError::Handshake { address: self.address.clone(), reason })
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        read.map_err(|error| self.told(error))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        written.map_err(|error| self.told(error))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        written.map_err(|error| self.told(error))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
