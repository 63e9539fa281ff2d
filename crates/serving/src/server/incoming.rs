//! Where connections come in: as many as may be open at once, and each with TLS where the server speaks it.
//!
//! Handshakes run beside each other, and nothing that a client does or leaves undone keeps the next one from being accepted.
//! A connection beyond the limit is accepted and closed at once: its client knows, and may try another replica, while in the
//! system's queue it would wait for nobody knows what.

mod connection;
mod refuse;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

pub(super) use connection::Connection;
pub use connection::Peer;
use fondue_tls::{Name, ServerTls, client_refused};
use futures::{Stream, stream};
use refuse::Refusal;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    burst::Burst,
    network::{Listener, Wire},
};

/// Connections that are open now, those whose handshake runs included.
const OPEN: &str = "fondue_connections";
/// Connections that were closed before they could call, by the reason.
const REFUSED: &str = "fondue_connections_refused_total";
/// Times that the system gave no connection though there was one, as when files run out.
const FAILED: &str = "fondue_accept_errors_total";

/// How long nothing is accepted after the system failed to give a connection: it will not be able to in the same moment.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a connection may be silent before the system tries whether the client is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// The first byte of everything that begins with a TLS handshake.
const TLS: u8 = 22;
/// Time and bytes for a client whose handshake failed to read why, before the connection is closed.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 << 10;

/// What a connection must get past.
pub(super) struct Entrance {
    /// TLS, and whose certificates may call; all if there are none.
    pub(super) tls: Option<(ServerTls, Vec<String>)>,
    /// Connections that may be open at once.
    pub(super) max: usize,
    /// Time for a handshake, and then for the first bytes.
    pub(super) within: Duration,
    /// Ends all connections.
    pub(super) closed: CancellationToken,
}

/// What all connections of a port share.
struct Shared {
    entrance: Entrance,
    open: Arc<Semaphore>,
    full: Burst,
    failing: Burst,
    refusing: Burst,
}

/// Lets the metrics be seen before the first connection.
pub(super) fn begin() {
    metrics::gauge!(OPEN).increment(0.0);
    for reason in ["limit", "handshake", "silent", "plain", "name"] {
        metrics::counter!(REFUSED, "reason" => reason).increment(0);
    }
    metrics::counter!(FAILED).increment(0);
}

/// The connections that come in. Dropped, it takes no more, and ends the handshakes that run.
pub(super) fn incoming(
    listener: Listener,
    entrance: Entrance,
) -> impl Stream<Item = Result<Connection, Infallible>> {
    let open = Arc::new(Semaphore::new(entrance.max));
    let shared = Shared { entrance, open, full: Burst::new(), failing: Burst::new(), refusing: Burst::new() };
    let door = Door { listener, shared: Arc::new(shared), handshakes: JoinSet::new(), paused: None };
    stream::unfold(door, |mut door| async move {
        let connection = door.next().await;
        Some((Ok(connection), door))
    })
}

struct Door {
    listener: Listener,
    shared: Arc<Shared>,
    handshakes: JoinSet<Option<Connection>>,
    paused: Option<Instant>,
}

impl Door {
    async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                accepted = accept(&self.listener), if self.paused.is_none() => match accepted {
                    Ok((stream, address)) => {
                        if let Some(connection) = self.admit(stream, address) {
                            return connection;
                        }
                    }
                    Err(error) => self.paused = self.shared.pause(&error),
                },
                () = until(self.paused), if self.paused.is_some() => self.paused = None,
                Some(shaken) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
            }
        }
    }

    /// The connection, if there is room for it and nothing to be done before it is served.
    fn admit(&mut self, stream: Accepted, address: SocketAddr) -> Option<Connection> {
        let shared = &self.shared;
        let Ok(permit) = Arc::clone(&shared.open).try_acquire_owned() else {
            shared.refused("limit");
            if let Some(untold) = shared.full.tell() {
                let max = shared.entrance.max;
                tracing::warn!(%address, max, untold, "too many connections are open (max_connections); new ones are closed");
            }
            return None;
        };
        let open = Open::new(permit);
        let peer = Peer { address, secure: false, names: Arc::from([]) };
        let stream = match stream {
            Accepted::System(stream) => stream,
            Accepted::Other(_) if shared.entrance.tls.is_some() => {
                shared.refused("plain");
                return None;
            }
            Accepted::Other(stream) => {
                return Some(Connection::new(stream.into(), peer, open, &shared.entrance));
            }
        };
        // A token is a small message that should not wait for the acknowledgement of the one before it. Where the system
        // refuses either, the connection still works.
        let _ = stream.set_nodelay(true);
        let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 3);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
        if shared.entrance.tls.is_none() {
            return Some(Connection::new(stream.into(), peer, open, &shared.entrance));
        }
        let shared = Arc::clone(shared);
        self.handshakes.spawn(async move { shared.secure(stream, address, open).await });
        None
    }
}

