//! `fondue-retrieval load`: broken off and begun again, and what it refuses.

use std::{path::Path, process::Output, sync::Arc};

use fondue_index::{Root, live::Index};
use fondue_proto::retrieval::DescribeRequest;
use fondue_retrieval::config::Args;
use tokio::sync::Notify;

use crate::{
    conformance::back::Back,
    lite::Lite,
    service::{self, found, search},
};

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
