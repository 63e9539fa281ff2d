//! Ingest, Delete, Compact.

use fondue_proto::retrieval::{
    CompactRequest, DeleteRequest, DescribeRequest, FetchRequest, IngestRequest, Picture, SearchRequest,
    Value, value,
};
use tonic::{Code, Status};

use super::Back;
use crate::service::{Client, found, query, refusal, search};

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

async fn fetch(client: &mut Client, id: &str) -> Result<Picture, Status> {
    let asked = FetchRequest { id: id.to_owned(), ..FetchRequest::default() };
    Ok(client.fetch(asked).await?.into_inner().picture.unwrap())
}

pub(crate) async fn what_is_ingested_is_found_and_what_is_deleted_is_not(back: Back) {
    let (mut client, id) = back.serve(5).await;
    assert_eq!(ingest(&mut client, vec![new("b", 7), new("a1", 8)]).await.unwrap(), (2, 1));
    assert_eq!(found(&mut client, search(8, 3)).await.unwrap(), ["a1", "b", "a4"]);
    assert_eq!(delete(&mut client, &["a4", "none", "a0", "a4", ""]).await, 2);
    let asked = SearchRequest { include_data: true, ..search(7, 10) };
    let answer = client.search(asked).await.unwrap().into_inner();
    let ids: Vec<_> = answer.hits.iter().map(|hit| hit.picture.clone().unwrap().id).collect();
    assert_eq!((ids, answer.generation), (["b", "a1", "a3", "a2"].map(str::to_owned).to_vec(), id));
    assert_eq!(answer.hits[0].picture, new("b", 7).picture);
    assert_eq!(Some(fetch(&mut client, "a1").await.unwrap()), new("a1", 8).picture);
    assert_eq!(fetch(&mut client, "a0").await.unwrap_err().code(), Code::NotFound);
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!((described.rows, described.ingested, described.removed), (4, 2, 3));
    assert_eq!(described.fields, [("n".to_owned(), "number".to_owned())].into());
}

pub(crate) async fn what_was_deleted_can_come_again(back: Back) {
    let (mut client, _) = back.serve(3).await;
    for round in 0..3 {
        assert_eq!(delete(&mut client, &["a1"]).await, 1);
        assert_eq!(found(&mut client, search(1, 10)).await.unwrap().len(), 2);
        assert_eq!(delete(&mut client, &["a1"]).await, 0);
        assert_eq!(ingest(&mut client, vec![new("a1", 5 + round)]).await.unwrap(), (1, 0));
        assert_eq!(found(&mut client, search(6, 1)).await.unwrap(), ["a1"]);
        assert_eq!(fetch(&mut client, "a1").await.unwrap().caption, format!("new {}", 5 + round));
    }
    // The exclusion by digest goes by the file that is there now.
    let digest = <sha2::Sha256 as sha2::Digest>::digest(vec![9; 8]).to_vec();
    let without = SearchRequest { excluded_sha256: vec![digest], ..search(6, 10) };
    assert_eq!(found(&mut client, without).await.unwrap(), ["a2", "a0"]);
}

pub(crate) async fn any_id_can_be_one(back: Back) {
    let (mut client, _) = back.serve(1).await;
    let long = "é".repeat(512);
    let ids = [
        "a\"b",
        "\\",
        "\\\"] or id in [\"a0",
        "line\nline\r\t",
        "'",
        "😀\u{2028}\u{0}\u{7f}",
        "{x}",
        "%_*",
        &long,
    ];
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(ingest(&mut client, vec![new(id, n + 1)]).await.unwrap(), (1, 0), "{id:?}");
        assert_eq!(found(&mut client, search(n + 1, 1)).await.unwrap(), [*id]);
        assert_eq!(Some(fetch(&mut client, id).await.unwrap()), new(id, n + 1).picture);
        let without = SearchRequest { excluded_ids: vec![(*id).to_owned()], ..search(n + 1, 10) };
        assert_eq!(found(&mut client, without).await.unwrap(), ["a0"]);
        assert_eq!(delete(&mut client, &[id]).await, 1, "{id:?}");
        assert_eq!(found(&mut client, search(0, 10)).await.unwrap(), ["a0"], "{id:?}");
    }
    let refused = ingest(&mut client, vec![new(&"i".repeat(1025), 1)]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, vec!["picture.id".to_owned()]));
}

