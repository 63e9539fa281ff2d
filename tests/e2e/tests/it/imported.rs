//! A turn over an index of published embeddings: pictures are found by their URLs, as the index has no others.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Parser;
use fondue_embed::import::{Args, run};
use fondue_harness::{Cluster, Flags, model};
use fondue_proto::{
    dialogue::{ConverseRequest, OpenDialogue, TurnOptions, converse_request::Action},
    language, retrieval, vision,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::said::{Heard, hear, image, pictures, text, turn};

/// Imports twelve rows, whose vectors say nothing, into the cluster's index and activates them.
async fn import(cluster: &Cluster) -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/embed/tests/data/shipped.pkl");
    let words: [PathBuf; 6] =
        ["import".into(), file, "--index".into(), cluster.index(), "--model".into(), model()];
    let args = Args::try_parse_from(words)?;
    let report = tokio::task::spawn_blocking(move || run(&args)).await??;
    let asked = retrieval::ActivateRequest { generation: String::new() };
    let active = cluster.retrieval_client()?.activate(asked).await?.into_inner().active;
    assert_eq!(active, report.generation);
    Ok(active)
}

#[tokio::test]
async fn pictures_without_bytes_are_found_by_their_urls_each_once() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let shown = cluster.picture(3)?;
    let generation = import(&cluster).await?;
    let (say, said) = mpsc::channel(8);
    // Fed back as far as there is anything to feed back.
    let defaults = TurnOptions { feed_back_images: Some(true), ..pictures(4) };
    let open = OpenDialogue { defaults: Some(defaults), ..OpenDialogue::default() };
    say.send(ConverseRequest { action: Some(Action::Open(open)) }).await?;
    let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();
    let mut urls = HashSet::new();
    for n in 0..4 {
        let mut parts = vec![text("Another one, please?")];
        if n == 0 {
            parts.insert(0, image(shown.clone()));
        }
        say.send(ConverseRequest { action: Some(Action::Turn(turn(parts, TurnOptions::default()))) }).await?;
        let heard: Heard = hear(&mut events).await?;
        assert!(heard.done.is_some(), "{heard:?}");
        for found in &heard.images {
            assert!(found.url.starts_with("https://example.org/") && found.url == found.id, "{found:?}");
            assert!(found.data.is_empty() && found.media_type.is_empty() && found.caption.is_empty());
            assert_eq!(found.generation, generation);
            assert!(urls.insert(found.url.clone()), "{} was found before", found.url);
        }
        // Twelve there are: three turns of four, then none is left.
        assert_eq!(heard.images.len(), if n < 3 { 4 } else { 0 }, "turn {n}: {heard:?}");
    }
    assert_eq!(urls.len(), 12);
    Ok(())
}

#[tokio::test]
async fn what_was_built_and_what_was_imported_name_the_models_of_the_services() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let language = cluster.language_client()?.describe(language::DescribeRequest {}).await?.into_inner();
    let vision = cluster.vision_client()?.describe(vision::DescribeRequest {}).await?.into_inner();
    let both = (language.fingerprint, vision.fingerprint);
    assert!(!both.0.is_empty() && !both.1.is_empty());
    for imported in [false, true] {
        if imported {
            import(&cluster).await?;
        }
        let index =
            cluster.retrieval_client()?.describe(retrieval::DescribeRequest::default()).await?.into_inner();
        assert_eq!((index.fingerprint, index.vision_fingerprint), both, "imported: {imported}");
    }
    Ok(())
}
