//! What carries bytes between processes: the system's TCP, or what stands in its place, as in a simulation.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, lookup_host},
};
use tower::{Service, service_fn};

/// How other processes are found and reached.
#[derive(Clone, Debug, Default)]
pub enum Network {
    /// The system's names and its TCP.
    #[default]
    System,
    /// Another, without TLS.
    Other(Arc<dyn Reach>),
}

/// A network that is not the system's.
pub trait Reach: fmt::Debug + Send + Sync {
    /// All addresses that a name has now.
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A connection to an address.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Wire>>;
}

/// Both directions of a connection.
pub type Wire = Box<dyn ReadWrite>;

/// What can be read and written.
pub trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for S {}

/// Where connections come in.
#[derive(Debug)]
pub enum Listener {
    /// The system's TCP.
    System(TcpListener),
    /// Another network's.
    Other(Box<dyn Accept>),
}

/// A listener of a network that is not the system's.
pub trait Accept: fmt::Debug + Send + Sync {
    /// The next connection, and from where it comes. It may be dropped and asked again.
    fn accept(&self) -> BoxFuture<'_, io::Result<(Wire, SocketAddr)>>;

    /// Where it listens.
    ///
    /// # Errors
    /// The network's.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::System(listener)
    }
}

impl Listener {
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::System(listener) => listener.local_addr(),
            Self::Other(listener) => listener.local_addr(),
        }
    }
}

impl Network {
    /// All addresses that a name has now.
    pub(crate) async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System => Ok(lookup_host((host, port)).await?.collect()),
            Self::Other(network) => network.lookup(host, port).await,
        }
    }
}

/// What connects to `address` over another network, whatever it is asked for.
pub(crate) fn connector(
    network: &Arc<dyn Reach>,
    address: SocketAddr,
) -> impl Service<Uri, Response = TokioIo<Wire>, Error = io::Error, Future: Send> + Send + Sync + 'static {
    let network = network.clone();
    service_fn(move |_: Uri| {
        let connection = network.connect(address);
        async move { connection.await.map(TokioIo::new) }
    })
}
