//! Ingest, Delete and Compact through the wire: seen at once, durable, told of when a stream breaks off.

use fondue_proto::retrieval::{
    CompactRequest, Condition, DeleteRequest, DescribeRequest, FetchRequest, IngestRequest, Picture, Range,
    SearchRequest, Value, condition::Test, value,
};
use fondue_serving::status::info_of;
use tonic::{Code, Status};

use crate::service::{Client, found, index, query, refusal, search, start};

fn number(number: f64) -> Value {
    Value { value: Some(value::Value::Number(number)) }
}

fn new(id: &str, n: usize) -> IngestRequest {
    let picture = Picture {
        id: id.to_owned(),
        caption: format!("new {n}"),
        media_type: "image/png".to_owned(),
        data: vec![9; n + 1].into(),
        metadata: [("n".to_owned(), number(n as f64))].into(),
        ..Picture::default()
    };
    IngestRequest { picture: Some(picture), embedding: query(n), ..IngestRequest::default() }
}

async fn ingest(client: &mut Client, new: Vec<IngestRequest>) -> Result<(u64, u64), Status> {
    let done = client.ingest(tokio_stream::iter(new)).await?.into_inner();
    Ok((done.accepted, done.replaced))
}

async fn delete(client: &mut Client, ids: &[&str]) -> u64 {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    client.delete(DeleteRequest { ids }).await.unwrap().into_inner().deleted
}

#[tokio::test]
async fn what_is_ingested_is_found_and_what_is_deleted_is_not() {
    let (root, id) = index(5);
    let mut client = start(root.path(), &[]).await;
    assert_eq!(ingest(&mut client, vec![new("b", 7), new("a1", 8)]).await.unwrap(), (2, 1));
    assert_eq!(found(&mut client, search(8, 3)).await.unwrap(), ["a1", "b", "a4"]);
    assert_eq!(delete(&mut client, &["a4", "none", "a0"]).await, 2);
    let asked = SearchRequest { include_data: true, ..search(7, 10) };
    let answer = client.search(asked).await.unwrap().into_inner();
    let ids: Vec<_> = answer.hits.iter().map(|hit| hit.picture.clone().unwrap().id).collect();
    assert_eq!(
        (ids, answer.generation, answer.exact),
        (["b", "a1", "a3", "a2"].map(str::to_owned).to_vec(), id, true)
    );
    assert_eq!(answer.hits[0].picture, new("b", 7).picture);

    let fetch = |id: &str| FetchRequest { id: id.to_owned(), ..FetchRequest::default() };
    assert_eq!(client.fetch(fetch("a1")).await.unwrap().into_inner().picture, new("a1", 8).picture);
    assert_eq!(client.fetch(fetch("a0")).await.unwrap_err().code(), Code::NotFound);
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!((described.rows, described.ingested, described.removed), (4, 2, 3));
    assert_eq!(described.fields, [("n".to_owned(), "number".to_owned())].into());
}

#[tokio::test]
async fn conditions_hold_for_old_and_new() {
    let (root, _) = index(5);
    let mut client = start(root.path(), &[]).await;
    ingest(&mut client, (0..6).map(|n| new(&format!("b{n}"), n)).collect()).await.unwrap();
    let with = |field: &str, test: Test, negate: bool| SearchRequest {
        conditions: vec![Condition { field: field.to_owned(), test: Some(test), negate }],
        ..search(0, 20)
    };
    let range = Range { above: Some(1.0), at_most: Some(4.0), ..Range::default() };
    let ids = found(&mut client, with("n", Test::Range(range), false)).await.unwrap();
    assert_eq!(ids, ["b2", "b3", "b4"]);
    let things = Value { value: Some(value::Value::Text("things".to_owned())) };
    assert_eq!(
        found(&mut client, with("group", Test::Equals(things.clone()), false)).await.unwrap().len(),
        5
    );
    assert_eq!(found(&mut client, with("group", Test::Equals(things), true)).await.unwrap().len(), 6);
}

#[tokio::test]
async fn compaction_changes_the_generation_and_not_what_is_found() {
    let (root, first) = index(5);
    let mut client = start(root.path(), &[]).await;
    ingest(&mut client, vec![new("b", 7)]).await.unwrap();
    delete(&mut client, &["a0"]).await;
    let before = found(&mut client, search(3, 10)).await.unwrap();
    let done = client.compact(CompactRequest {}).await.unwrap().into_inner();
    assert_eq!((done.previous.as_str(), done.rows), (first.as_str(), 5));
    assert_ne!(done.generation, first);
    assert_eq!(found(&mut client, search(3, 10)).await.unwrap(), before);
    // A dialogue that began with the one before stays with it, changes and all.
    let pinned = SearchRequest { generation: first.clone(), ..search(3, 10) };
    assert_eq!(found(&mut client, pinned).await.unwrap(), before);
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!((described.parent, described.ingested), (first, 0));
    let again = client.compact(CompactRequest {}).await.unwrap().into_inner();
    assert_eq!((&again.generation, &again.previous), (&done.generation, &done.generation));
}

#[tokio::test]
async fn changes_are_compacted_and_collected_behind_the_searches() {
    let (root, first) = index(5);
    let flags = ["--compact-above", "3", "--keep-interval-ms", "10", "--collect-after-seconds", "0"];
    let mut client = start(root.path(), &flags).await;
    ingest(&mut client, (0..4).map(|n| new(&format!("b{n}"), n)).collect()).await.unwrap();
    for _ in 0..1000 {
        let now = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
        if now.active != first && now.generations == [now.active.clone()] {
            assert_eq!((now.rows, now.parent, now.ingested), (9, first, 0));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing was compacted");
}

#[tokio::test]
async fn a_stream_that_breaks_off_tells_what_stays() {
    let (root, _) = index(2);
    let mut client = start(root.path(), &["--batch-rows", "2"]).await;
    let mut wrong = new("b4", 4);
    wrong.embedding.pop();
    let all = vec![new("b1", 1), new("b2", 2), new("b3", 3), wrong, new("b5", 5)];
    let refused = ingest(&mut client, all).await.unwrap_err();
    assert_eq!(refusal(&refused).0, Code::InvalidArgument);
    // Whether the third was durable before the wrong one came, it alone can tell.
    let accepted: usize = info_of(&refused)["accepted"].parse().unwrap();
    assert!((2..=3).contains(&accepted), "{refused:?}");
    assert_eq!(found(&mut client, search(1, 10)).await.unwrap().len(), 2 + accepted);
    let mut unnamed = new("", 1);
    unnamed.picture.as_mut().unwrap().id.clear();
    let refused = ingest(&mut client, vec![new("b3", 3), unnamed]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, vec!["requests[1].picture.id".to_owned()]));
    assert_eq!(info_of(&refused)["accepted"], "1", "what was right before it stays");
    let refused = client.delete(DeleteRequest::default()).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, vec!["ids".to_owned()]));
}

#[tokio::test]
async fn a_second_service_reads_and_says_who_may_change() {
    let (root, _) = index(2);
    let mut client = start(root.path(), &[]).await;
    let mut second = start(root.path(), &[]).await;
    ingest(&mut client, vec![new("b", 1)]).await.unwrap();
    let refused = ingest(&mut second, vec![new("c", 1)]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("another process"), "{refused:?}");
    assert_eq!(found(&mut second, search(1, 10)).await.unwrap().len(), 2);
}
