//! Connections between the first process and each other one.

use std::{
    net::TcpListener as StdListener,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::{sleep, timeout},
};
use tokio_util::{
    bytes::Bytes,
    codec::{Framed, LengthDelimitedCodec},
};

type Frames = Framed<TcpStream, LengthDelimitedCodec>;

/// What a process says first.
#[derive(Serialize, Deserialize)]
struct Hello {
    program: String,
    rank: usize,
    size: usize,
}

const PROGRAM: &str = concat!("fondue-train ", env!("CARGO_PKG_VERSION"));
/// Bytes of a frame before somebody is known, and after.
const HELLO_BYTES: usize = 1 << 12;
const FRAME_BYTES: usize = 1 << 31;
/// How long a hello may take.
const HELLO: Duration = Duration::from_secs(5);

/// The connections of one process.
pub(super) struct Link {
    runtime: Runtime,
    /// Of the first process: the others by rank, from 1. Of another: the first one.
    peers: Vec<Frames>,
    first: bool,
}

impl Link {
    pub(super) fn accept(listener: StdListener, size: usize, patience: Duration) -> Result<Self> {
        let runtime = runtime()?;
        let come = async {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let mut peers: Vec<Option<Frames>> = (1..size).map(|_| None).collect();
            while peers.iter().any(Option::is_none) {
                let (stream, from) = listener.accept().await?;
                // A stranger, or one of another run, is turned away.
                match greeted(stream, size, &peers).await {
                    Ok((rank, frames)) => peers[rank - 1] = Some(frames),
                    Err(error) => eprintln!("{from} is turned away: {error:#}"),
                }
            }
            anyhow::Ok(peers.into_iter().flatten().collect())
        };
        let peers = runtime.block_on(async { timeout(patience, come).await });
        let peers = peers.with_context(|| format!("not all of {size} processes came"))??;
        Ok(Self { runtime, peers, first: true })
    }

    pub(super) fn connect(first: &str, rank: usize, size: usize, patience: Duration) -> Result<Self> {
        let runtime = runtime()?;
        let begun = Instant::now();
        let frames = runtime.block_on(async {
            let stream = loop {
                match TcpStream::connect(first).await {
                    Ok(stream) => break stream,
                    Err(error) if begun.elapsed() > patience => {
                        return Err(error).with_context(|| format!("no first process at {first}"));
                    }
                    // It may not be there yet.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            };
            stream.set_nodelay(true)?;
            let mut frames = frames(stream, HELLO_BYTES);
            let hello = Hello { program: PROGRAM.to_owned(), rank, size };
            frames.send(Bytes::from(serde_json::to_vec(&hello)?)).await?;
            frames.next().await.context("the first process turned this one away")??;
            frames.codec_mut().set_max_frame_length(FRAME_BYTES);
            anyhow::Ok(frames)
        })?;
        Ok(Self { runtime, peers: vec![frames], first: false })
    }

    /// The first process gets everyone's bytes, by rank, and everyone gets what it makes of them.
    pub(super) fn exchange(
        &mut self,
        mine: Vec<u8>,
        combine: impl FnOnce(Vec<Vec<u8>>) -> Result<Vec<u8>>,
    ) -> Result<Vec<u8>> {
        let peers = &mut self.peers;
        if !self.first {
            let first = peers.first_mut().context("there is no first process")?;
            return self.runtime.block_on(async {
                first.send(Bytes::from(mine)).await.context("the first process is gone")?;
                match first.next().await {
                    Some(Ok(all)) => Ok(all.to_vec()),
                    Some(Err(error)) => Err(error).context("the first process is gone"),
                    None => bail!("the first process is gone"),
                }
            });
        }
        self.runtime.block_on(async {
            let mut parts = vec![mine];
            for (rank, peer) in (1..).zip(&mut *peers) {
                match peer.next().await {
                    Some(Ok(part)) => parts.push(part.to_vec()),
                    Some(Err(error)) => return Err(error).context(format!("process {rank} is gone")),
                    None => bail!("process {rank} is gone"),
                }
            }
            let all = combine(parts)?;
            let bytes = Bytes::from(all);
            for (rank, peer) in (1..).zip(peers) {
                peer.send(bytes.clone()).await.with_context(|| format!("process {rank} is gone"))?;
            }
            Ok(bytes.to_vec())
        })
    }
}

/// Who it is that came; it is told that it is welcome.
async fn greeted(stream: TcpStream, size: usize, peers: &[Option<Frames>]) -> Result<(usize, Frames)> {
    stream.set_nodelay(true)?;
    let mut frames = frames(stream, HELLO_BYTES);
    let hello = timeout(HELLO, frames.next()).await.context("it said nothing")?.context("it left")??;
    let hello: Hello = serde_json::from_slice(&hello).context("it is no process of training")?;
    ensure!(hello.program == PROGRAM, "it is {}", hello.program.escape_debug());
    ensure!(hello.size == size, "it expects {} processes, here are {size}", hello.size);
    ensure!((1..size).contains(&hello.rank), "it has rank {}", hello.rank);
    ensure!(peers[hello.rank - 1].is_none(), "rank {} is there already", hello.rank);
    frames.send(Bytes::from_static(b"welcome")).await?;
    frames.codec_mut().set_max_frame_length(FRAME_BYTES);
    Ok((hello.rank, frames))
}

fn frames(stream: TcpStream, longest: usize) -> Frames {
    LengthDelimitedCodec::builder().length_field_length(8).max_frame_length(longest).new_framed(stream)
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the network")
}
