//! Systems that search within their own process: ours and the peers, all asked alike.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use super::{
    data::{self, Data},
    gallery::Gallery,
    protocol::{Ask, FOUND, Found, MEMORY, Memory, READY, Ready},
};
use crate::{peers::Python, process::Process};

/// A running one.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) ready: Ready,
    process: Process,
}

/// A peer's library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// faiss: flat, and HNSW.
    Faiss,
    /// usearch: HNSW.
    Usearch,
}

impl Peer {
    pub(crate) const ALL: [Self; 2] = [Self::Faiss, Self::Usearch];

    /// Its name to its script, and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Faiss => "faiss",
            Self::Usearch => "usearch",
        }
    }

    /// Whether it scans all rows, too.
    pub(crate) fn is_exact(self) -> bool {
        self == Self::Faiss
    }
}

/// How a peer's graph is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerGraph {
    /// Links of a node on the upper levels.
    pub(crate) links: usize,
    /// Candidates kept while it is built.
    pub(crate) ef_construction: usize,
}

impl Subject {
    /// Starts ours, which is this very program.
    pub(crate) async fn ours(gallery: &Gallery, data: &Data, threads: usize, logs: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("finding this program's own place")?);
        command.args(["in-process", "--threads", &threads.to_string(), "--index"]).arg(&gallery.root);
        command.arg("--queries").arg(data::queries_file(&data.folder));
        let name = gallery.system();
        let log = logs.join(format!("in-process-{}.log", gallery.precision));
        let mut subject = Self::start(name, &mut command, &log).await?;
        subject.ready.build_seconds = gallery.built.seconds;
        Ok(subject)
    }

    /// Starts a peer; builds its index first, if it is not there. That may take minutes.
    pub(crate) async fn peer(
        peer: Peer,
        graph: PeerGraph,
        python: &Python,
        data: &Data,
        (threads, logs): (usize, &Path),
    ) -> Result<Self> {
        let name = peer.name();
        let mut versions = Python::retrieval_versions().into_iter();
        let version = versions.find(|line| line.starts_with(name)).unwrap_or(name);
        let PeerGraph { links, ef_construction } = graph;
        let index = data.folder.join(format!("{version}-{links}-{ef_construction}.index"));
        let mut command = python.retrieval();
        command.arg("search").arg(name).arg(&data.folder).arg(index);
        command.args([threads, links, ef_construction].map(|n| n.to_string()));
        Self::start(name.to_owned(), &mut command, &logs.join(format!("{name}.log"))).await
    }

    async fn start(name: String, command: &mut Command, log: &Path) -> Result<Self> {
        let mut process = Process::start(&name, command, log)?;
        let ready = serde_json::from_str(&process.line(READY).await?)?;
        Ok(Self { name, ready, process })
    }

    /// Searches.
    pub(crate) async fn find(&mut self, ask: Ask) -> Result<Found> {
        self.process.say(&serde_json::to_string(&ask)?).await?;
        Ok(serde_json::from_str(&self.process.line(FOUND).await?)?)
    }

    /// What it takes.
    pub(crate) async fn memory(&mut self) -> Result<Memory> {
        self.process.say(&serde_json::to_string(&Ask::Memory)?).await?;
        Ok(serde_json::from_str(&self.process.line(MEMORY).await?)?)
    }
}

impl Found {
    /// The rows that there are.
    pub(crate) fn rows(&self) -> Vec<Vec<usize>> {
        let known = |row: &i64| usize::try_from(*row).ok();
        self.rows.iter().map(|rows| rows.iter().filter_map(known).collect()).collect()
    }
}
