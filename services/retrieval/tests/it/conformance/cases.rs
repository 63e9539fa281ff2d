//! Searches, files, generations, refusals.

use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, DescribeRequest, DescribeResponse, FetchRequest, Picture,
    SearchRequest, SearchResponse,
};
use tonic::Code;

use super::Back;
use crate::service::{DIM, found, query, refusal, search};

pub(crate) async fn the_nearest_come_first(back: Back) {
    let (mut client, id) = back.serve(10).await;
    let SearchResponse { hits, generation, exact } = client.search(search(0, 4)).await.unwrap().into_inner();
    assert_eq!((generation, exact), (id, true));
    for (n, hit) in hits.iter().enumerate() {
        assert_eq!(hit.picture.as_ref().unwrap().id, format!("a{n}"));
        assert!((hit.score - (n as f32 * 0.1).cos()).abs() < 1e-6, "{hit:?}");
    }
    assert_eq!(hits.len(), 4);
    let expected = Picture {
        id: "a3".to_owned(),
        caption: "picture 3".to_owned(),
        group: "things".to_owned(),
        media_type: "image/png".to_owned(),
        url: "https://example.org/3.png".to_owned(),
        ..Picture::default()
    };
    let described = hits[3].picture.clone().unwrap();
    // A file that is not stored has no type; the index decides.
    assert_eq!(Picture { media_type: expected.media_type.clone(), ..described }, expected);

    // A query of any length finds the same; more than there are is all.
    let long =
        SearchRequest { query: query(3).iter().map(|value| value * 1e20).collect(), ..search(3, 1000) };
    let all = found(&mut client, long).await.unwrap();
    assert_eq!((all.len(), all[0].as_str()), (10, "a3"));
    let exact = SearchRequest { exact: true, effort: 7, ..search(9, 2) };
    assert_eq!(found(&mut client, exact).await.unwrap(), ["a9", "a8"]);
}

pub(crate) async fn files_come_if_they_are_asked_for_and_fit(back: Back) {
    let id = back.publish("a", 5).await;
    back.activate(&id).await;
    let mut client = back.start(&["--max-data-bytes", "8"]).await;
    let hits = client.search(search(0, 5)).await.unwrap().into_inner().hits;
    assert!(hits.iter().all(|hit| hit.picture.as_ref().unwrap().data.is_empty()));
    let asked = SearchRequest { include_data: true, ..search(0, 5) };
    let hits = client.search(asked).await.unwrap().into_inner().hits;
    let files: Vec<_> = hits.iter().map(|hit| hit.picture.as_ref().unwrap().data.to_vec()).collect();
    // 1 + 2 + 3 bytes fit, the fourth has none, the next 5 do not.
    assert_eq!(files, [vec![0; 1], vec![1; 2], vec![2; 3], vec![], vec![]]);
}

pub(crate) async fn what_is_excluded_is_not_found(back: Back) {
    let (mut client, _) = back.serve(10).await;
    let asked = SearchRequest {
        excluded_ids: vec!["a0".to_owned(), "unknown".to_owned(), "\"] or id != \"".to_owned()],
        excluded_sha256: vec![vec![2; 32]],
        ..search(0, 3)
    };
    assert_eq!(found(&mut client, asked).await.unwrap(), ["a1", "a3", "a4"]);
    let many = SearchRequest {
        excluded_ids: (2..10_002).map(|n| format!("a{n}")).collect(),
        excluded_sha256: (0..=255).map(|n| vec![n; 32]).filter(|digest| digest[0] != 1).collect(),
        ..search(0, 10)
    };
    assert_eq!(found(&mut client, many).await.unwrap(), ["a1"]);
    let all = SearchRequest { excluded_ids: (0..10).map(|n| format!("a{n}")).collect(), ..search(0, 10) };
    assert!(found(&mut client, all).await.unwrap().is_empty());
}

