//! A Milvus server that is away, comes back, or was never asked in the right way.

use std::time::{Duration, Instant};

use fondue_proto::retrieval::{DescribeRequest, IngestRequest, Picture, SearchRequest};
use tonic::Code;

use crate::{
    conformance::back::Back,
    lite::Lite,
    service::{Client, found, query, refusal, search},
};

fn new(id: &str, n: usize, bytes: usize) -> IngestRequest {
    let picture = Picture { id: id.to_owned(), data: vec![1; bytes].into(), ..Picture::default() };
    IngestRequest { picture: Some(picture), embedding: query(n), ..IngestRequest::default() }
}

/// Waits for the server to be reached again.
async fn found_again(client: &mut Client, asked: SearchRequest) -> Vec<String> {
    let begun = Instant::now();
    loop {
        match found(client, asked.clone()).await {
            Ok(ids) => return ids,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                assert!(begun.elapsed() < Duration::from_secs(30), "{status:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_loses_nothing_and_is_reached_again() {
    let mut server = Lite::start();
    let back = Back::milvus(server.url(), "crash");
    let (mut client, _) = back.serve(3).await;
    client.ingest(tokio_stream::iter([new("b", 7, 10)])).await.unwrap();
    server.kill();
    let begun = Instant::now();
    let refused = client.search(search(0, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.message().contains("Milvus") && begun.elapsed() < Duration::from_secs(20), "{refused:?}");
    let refused = client.ingest(tokio_stream::iter([new("c", 8, 10)])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    server.start_again();
    assert_eq!(found_again(&mut client, search(7, 2)).await, ["b", "a2"]);
    client.ingest(tokio_stream::iter([new("c", 8, 10)])).await.unwrap();
    assert_eq!(found(&mut client, search(8, 1)).await.unwrap(), ["c"]);
    // What Milvus' columns do not hold is refused by name.
    let refused = client.ingest(tokio_stream::iter([new("d", 8, (2 << 20) + 1)])).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, vec!["picture.data".to_owned()]), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_its_server_and_an_approximate_index_says_so() {
    let mut server = Lite::start();
    let back = Back::milvus(server.url(), "late");
    let id = back.publish_with("a", 9, &["--milvus-index", "hnsw"]).await;
    back.activate(&id).await;
    server.kill();
    let mut client = back.spawn().await;
    let refused = client.search(search(0, 1)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    server.start_again();
    assert_eq!(found_again(&mut client, search(2, 1)).await, ["a2"]);
    let answer = client.search(SearchRequest { effort: 50, ..search(2, 9) }).await.unwrap().into_inner();
    assert_eq!((answer.hits.len(), answer.exact), (9, false));
    let refused = client.search(SearchRequest { exact: true, ..search(2, 9) }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains("--milvus-index flat"), "{refused:?}");
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert!(described.has_graph);
    // Loading again what is there changes nothing.
    assert_eq!(back.publish_with("a", 9, &["--milvus-index", "hnsw"]).await, id);
    assert_eq!(client.describe(DescribeRequest::default()).await.unwrap().into_inner(), described);
}
