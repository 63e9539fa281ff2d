//! A TCP proxy before one service, which can be slow, deaf, or gone.

mod connection;

use std::{sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    task::JoinHandle,
    time::sleep,
};

use crate::error::FleetError;

/// Pause after a connection that could not be taken.
const AGAIN: Duration = Duration::from_millis(10);

/// How a proxy treats what passes through it, in both directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conduct {
    /// How much later each byte arrives, in each direction.
    pub delay: Duration,
    /// Bytes a second of each direction of each connection; `None`: as fast as it goes.
    pub bytes_per_second: Option<u64>,
    /// Whether anything passes at all.
    pub link: Link,
}

/// Whether anything passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// All does.
    Up,
    /// Connections are taken and kept, and nothing passes; what came meanwhile goes on when it is up again.
    Silent,
    /// New connections are closed at once. Those that are there stay: see [`Proxy::cut`] and [`Proxy::reset`].
    Refusing,
}

impl Conduct {
    /// As if it were not there.
    pub const CLEAR: Self = Self { delay: Duration::ZERO, bytes_per_second: None, link: Link::Up };
}

/// How connections end at once.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// Both sides see the stream end.
    Cut,
    /// Both sides see it reset.
    Reset,
}

/// A running proxy. Dropped, it and its connections are gone.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    conduct: Arc<watch::Sender<Conduct>>,
    endings: broadcast::Sender<Ending>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port for connections to `upstream`, a `HOST:PORT`.
    ///
    /// # Errors
    /// [`FleetError::System`] if there is no port.
    pub async fn start(upstream: &str) -> Result<Self, FleetError> {
        let what = || format!("a proxy for {upstream}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(FleetError::system(what()))?;
        let address = listener.local_addr().map_err(FleetError::system(what()))?.to_string();
        let conduct = Arc::new(watch::Sender::new(Conduct::CLEAR));
        let endings = broadcast::Sender::new(4);
        let accepting = accept(listener, upstream.to_owned(), Arc::clone(&conduct), endings.clone());
        Ok(Self { address, conduct, endings, accepting: tokio::spawn(accepting) })
    }

    /// Its `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on it does so, with the connections that are there too.
    pub fn set(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// How it behaves now.
    pub fn conduct(&self) -> Conduct {
        *self.conduct.borrow()
    }

    /// Ends all connections that are there, as if both sides had closed them; what is under way is lost.
    pub fn cut(&self) {
        let _ = self.endings.send(Ending::Cut); // nobody hears it where there is no connection
    }

    /// Resets all connections that are there (RST), as a machine does that was started anew.
    pub fn reset(&self) {
        let _ = self.endings.send(Ending::Reset);
    }

    /// Connections that are there now.
    pub fn connections(&self) -> usize {
        self.endings.receiver_count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: String,
    conduct: Arc<watch::Sender<Conduct>>,
    endings: broadcast::Sender<Ending>,
) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Gone before it was taken, or too many files are open: no reason to stop.
            sleep(AGAIN).await;
            continue;
        };
        if conduct.borrow().link == Link::Refusing {
            let _ = client.set_zero_linger();
            continue;
        }
        let (conduct, endings) = (conduct.subscribe(), endings.subscribe());
        tokio::spawn(connection::carry(client, upstream.clone(), conduct, endings));
    }
}
