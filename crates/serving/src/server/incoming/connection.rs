//! A connection: plain or with TLS, bounded in time until it has said what it speaks, ended with its server.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use fondue_tls::Name;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use super::{Entrance, Open, REFUSED};
use crate::network::{ReadWrite, Wire};

/// What an HTTP/2 connection begins with. Whatever differs from it is HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Who is at the other end of a connection: in the extensions of each request that comes over it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// From where, as the system tells; a proxy's, if there is one between.
    pub address: SocketAddr,
    /// Whether the connection has TLS.
    pub secure: bool,
    /// The DNS names and URIs of the client's certificate, which the server's `tls_client_ca` vouches for.
    pub names: Arc<[Name]>,
}

/// A connection that is served.
pub(in crate::server) struct Connection {
    stream: Stream,
    peer: Peer,
    /// Until it has said what it speaks.
    opening: Option<Opening>,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    _open: Open,
}

/// What is spoken below HTTP.
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
    Other(Wire),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }
}

impl From<Wire> for Stream {
    fn from(stream: Wire) -> Self {
        Self::Other(stream)
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self::Secure(Box::new(stream))
    }
}

/// The time for the first bytes: the whole preface of HTTP/2, or what cannot be one. From there on HTTP/2's pings and the
/// time for HTTP/1's heads, which bounds the wait between two requests too, see to a client that is silent.
struct Opening {
    limit: Pin<Box<Sleep>>,
    matched: usize,
}

impl Opening {
    /// Whether more of the preface must come.
    fn goes_on(&mut self, bytes: &[u8]) -> bool {
        let awaited = &PREFACE[self.matched..];
        let same = bytes.len() < awaited.len() && awaited.starts_with(bytes);
        self.matched += bytes.len().min(awaited.len());
        same
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, open: Open, entrance: &Entrance) -> Self {
        let opening = Opening { limit: Box::pin(sleep(entrance.within)), matched: 0 };
        // A token of its own: what all connections shared would be a lock that all take with each read.
        let closed = Box::pin(entrance.closed.child_token().cancelled_owned());
        Self { stream, peer, opening: Some(opening), closed, _open: open }
    }

    fn stream(&mut self) -> Pin<&mut (dyn ReadWrite + '_)> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream),
            Stream::Secure(stream) => Pin::new(stream),
            Stream::Other(stream) => Pin::new(stream),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server has ended",
            )));
        }
        if let Some(opening) = &mut self.opening
            && opening.limit.as_mut().poll(cx).is_ready()
        {
            metrics::counter!(REFUSED, "reason" => "silent").increment(1);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was asked in time")));
        }
        let before = buf.filled().len();
        let read = self.stream().poll_read(cx, buf);
        if let Poll::Ready(result) = &read {
            let bytes = &buf.filled()[before..];
            let ended = result.is_err() || bytes.is_empty();
            if ended || !self.opening.as_mut().is_some_and(|opening| opening.goes_on(bytes)) {
                self.opening = None;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Secure(stream) => stream.is_write_vectored(),
            Stream::Other(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_runs_until_the_preface_is_whole_or_cannot_be() {
        let after = |pieces: &[&[u8]]| {
            let mut opening =
                Opening { limit: Box::pin(sleep(std::time::Duration::from_secs(1))), matched: 0 };
            pieces.iter().map(|piece| opening.goes_on(piece)).last()
        };
        assert_eq!(after(&[b"PRI * HT"]), Some(true));
        assert_eq!(after(&[b"P", b"RI * HTTP/2.0\r\n\r\nSM\r\n\r"]), Some(true));
        assert_eq!(after(&[b"P", b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]), Some(false));
        assert_eq!(after(&[&[PREFACE, b"more"].concat()]), Some(false));
        assert_eq!(after(&[b"P", b"OST / HTTP/1.1\r\n"]), Some(false));
        assert_eq!(after(&[b"G"]), Some(false));
    }
}
