//! A back end under test: generations are built in a folder, and loaded into Milvus if that is it.

use std::path::Path;

use clap::Parser;
use fondue_domain::Embedding;
use fondue_index::{Builder, Item, NewItem, Root};
use fondue_retrieval::{config::Args, milvus::Milvus, store::Store};

use crate::service::{self, Client, DIM, query};

/// For what is said of scores and order.
const EXACT: [&str; 2] = ["--milvus-index", "flat"];

pub(crate) struct Back {
    root: tempfile::TempDir,
    milvus: Option<(String, String)>,
}

impl Back {
    pub(crate) fn local() -> Self {
        Self { root: tempfile::tempdir().unwrap(), milvus: None }
    }

    /// On a server, under names of its own.
    pub(crate) fn milvus(url: String, prefix: &str) -> Self {
        Self { milvus: Some((url, prefix.to_owned())), ..Self::local() }
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.milvus.is_some() { "milvus" } else { "local" }
    }

    /// Row n of a generation `NAME`, as [`service::publish`] makes it.
    pub(crate) async fn publish(&self, name: &str, rows: usize) -> String {
        self.publish_with(name, rows, &[]).await
    }

    /// The same, loaded with flags that the exact index has not.
    pub(crate) async fn publish_with(&self, name: &str, rows: usize, flags: &[&str]) -> String {
        let id = service::publish(self.root.path(), name, rows);
        self.load(&id, flags).await;
        id
    }

    /// A generation of items of one's own; row n lies where `query(n)` points, and has a file if it has a type.
    pub(crate) async fn publish_items(&self, items: &[Item]) -> String {
        let mut builder = Builder::new(self.root.path(), DIM, "the model").unwrap();
        for (n, item) in items.iter().enumerate() {
            let new = NewItem {
                item: item.clone(),
                picture: (!item.media_type.is_empty()).then(|| vec![1]),
                sha256: [n as u8; 32],
            };
            builder.add(new, &Embedding::normalized(query(n)).unwrap()).unwrap();
        }
        let id = builder.publish().unwrap();
        self.load(&id, &[]).await;
        id
    }

    /// Into Milvus, if that is it.
    async fn load(&self, id: &str, flags: &[&str]) {
        if let Some(milvus) = self.connect(flags).await {
            let generation = Root::open(self.root.path()).unwrap().generation(id).unwrap();
            milvus.load(&generation, |_| {}).await.unwrap();
        }
    }

    /// Before the service starts: afterwards, that does it.
    pub(crate) async fn activate(&self, id: &str) {
        match self.connect(&[]).await {
            Some(milvus) => drop(milvus.activate(id).await.unwrap()),
            None => Root::open(self.root.path()).unwrap().activate(id).unwrap(),
        }
    }

    /// Milvus itself, if that is it.
    pub(crate) async fn connect(&self, flags: &[&str]) -> Option<Milvus> {
        self.milvus.as_ref()?;
        let mut args = vec!["fondue-retrieval".to_owned()];
        let own = self.flags();
        let index = if flags.is_empty() { EXACT } else { [""; 2] };
        args.extend(own.into_iter().chain(index.map(str::to_owned)).filter(|flag| !flag.is_empty()));
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let config = Args::try_parse_from(args).unwrap().resolve().unwrap();
        Some(Milvus::connect(config.milvus).await.unwrap())
    }

    fn flags(&self) -> Vec<String> {
        let Some((url, prefix)) = &self.milvus else { return Vec::new() };
        let flags = ["--backend", "milvus", "--milvus", url, "--milvus-prefix", prefix];
        flags.map(str::to_owned).to_vec()
    }

    /// Starts the service, whether or not its index is there.
    pub(crate) async fn spawn(&self) -> Client {
        let own = self.flags();
        service::spawn(self.root(), &own.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Starts the service, which must have an active generation.
    pub(crate) async fn start(&self, flags: &[&str]) -> Client {
        let own = self.flags();
        let flags: Vec<&str> = own.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        service::start(self.root(), &flags).await
    }

    /// A started service over a generation of so many rows, `a0` … .
    pub(crate) async fn serve(&self, rows: usize) -> (Client, String) {
        let id = self.publish("a", rows).await;
        self.activate(&id).await;
        (self.start(&[]).await, id)
    }

    fn root(&self) -> &Path {
        self.root.path()
    }
}
