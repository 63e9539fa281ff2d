//! Pictures through the gateway into the index: seen, placed, handed on, and what stops a stream.

use fondue_proto::retrieval::{DeleteRequest, IngestResponse, Picture};
use fondue_serving::status::{info_of, violations_of};
use tonic::{Code, Status};

use crate::scene::Scene;

const WRITABLE: &str = "--gallery-writable";

fn picture(id: &str, data: &str) -> Picture {
    Picture { id: id.to_owned(), data: data.to_owned().into(), ..Picture::default() }
}

async fn ingest(scene: &Scene, pictures: Vec<Picture>) -> Result<IngestResponse, Status> {
    let sent = scene.gallery.clone().ingest(tokio_stream::iter(pictures)).await;
    sent.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gallery_is_read_only_unless_its_operator_says_otherwise() {
    let scene = Scene::new().await;
    let added = ingest(&scene, vec![picture("a", "apple")]).await.unwrap_err();
    let removed = scene.gallery.clone().delete(DeleteRequest { ids: vec!["one".to_owned()] }).await;
    for refused in [added, removed.unwrap_err()] {
        assert_eq!(refused.code(), Code::Unimplemented);
        assert!(refused.message().contains("gallery_writable"), "{refused:?}");
    }
    assert!(scene.retrieval.ingested().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_seen_and_placed_by_what_they_show() {
    let scene = Scene::with(&[WRITABLE, "--vision-batch", "2"]).await;
    let pictures = vec![picture("a", "apple"), picture("taken", "bee"), picture("c", "cc")];
    let done = ingest(&scene, pictures.clone()).await.unwrap();
    assert_eq!(done, IngestResponse { accepted: 3, replaced: 1, generation: "first".to_owned() });
    let ingested = scene.retrieval.ingested();
    let embeddings: Vec<_> = ingested.iter().map(|new| new.embedding.clone()).collect();
    assert_eq!(embeddings, [vec![97.0, 5.0, 7.0], vec![98.0, 3.0, 7.0], vec![99.0, 2.0, 7.0]]);
    let kept: Vec<_> = ingested.into_iter().filter_map(|new| new.picture).collect();
    assert_eq!(kept, pictures);
    assert!(scene.vision.batches().iter().all(|size| *size <= 2), "{:?}", scene.vision.batches());
    assert_eq!(ingest(&scene, Vec::new()).await.unwrap(), IngestResponse::default());

    let ids = ["one", "three", "none"].map(str::to_owned).to_vec();
    let removed = scene.gallery.clone().delete(DeleteRequest { ids }).await.unwrap().into_inner();
    assert_eq!((removed.deleted, removed.generation.as_str()), (2, "first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_tells_what_stays() {
    let scene = Scene::with(&[WRITABLE, "--vision-batch", "1"]).await;
    let cases = [
        (picture("b", "bad"), Code::InvalidArgument, vec!["pictures[1].data"]),
        (picture("b", ""), Code::InvalidArgument, vec!["pictures[1].data"]),
        (picture("two", "x"), Code::Unavailable, vec![]),
    ];
    for (wrong, code, fields) in cases {
        let refused =
            ingest(&scene, vec![picture("a", "apple"), wrong, picture("c", "c")]).await.unwrap_err();
        let named: Vec<_> = violations_of(&refused).into_iter().map(|violation| violation.field).collect();
        assert_eq!((refused.code(), named), (code, fields.iter().map(|f| f.to_string()).collect()));
        assert_eq!(info_of(&refused)["accepted"], "1", "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_do_not_get_into_another_models_index() {
    let scene = Scene::with(&[WRITABLE]).await;
    scene.vision.be("a tower");
    scene.retrieval.made_by("a model");
    scene.retrieval.seen_by("another tower");
    let refused = ingest(&scene, vec![picture("a", "apple")]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("another model"), "{refused:?}");
    assert!(scene.retrieval.ingested().is_empty());
}