pub(crate) async fn generations_can_be_pinned_and_activated(back: Back) {
    let (mut client, first) = back.serve(3).await;
    let second = back.publish("b", 4).await;
    let pinned = |id: &str| SearchRequest { generation: id.to_owned(), ..search(0, 1) };
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["a0"]);
    assert_eq!(found(&mut client, pinned(&second)).await.unwrap(), ["b0"]);

    let activate = |id: &str| ActivateRequest { generation: id.to_owned() };
    let answer = client.activate(activate(&second)).await.unwrap().into_inner();
    assert_eq!(answer, ActivateResponse { active: second.clone(), previous: first.clone() });
    assert_eq!(found(&mut client, search(0, 1)).await.unwrap(), ["b0"]);
    assert_eq!(found(&mut client, pinned(&first)).await.unwrap(), ["a0"]);
    let again = client.activate(activate("")).await.unwrap().into_inner();
    assert_eq!(again, ActivateResponse { active: second.clone(), previous: second.clone() });

    for unknown in ["g0123456789abcdef", "../..", "g0123456789abcde\" or id != \"", "generations"] {
        let refused = client.activate(activate(unknown)).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]), "{refused:?}");
        let refused = client.search(pinned(unknown)).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]), "{refused:?}");
    }
    let described = client.describe(DescribeRequest::default()).await.unwrap().into_inner();
    assert_eq!(described.active, second);
}

pub(crate) async fn pictures_are_fetched(back: Back) {
    let (mut client, first) = back.serve(3).await;
    let second = back.publish("b", 3).await;
    let ask =
        |id: &str, generation: &str| FetchRequest { id: id.to_owned(), generation: generation.to_owned() };
    let fetched = client.fetch(ask("a2", "")).await.unwrap().into_inner();
    let picture = fetched.picture.unwrap();
    assert_eq!(
        (fetched.generation, picture.id, picture.caption, picture.data.to_vec()),
        (first, "a2".to_owned(), "picture 2".to_owned(), vec![2; 3])
    );
    assert_eq!(client.fetch(ask("b1", &second)).await.unwrap().into_inner().generation, second);
    for (id, generation, field) in
        [("a9", "", "id"), ("a2", second.as_str(), "id"), ("a2", "gffffffffffffffff", "generation")]
    {
        let refused = client.fetch(ask(id, generation)).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::NotFound, vec![field.to_owned()]), "{refused:?}");
    }
}

pub(crate) async fn the_index_is_described(back: Back) {
    let (mut client, first) = back.serve(5).await;
    let second = back.publish("b", 3).await;
    let describe = |id: &str| DescribeRequest { generation: id.to_owned() };
    let described = client.describe(describe(&second)).await.unwrap().into_inner();
    let mut generations = vec![first.clone(), second.clone()];
    generations.sort();
    let expected = DescribeResponse {
        generation: second,
        active: first,
        generations,
        rows: 3,
        dim: DIM as u32,
        fingerprint: "the model".to_owned(),
        vision_fingerprint: "the tower".to_owned(),
        created_seconds: described.created_seconds,
        precision: "f32".to_owned(),
        backend: back.name().to_owned(),
        ..DescribeResponse::default()
    };
    assert!(described.created_seconds > 1_700_000_000);
    assert_eq!(described, expected);
    let refused = client.describe(describe("g0123456789abcdef")).await.unwrap_err();
    assert_eq!(refusal(&refused), (Code::NotFound, vec!["generation".to_owned()]));
}

pub(crate) async fn wrong_requests_are_refused(back: Back) {
    let id = back.publish("a", 5).await;
    back.activate(&id).await;
    let mut client = back.start(&["--max-k", "20", "--max-excluded", "2"]).await;
    for (asked, field) in [
        (SearchRequest { query: vec![1.0; DIM + 1], ..search(0, 1) }, "query"),
        (SearchRequest { query: vec![0.0; DIM], ..search(0, 1) }, "query"),
        (SearchRequest { query: vec![f32::NAN; DIM], ..search(0, 1) }, "query"),
        (search(0, 0), "k"),
        (search(0, 21), "k"),
        (SearchRequest { excluded_ids: vec![String::new(); 3], ..search(0, 1) }, "excluded_ids"),
        (SearchRequest { excluded_sha256: vec![vec![0; 31]], ..search(0, 1) }, "excluded_sha256[0]"),
    ] {
        let refused = client.search(asked).await.unwrap_err();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, vec![field.to_owned()]), "{refused:?}");
    }
}