pub(crate) async fn a_field_keeps_its_kind(back: Back) {
    let (mut client, _) = back.serve(1).await;
    ingest(&mut client, vec![new("b", 1)]).await.unwrap();
    let mut other = new("c", 2);
    let text = Value { value: Some(value::Value::Text("two".to_owned())) };
    other.picture.as_mut().unwrap().metadata.insert("n".to_owned(), text);
    let refused = ingest(&mut client, vec![new("d", 3), other]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("`n`"), "{refused:?}");
    // Of a batch nothing is taken, or all; the first may have been a batch of its own.
    assert!(!found(&mut client, search(2, 10)).await.unwrap().contains(&"c".to_owned()));
    let mut long = new("e", 4);
    long.embedding.push(1.0);
    let refused = ingest(&mut client, vec![long]).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, vec!["embedding".to_owned()]));
}

pub(crate) async fn one_batch_can_name_a_picture_twice(back: Back) {
    let (mut client, _) = back.serve(2).await;
    let (accepted, replaced) =
        ingest(&mut client, vec![new("b", 5), new("a0", 6), new("b", 7), new("a0", 8)]).await.unwrap();
    assert_eq!((accepted, replaced), (4, 3));
    assert_eq!(found(&mut client, search(8, 10)).await.unwrap(), ["a0", "b", "a1"]);
    assert_eq!(fetch(&mut client, "b").await.unwrap().caption, "new 7");
}

pub(crate) async fn compaction_changes_nothing_that_is_seen(back: Back) {
    let (mut client, first) = back.serve(5).await;
    ingest(&mut client, vec![new("b", 7)]).await.unwrap();
    delete(&mut client, &["a0"]).await;
    let before = found(&mut client, search(3, 10)).await.unwrap();
    let done = client.compact(CompactRequest {}).await.unwrap().into_inner();
    assert_eq!((done.previous.as_str(), done.rows), (first.as_str(), 5));
    // A back end may compact in place.
    assert_eq!(done.generation != first, back.name() == "local");
    assert_eq!(found(&mut client, search(3, 10)).await.unwrap(), before);
    let pinned = SearchRequest { generation: first, ..search(3, 10) };
    assert_eq!(found(&mut client, pinned).await.unwrap(), before);
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!((described.active, described.rows), (done.generation, 5));
}

/// Together more than one answer of Milvus' client can hold.
pub(crate) async fn large_files_come_whole(back: Back) {
    let (mut client, _) = back.serve(1).await;
    for n in 1..5 {
        let mut large = new(&format!("b{n}"), n);
        large.picture.as_mut().unwrap().data = (0..1 << 20).map(|at| (at % 251 + n) as u8).collect();
        ingest(&mut client, vec![large]).await.unwrap();
    }
    let asked = SearchRequest { include_data: true, ..search(4, 4) };
    for hit in client.search(asked).await.unwrap().into_inner().hits {
        let picture = hit.picture.unwrap();
        let n: usize = picture.id[1..].parse().unwrap();
        let whole = picture.data.iter().enumerate().all(|(at, byte)| *byte == (at % 251 + n) as u8);
        assert!(whole && picture.data.len() == 1 << 20, "{}", picture.id);
    }
    // So do descriptions that are long.
    let many: Vec<_> = (0..80)
        .map(|n| {
            let mut long = new(&format!("c{n}"), 20);
            long.picture.as_mut().unwrap().caption = "long ".repeat(13_000);
            long
        })
        .collect();
    ingest(&mut client, many).await.unwrap();
    let hits = client.search(search(20, 80)).await.unwrap().into_inner().hits;
    assert_eq!(hits.len(), 80);
    assert!(hits.iter().all(|hit| hit.picture.as_ref().unwrap().caption.len() == 65_000));
}
