//! One connection through a proxy: two directions, each a reader and a writer with a bounded line between them.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};

use super::{Conduct, Ending, Link};

/// Bytes read at once: small, so that a throttle is even.
const CHUNK: usize = 8 << 10;
/// Chunks under way in one direction at most.
const LINE: usize = 256;

/// Bytes and when they came.
type Chunk = (Instant, Vec<u8>);

/// Carries one connection until both sides have said all, or it is ended.
pub(super) async fn carry(
    client: TcpStream,
    upstream: String,
    conduct: watch::Receiver<Conduct>,
    mut endings: broadcast::Receiver<Ending>,
) {
    let server = match TcpStream::connect(&upstream).await {
        Ok(server) => server,
        Err(_) => {
            let _ = client.set_zero_linger(); // the client sees what it would see without us
            return;
        }
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let ending = {
        let both = async {
            let _ = tokio::join!(
                pass(&mut from_client, &mut to_server, conduct.clone()),
                pass(&mut from_server, &mut to_client, conduct)
            );
        };
        tokio::select! {
            () = both => return,
            ending = endings.recv() => ending,
        }
    };
    if let Ok(Ending::Cut) = ending {
        return;
    }
    for stream in [from_client.reunite(to_client), from_server.reunite(to_server)].into_iter().flatten() {
        let _ = stream.set_zero_linger();
    }
}

/// One direction, to its end.
async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    conduct: watch::Receiver<Conduct>,
) -> io::Result<()> {
    let (line, mut chunks) = mpsc::channel::<Chunk>(LINE);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = from.read(&mut buffer).await?;
            if n == 0 || line.send((Instant::now(), buffer[..n].to_vec())).await.is_err() {
                return Ok::<(), io::Error>(());
            }
        }
    };
    let write = async move {
        let mut conduct = conduct;
        while let Some((came, bytes)) = chunks.recv().await {
            let now = open(&mut conduct, came).await;
            to.write_all(&bytes).await?;
            if let Some(rate) = now.bytes_per_second {
                sleep(Duration::from_secs_f64(bytes.len() as f64 / rate.max(1) as f64)).await;
            }
        }
        to.shutdown().await
    };
    let (read, written): (io::Result<()>, io::Result<()>) = tokio::join!(read, write);
    read.and(written)
}

/// Waits until what came at `came` may pass; tells how.
async fn open(conduct: &mut watch::Receiver<Conduct>, came: Instant) -> Conduct {
    loop {
        let now = *conduct.borrow_and_update();
        let passes = async {
            if now.link == Link::Silent {
                std::future::pending::<()>().await;
            }
            sleep_until(came + now.delay).await;
        };
        tokio::select! {
            () = passes => return now,
            changed = conduct.changed() => {
                if changed.is_err() {
                    // The proxy is gone, and this connection in a moment.
                    return now;
                }
            }
        }
    }
}
