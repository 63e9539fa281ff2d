//! Search and Fetch, and what they refuse.

use fondue_proto::retrieval::{FetchRequest, Picture, SearchRequest, SearchResponse};
use tonic::Code;

use crate::service::{DIM, found, index, query, refusal, search, start};

#[tokio::test]
async fn the_nearest_come_first_with_what_is_known_of_them() {
    let (root, id) = index(10);
    let mut client = start(root.path(), &[]).await;
    let asked = SearchRequest { include_data: true, ..search(3, 3) };
    let SearchResponse { hits, generation, .. } = client.search(asked).await.unwrap().into_inner();
    assert_eq!(generation, id);
    // 2 and 4 are equally far but for rounding.
    assert_eq!(hits[0].picture.as_ref().unwrap().id, "a3");
    assert!((hits[0].score - 1.0).abs() < 1e-6 && (hits[1].score - 0.1f32.cos()).abs() < 1e-6, "{hits:?}");
    let at_url = hits[0].picture.clone().unwrap();
    let expected = Picture {
        id: "a3".to_owned(),
        caption: "picture 3".to_owned(),
        group: "things".to_owned(),
        url: "https://example.org/3.png".to_owned(),
        ..Picture::default()
    };
    assert_eq!(at_url, expected);
    for hit in &hits[1..] {
        let picture = hit.picture.as_ref().unwrap();
        let n: u8 = picture.id[1..].parse().unwrap();
        assert_eq!(
            (picture.data.to_vec(), picture.media_type.as_str()),
            (vec![n; n as usize + 1], "image/png")
        );
    }

    // A query of any length finds the same; more than there are is all; pictures only if asked for.
    let long =
        SearchRequest { query: query(3).iter().map(|value| value * 1e20).collect(), ..search(3, 1000) };
    let hits = client.search(long).await.unwrap().into_inner().hits;
    assert_eq!((hits.len(), hits[0].picture.as_ref().unwrap().id.as_str()), (10, "a3"));
    assert!(hits.iter().all(|hit| hit.picture.as_ref().unwrap().data.is_empty()));
}

#[tokio::test]
async fn what_is_excluded_is_not_found() {
    let (root, _) = index(10);
    let mut client = start(root.path(), &[]).await;
    let asked = SearchRequest {
        excluded_ids: vec!["a0".to_owned(), "unknown".to_owned()],
        excluded_sha256: vec![vec![2; 32]],
        ..search(0, 3)
    };
    assert_eq!(found(&mut client, asked).await.unwrap(), ["a1", "a3", "a4"]);
}

#[tokio::test]
async fn pictures_beyond_the_limit_of_an_answer_come_without_bytes() {
    let (root, _) = index(10);
    let mut client = start(root.path(), &["--max-data-bytes", "4"]).await;
    let asked = SearchRequest { include_data: true, ..search(0, 3) };
    let hits = client.search(asked).await.unwrap().into_inner().hits;
    // 1 + 2 bytes fit, the next 3 do not.
    let lengths: Vec<usize> = hits.iter().map(|hit| hit.picture.as_ref().unwrap().data.len()).collect();
    assert_eq!(lengths, [1, 2, 0]);
}

#[tokio::test]
async fn wrong_requests_are_refused_by_field() {
    let (root, _) = index(5);
    let mut client = start(root.path(), &["--max-k", "20", "--max-excluded", "2"]).await;
    let cases = [
        (SearchRequest { query: vec![1.0; DIM + 1], ..search(0, 1) }, "query"),
        (SearchRequest { query: vec![0.0; DIM], ..search(0, 1) }, "query"),
        (SearchRequest { query: vec![f32::NAN; DIM], ..search(0, 1) }, "query"),
        (search(0, 0), "k"),
        (search(0, 21), "k"),
        (SearchRequest { excluded_ids: vec![String::new(); 3], ..search(0, 1) }, "excluded_ids"),
        (SearchRequest { excluded_sha256: vec![vec![0; 31]], ..search(0, 1) }, "excluded_sha256[0]"),
    ];
    for (asked, field) in cases {
        let refused = client.search(asked).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, vec![field.to_owned()]), "{refused:?}");
        assert!(refused.message().starts_with(field), "{refused:?}");
    }
    for generation in ["g0000000000000000", "../..", "nonsense"] {
        let generation = generation.to_owned();
        let refused = client.search(SearchRequest { generation, ..search(0, 1) }).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]), "{refused:?}");
    }
}

#[tokio::test]
async fn a_picture_is_fetched_by_its_id() {
    let (root, id) = index(5);
    let mut client = start(root.path(), &[]).await;
    let ask =
        |id: &str, generation: &str| FetchRequest { id: id.to_owned(), generation: generation.to_owned() };
    let fetched = client.fetch(ask("a2", "")).await.unwrap().into_inner();
    let picture = fetched.picture.unwrap();
    assert_eq!((fetched.generation, picture.id, picture.data.to_vec()), (id, "a2".to_owned(), vec![2; 3]));
    let refused = client.fetch(ask("a9", "")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, vec!["id".to_owned()]));
    let refused = client.fetch(ask("a2", "gffffffffffffffff")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]));
}
