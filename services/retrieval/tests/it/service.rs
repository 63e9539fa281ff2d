//! Builds indexes, starts the service, reads its refusals.

use std::{path::Path, time::Duration};

use clap::Parser;
use fondue_domain::Embedding;
use fondue_index::{Builder, Item, NewItem, Root};
use fondue_proto::retrieval::{DescribeRequest, SearchRequest, retrieval_client::RetrievalClient};
use fondue_retrieval::config::Args;
use fondue_serving::{
    status::violations_of,
    upstream::{self, Channel},
};
use tokio::net::TcpListener;
use tonic::{Code, Status};

pub(crate) const DIM: usize = 4;

pub(crate) type Client = RetrievalClient<Channel>;

/// Row n is called `NAMEn`, has n + 1 bytes unless n is 3, and is nearest to `query(n)`.
pub(crate) fn publish(root: &Path, name: &str, rows: usize) -> String {
    let mut builder = Builder::new(root, DIM, "the model").unwrap().seen_by("the tower");
    for n in 0..rows {
        let item = Item {
            id: format!("{name}{n}"),
            caption: format!("picture {n}"),
            group: "things".to_owned(),
            media_type: "image/png".to_owned(),
            url: if n == 3 { "https://example.org/3.png".to_owned() } else { String::new() },
            ..Item::default()
        };
        let picture = (n != 3).then(|| vec![n as u8; n + 1]);
        let new = NewItem { item, picture, sha256: [n as u8; 32] };
        builder.add(new, &Embedding::normalized(query(n)).unwrap()).unwrap();
    }
    builder.publish().unwrap()
}

/// Directions on a quarter circle, so that neighbours in number are neighbours in angle.
pub(crate) fn query(n: usize) -> Vec<f32> {
    let angle = n as f32 * 0.1;
    vec![angle.cos(), angle.sin(), 0.0, 0.0]
}

/// A folder with one active generation, `a0` … .
pub(crate) fn index(rows: usize) -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().unwrap();
    let id = publish(root.path(), "a", rows);
    Root::open(root.path()).unwrap().activate(&id).unwrap();
    (root, id)
}

/// Starts the service. It ends with the test's runtime.
pub(crate) async fn spawn(root: &Path, flags: &[&str]) -> Client {
    let index = root.to_str().unwrap();
    let args = [&["fondue-retrieval", "--index", index, "--listen", "127.0.0.1:0"], flags].concat();
    let config = Args::try_parse_from(args).unwrap().resolve().unwrap();
    let listener = TcpListener::bind(config.serving.listen).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(fondue_retrieval::run(config, listener, std::future::pending()));
    Client::new(upstream::connect_lazy(&address).unwrap()).max_decoding_message_size(usize::MAX)
}

/// Starts the service and waits until the index is open.
pub(crate) async fn start(root: &Path, flags: &[&str]) -> Client {
    let mut client = spawn(root, flags).await;
    for _ in 0..500 {
        match client.describe(DescribeRequest::default()).await {
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => {
                other.unwrap();
                return client;
            }
        }
    }
    panic!("the index did not open");
}

pub(crate) fn search(n: usize, k: i32) -> SearchRequest {
    SearchRequest { query: query(n), k, ..SearchRequest::default() }
}

/// Ids that a search finds, best first.
pub(crate) async fn found(client: &mut Client, asked: SearchRequest) -> Result<Vec<String>, Status> {
    let answer = client.search(asked).await?.into_inner();
    Ok(answer.hits.into_iter().map(|hit| hit.picture.unwrap().id).collect())
}

/// A refusal's code and the fields it names.
pub(crate) fn refusal(status: &Status) -> (Code, Vec<String>) {
    (status.code(), violations_of(status).into_iter().map(|violation| violation.field).collect())
}