/// A connection that came in, of either kind of network.
enum Accepted {
    System(TcpStream),
    Other(Wire),
}

async fn accept(listener: &Listener) -> io::Result<(Accepted, SocketAddr)> {
    match listener {
        Listener::System(listener) => {
            listener.accept().await.map(|(stream, address)| (Accepted::System(stream), address))
        }
        Listener::Other(listener) => {
            listener.accept().await.map(|(stream, address)| (Accepted::Other(stream), address))
        }
    }
}

async fn until(moment: Option<Instant>) {
    if let Some(moment) = moment {
        sleep_until(moment).await;
    }
}

impl Shared {
    fn refused(&self, reason: &'static str) {
        metrics::counter!(REFUSED, "reason" => reason).increment(1);
    }

    /// How long to accept nothing after an error. One that is a client's matter, who went while it waited, is none of ours.
    fn pause(&self, error: &io::Error) -> Option<Instant> {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return None;
        }
        metrics::counter!(FAILED).increment(1);
        if let Some(untold) = self.failing.tell() {
            tracing::error!(
                %error,
                untold,
                "the system gives no connection; trying on. Too many open files: lower max_connections, or allow more files"
            );
        }
        Some(Instant::now() + PAUSE)
    }

    /// The connection with TLS; none if it does not come to that.
    async fn secure(&self, stream: TcpStream, address: SocketAddr, open: Open) -> Option<Connection> {
        let Entrance { tls, within, .. } = &self.entrance;
        let (tls, allowed) = tls.as_ref()?;
        let deadline = Instant::now() + *within;
        let mut first = [0];
        match timeout_at(deadline, stream.peek(&mut first)).await {
            // It went without a word, as what only looks whether a port is open does.
            Ok(Ok(0) | Err(_)) => return None,
            Ok(Ok(_)) if first[0] == TLS => {}
            Ok(Ok(_)) => {
                self.refused("plain");
                self.tell(address, "it does not speak TLS, which this port does; it should use https://");
                refuse::refuse(stream, Refusal::Plain, *within).await;
                return None;
            }
            Err(_) => {
                self.refused("silent");
                return None;
            }
        }
        let shaken = timeout_at(deadline, tls.acceptor().accept(stream).into_fallible()).await;
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, stream))) => {
                self.refused("handshake");
                self.tell(address, &client_refused(&error));
                linger(stream).await;
                return None;
            }
            Err(_) => {
                self.refused("silent");
                return None;
            }
        };
        let names: Arc<[Name]> = fondue_tls::names(stream.get_ref().1).into();
        if !allowed.is_empty() && !names.iter().any(|name| allowed.iter().any(|allowed| name.is(allowed))) {
            self.refused("name");
            let refusal = Refusal::Name(names);
            self.tell(address, &refusal.to_string());
            refuse::refuse(stream, refusal, *within).await;
            return None;
        }
        let peer = Peer { address, secure: true, names };
        Some(Connection::new(stream.into(), peer, open, &self.entrance))
    }

    fn tell(&self, address: SocketAddr, reason: &str) {
        if let Some(untold) = self.refusing.tell() {
            tracing::warn!(%address, untold, "a connection is refused: {reason}");
        }
    }
}

/// Closes a connection so that what was written last is read: one that is closed with bytes unread is reset, and the alert that
/// tells why is lost with it.
async fn linger(mut stream: TcpStream) {
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES as u64), &mut tokio::io::sink()).await
    };
    let _ = timeout(LINGER, drain).await;
}

/// A connection that counts.
pub(super) struct Open {
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(OPEN).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!(OPEN).decrement(1.0);
    }
}
