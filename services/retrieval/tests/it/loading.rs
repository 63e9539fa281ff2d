//! `fondue-retrieval load`: broken off and begun again, and what it refuses.

use std::{path::Path, process::Output, sync::Arc};

use fondue_index::{Root, live::Index};
use fondue_proto::retrieval::DescribeRequest;
use fondue_retrieval::config::Args;
use milvus::v2::{
    CollectionSchema, FieldSchema,
    client::ClientV2,
    prelude::{ConnectConfig, CreateCollectionRequest, DataType},
};
use tokio::sync::Notify;

use crate::{
    conformance::back::Back,
    lite::Lite,
    service::{self, found, search},
};

/// Makes a collection without an index, as a kill between the two leaves it.
async fn make_half(server: &Lite, name: &str, schema: CollectionSchema) {
    let client = ClientV2::new(&ConnectConfig::new().uri(server.url())).await.unwrap();
    let request = CreateCollectionRequest::builder().collection_name(name).schema(schema).build().unwrap();
    client.create_collection(request).await.unwrap();
}

async fn load(server: &Lite, root: &Path, more: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_fondue-retrieval"));
    command.args(["--milvus", &server.url(), "--milvus-prefix", "loading", "--index"]).arg(root);
    command.arg("load").args(more).output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_was_broken_off_is_begun_again() {
    let server = Lite::start();
    let root = tempfile::tempdir().unwrap();
    // More than one batch.
    let id = service::publish(root.path(), "a", 1500);
    Root::open(root.path()).unwrap().activate(&id).unwrap();
    let back = Back::milvus(server.url(), "loading");
    let milvus = back.connect(&[]).await.unwrap();
    let generation = Root::open(root.path()).unwrap().generation(&id).unwrap();
    let begun = Arc::new(Notify::new());
    let progress = {
        let begun = Arc::clone(&begun);
        move |_| begun.notify_one()
    };
    tokio::select! {
        biased;
        () = begun.notified() => {}
        done = milvus.load(&generation, progress) => panic!("it was not broken off: {done:?}"),
    }
    let done = load(&server, root.path(), &["--activate"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut client = back.start(&[]).await;
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!((described.active, described.rows), (id.clone(), 1500));
    assert_eq!(found(&mut client, search(3, 1)).await.unwrap(), ["a3"]);

    let refused = load(&server, root.path(), &["--generation", "g0123456789abcdef"]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("g0123456789abcdef"));
    // Changes are not left behind in silence.
    let config = <Args as clap::Parser>::try_parse_from(["fondue-retrieval"]).unwrap().resolve().unwrap();
    let index = Index::open(root.path(), config.live).unwrap();
    index.delete(vec!["a3".to_owned()]).unwrap();
    drop(index);
    let refused = load(&server, root.path(), &[]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("compact"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_halfway_is_made_whole() {
    let server = Lite::start();
    let root = tempfile::tempdir().unwrap();
    let id = service::publish(root.path(), "a", 3);
    Root::open(root.path()).unwrap().activate(&id).unwrap();
    let text = |name: &str| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(65_535);
    let vector =
        |name: &str, dim| FieldSchema::new().name(name).data_type(DataType::FloatVector).dimension(dim);
    let schema = CollectionSchema::new().add_field(text("id").primary_key(true));
    let catalogue = schema.clone().add_field(text("facts")).add_field(vector("unused", 2));
    make_half(&server, "loading_generations", catalogue).await;
    make_half(&server, &format!("loading_{id}"), schema.add_field(vector("vector", 4))).await;
    let done = load(&server, root.path(), &["--generation", &id, "--activate"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut client = Back::milvus(server.url(), "loading").start(&[]).await;
    assert_eq!(found(&mut client, search(2, 1)).await.unwrap(), ["a2"]);
}
