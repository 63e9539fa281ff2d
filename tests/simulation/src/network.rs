//! The simulated network, as Fondue's servers and clients see it.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fondue_serving::network::{Accept, Listener, Reach, Wire};
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use turmoil::net::{TcpListener, TcpStream};

/// Where every server listens.
pub const PORT: u16 = 7400;

/// A host that is down says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What names stand for; it can be changed while calls run. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Names {
    /// Takes an address from a name, or gives it to the name.
    pub fn change(&self, name: &str, address: IpAddr, has: bool) {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = names.entry(name.to_owned()).or_default();
        addresses.retain(|known| *known != address);
        if has {
            addresses.push(address);
        }
    }

    fn get(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}

impl Reach for Names {
    fn lookup<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let found = self.get(host);
        Box::pin(async move { Ok(found?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Wire>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(stream) as Wire)
        })
    }
}

/// A listener on [`PORT`] of the host that runs.
///
/// # Errors
/// The network's.
pub async fn listen() -> io::Result<Listener> {
    Ok(Listener::Other(Box::new(Door(TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?))))
}

struct Door(TcpListener);

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

impl Accept for Door {
    fn accept(&self) -> BoxFuture<'_, io::Result<(Wire, SocketAddr)>> {
        Box::pin(async {
            let (stream, address) = self.0.accept().await?;
            Ok((Box::new(stream) as Wire, address))
        })
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A client's connection to the gateway, made at the first call.
pub fn to_gateway() -> Channel {
    let endpoint = Endpoint::from_static("http://gateway:7400").connect_timeout(CONNECT_TIMEOUT);
    endpoint.connect_with_connector_lazy(tower::service_fn(|_: Uri| async {
        TcpStream::connect(("gateway", PORT)).await.map(TokioIo::new)
    }))
}
