//! Generations that come and go under a running service.

use std::{fs, path::Path};

use clap::Parser;
use fondue_index::{IndexError, Root};
use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, DescribeRequest, DescribeResponse, SearchRequest,
};
use fondue_retrieval::{RunError, config::Args};
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::service::{Client, DIM, found, index, publish, refusal, search, start};

async fn activate(client: &mut Client, id: &str) -> Result<ActivateResponse, Status> {
    let answer = client.activate(ActivateRequest { generation: id.to_owned() }).await;
    answer.map(tonic::Response::into_inner)
}

fn response(active: &str, previous: &str) -> ActivateResponse {
    ActivateResponse { active: active.to_owned(), previous: previous.to_owned() }
}

fn pinned(id: &str) -> SearchRequest {
    SearchRequest { generation: id.to_owned(), ..search(0, 1) }
}

#[tokio::test]
async fn a_pinned_generation_goes_on_after_another_became_active() {
    let (root, first) = index(5);
    let mut client = start(root.path(), &[]).await;
    let second = publish(root.path(), "b", 6);
    assert_eq!(found(&mut client, pinned(&second)).await.unwrap(), ["b0"], "before it is active");
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["a0"]);
    assert_eq!(activate(&mut client, &second).await.unwrap(), response(&second, &first));
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["b0"]);

    // It stays open, even when its folder is gone.
    fs::remove_dir_all(root.path().join("generations").join(&first)).unwrap();
    assert_eq!(found(&mut client, pinned(&first)).await.unwrap(), ["a0"]);

    // The folder says so too, and so would the next start.
    assert_eq!(Root::open(root.path()).unwrap().active().unwrap(), second);
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    let expected = DescribeResponse {
        generation: second.clone(),
        rows: 6,
        dim: DIM as u32,
        fingerprint: "the model".to_owned(),
        generations: vec![second.clone()],
        vision_fingerprint: "the tower".to_owned(),
        active: second.clone(),
        backend: "local".to_owned(),
        ..DescribeResponse::default()
    };
    let made = described.created_seconds;
    assert_eq!(
        described,
        DescribeResponse { created_seconds: made, precision: "f32".to_owned(), ..expected }
    );
}

#[tokio::test]
async fn the_least_recently_used_is_closed_first() {
    let (root, first) = index(5);
    let mut client = start(root.path(), &["--max-open", "1"]).await;
    let (second, third) = (publish(root.path(), "b", 5), publish(root.path(), "c", 5));
    activate(&mut client, &second).await.unwrap();
    activate(&mut client, &third).await.unwrap();
    for id in [&first, &second] {
        fs::remove_dir_all(root.path().join("generations").join(id)).unwrap();
    }
    assert_eq!(found(&mut client, pinned(&second)).await.unwrap(), ["b0"]);
    let refused = found(&mut client, pinned(&first)).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]));
}

#[tokio::test]
async fn without_an_id_the_folders_choice_is_taken() {
    let (root, first) = index(5);
    let mut client = start(root.path(), &[]).await;
    assert_eq!(activate(&mut client, "").await.unwrap(), response(&first, &first));
    let second = publish(root.path(), "b", 5);
    Root::open(root.path()).unwrap().activate(&second).unwrap();
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["a0"], "not before it is asked for");
    assert_eq!(activate(&mut client, "").await.unwrap(), response(&second, &first));
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["b0"]);
}

fn flip_a_bit(folder: &Path, name: &str) {
    let (path, beside) = (folder.join(name), folder.join("beside"));
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] ^= 1;
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn what_is_damaged_or_unknown_does_not_become_active_until_it_is_repaired() {
    let (root, first) = index(5);
    let mut client = start(root.path(), &[]).await;
    let second = publish(root.path(), "b", 5);
    flip_a_bit(&root.path().join("generations").join(&second), "vectors.f32");
    let refused = activate(&mut client, &second).await.unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert!(!refused.message().contains("vectors"), "inner details stay in the log: {refused:?}");
    let refused = activate(&mut client, "g0123456789abcdef").await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]));
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["a0"]);
    assert_eq!(Root::open(root.path()).unwrap().active().unwrap(), first);

    // Building it again repairs it, even if the damaged one was opened before.
    found(&mut client, pinned(&second)).await.unwrap();
    assert_eq!(publish(root.path(), "b", 5), second);
    assert_eq!(activate(&mut client, &second).await.unwrap(), response(&second, &first));
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["b0"]);
}

#[tokio::test]
async fn folder_and_memory_agree_after_many_activations_at_once() {
    let (root, first) = index(5);
    let client = start(root.path(), &[]).await;
    let second = publish(root.path(), "b", 5);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let (mut client, id) = (client.clone(), if n % 2 == 0 { first.clone() } else { second.clone() });
        tasks.spawn(async move { activate(&mut client, &id).await.map(|answer| answer.active == id) });
    }
    for activated in tasks.join_all().await {
        assert!(activated.unwrap());
    }
    let described = client.clone().describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!(described.generation, Root::open(root.path()).unwrap().active().unwrap());
}

async fn run_error(root: &Path) -> RunError {
    let args = ["fondue-retrieval", "--listen", "127.0.0.1:0", "--index", root.to_str().unwrap()];
    let config = Args::try_parse_from(args).unwrap().resolve().unwrap();
    let listener = TcpListener::bind(config.serving.listen).await.unwrap();
    fondue_retrieval::run(config, listener, std::future::pending()).await.unwrap_err()
}

#[tokio::test]
async fn an_index_that_cannot_be_served_ends_the_service_and_says_why() {
    let empty = tempfile::tempdir().unwrap();
    let error = run_error(empty.path()).await;
    assert!(matches!(error, RunError::Index(IndexError::NoneActive { .. })), "{error}");
    assert!(matches!(
        run_error(&empty.path().join("absent")).await,
        RunError::Index(IndexError::NoIndex { .. })
    ));
    let (root, id) = index(3);
    flip_a_bit(&root.path().join("generations").join(id), "items.blob");
    assert!(matches!(run_error(root.path()).await, RunError::Index(IndexError::Damaged { .. })));
}
