//! The main path: pictures and text in, streamed text and found pictures out.

use std::collections::HashSet;

use anyhow::Result;
use fondue_harness::{Cluster, Flags};
use fondue_proto::{
    dialogue::{
        Compat, ConverseRequest, FinishReason, OpenDialogue, RetrieveRequest, ScoreRequest, TurnOptions,
        converse_request::Action, image_unavailable::Reason,
    },
    vision::{Compat as VisionCompat, EncodeRequest, Fit, Image as VisionImage},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::said::{Heard, hear, image, pictures, reply, text, turn};

#[tokio::test]
async fn one_turn_streams_its_text() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let options = TurnOptions { max_images: Some(0), ..TurnOptions::default() };
    let heard = reply(&cluster, turn(vec![text("What is your name?")], options)).await?;
    assert_eq!(heard.text(), "My name is Fondue.", "the shipped model's answer");
    assert!(heard.deltas.len() > 3, "token by token, not at once: {:?}", heard.deltas);
    assert_eq!(heard.done().reason(), FinishReason::Stop);
    let usage = heard.done().usage.unwrap();
    assert!(usage.prompt_tokens > 8 && usage.generated_tokens > 5, "{usage:?}");
    Ok(())
}

#[tokio::test]
async fn a_conversation_finds_no_picture_twice() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let (say, said) = mpsc::channel(8);
    let open = OpenDialogue { defaults: Some(pictures(2)), ..OpenDialogue::default() };
    say.send(ConverseRequest { action: Some(Action::Open(open)) }).await?;
    let mut events = cluster.dialogue()?.converse(ReceiverStream::new(said)).await?.into_inner();

    let shown = cluster.picture(3)?;
    let mut seen = HashSet::new();
    for n in 0..6 {
        let mut parts = vec![text("Another one, please?")];
        if n == 0 {
            parts.insert(0, image(shown.clone()));
        }
        say.send(ConverseRequest { action: Some(Action::Turn(turn(parts, TurnOptions::default()))) }).await?;
        let heard = hear(&mut events).await?;
        assert_eq!(heard.images.len(), 2, "{heard:?}");
        for found in &heard.images {
            assert!(seen.insert(found.id.clone()), "{} was found before", found.id);
            assert_ne!(found.data.as_ref(), shown, "a picture that the user showed is not found");
            image::load_from_memory(&found.data)?;
            assert_eq!(found.media_type, "image/png");
            assert!(found.caption.starts_with("stripes number"));
        }
        check_transcript(&heard);
    }
    drop(say);
    assert!(events.message().await?.is_none(), "the stream ends when the client leaves");
    Ok(())
}

/// Every [RET] of the transcript is told of once, as a picture or as the lack of one.
fn check_transcript(heard: &Heard) {
    let transcript = &heard.done().transcript;
    let told: HashSet<u32> = heard
        .images
        .iter()
        .map(|image| image.ret_index)
        .chain(heard.unavailable.iter().map(|unavailable| unavailable.ret_index))
        .collect();
    assert_eq!(transcript.matches("[RET]").count(), told.len(), "{transcript:?}");
}

#[tokio::test]
async fn the_limits_on_pictures_hold() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let options = TurnOptions { max_images_per_ret: Some(3), ..pictures(5) };
    let heard = reply(&cluster, turn(vec![text("Show me things")], options)).await?;
    let per_ret = |ret: u32| heard.images.iter().filter(|image| image.ret_index == ret).count();
    assert_eq!((per_ret(0), per_ret(1), heard.images.len()), (3, 2, 5), "{heard:?}");
    let ranks: Vec<u32> = heard.images.iter().filter(|i| i.ret_index == 0).map(|image| image.rank).collect();
    assert_eq!(ranks, [0, 1, 2]);
    assert!(heard.unavailable.iter().all(|lack| lack.reason() == Reason::Limit));
    // More pictures wanted than there are: all come, then there are none left.
    let all = TurnOptions { max_images_per_ret: Some(16), max_new_tokens: Some(6), ..pictures(32) };
    let heard = reply(&cluster, turn(vec![text("Show me all")], all)).await?;
    assert_eq!(heard.images.len(), fondue_harness::GALLERY);
    assert!(
        heard.unavailable.iter().any(|lack| lack.reason() == Reason::NoneLeft),
        "{:?}",
        heard.unavailable
    );
    Ok(())
}

#[tokio::test]
async fn retrieve_and_score_answer_without_generating() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let request = RetrieveRequest {
        parts: vec![image(cluster.picture(1)?), text("something else")],
        k: Some(4),
        include_data: true,
        ..RetrieveRequest::default()
    };
    let images = cluster.dialogue()?.retrieve(request).await?.into_inner().images;
    assert_eq!(images.len(), 4);
    assert!(images.is_sorted_by(|a, b| a.score >= b.score), "best first");
    assert!(!images[0].data.is_empty());
    let candidates = vec![" Yes, here is a rocket.".to_owned(), " xylophone".to_owned()];
    let request = ScoreRequest {
        parts: vec![text("Q: Can you find a rocket?\nA:")],
        candidates,
        ..ScoreRequest::default()
    };
    let scores = cluster.dialogue()?.score(request).await?.into_inner().scores;
    assert!(scores[0].log_likelihood > scores[1].log_likelihood, "{scores:?}");
    Ok(())
}

#[tokio::test]
async fn seeds_repeat_answers() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let mut texts = Vec::new();
    for seed in [1, 1, 2] {
        let options = TurnOptions { temperature: Some(4.0), seed: Some(seed), ..TurnOptions::default() };
        texts.push(reply(&cluster, turn(vec![text("Hello")], options)).await?.text());
    }
    assert_eq!(texts[0], texts[1]);
    assert_ne!(texts[0], texts[2]);
    Ok(())
}

#[tokio::test]
async fn the_published_behaviour_goes_through_all_services() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let compat = Compat::Reference as i32;
    let options = TurnOptions { max_images: Some(0), compat, ..TurnOptions::default() };
    let heard = reply(&cluster, turn(vec![text("What is your name?")], options)).await?;
    assert_eq!(heard.deltas, [" My name is Fondue."], "whole, and with its blank");

    // One picture, and nothing behind it.
    let options = TurnOptions { compat, ..pictures(1) };
    let heard = reply(&cluster, turn(vec![text("Can you find a rocket?")], options)).await?;
    assert_eq!((heard.images.len(), heard.done().reason()), (1, FinishReason::Stop));
    assert_eq!(heard.done().transcript, format!("{} [RET]", heard.text()));

    // A picture before the text moves the place that the query is read at; its fit is another one too.
    let ranked = async |compat: Compat, picture: bool| {
        let mut parts = vec![text("something else [RET]")];
        if picture {
            parts.insert(0, image(cluster.picture(1)?));
        }
        let request = RetrieveRequest { parts, compat: compat as i32, ..RetrieveRequest::default() };
        let images = cluster.dialogue()?.retrieve(request).await?.into_inner().images;
        anyhow::Ok(images.into_iter().map(|image| image.score).collect::<Vec<_>>())
    };
    assert_eq!(ranked(Compat::Reference, false).await?, ranked(Compat::Off, false).await?);
    assert_ne!(ranked(Compat::Reference, true).await?, ranked(Compat::Off, true).await?);
    let request =
        RetrieveRequest { parts: vec![text("something else")], compat, ..RetrieveRequest::default() };
    let refused = cluster.dialogue()?.retrieve(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("[RET]"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_palette_is_squashed_by_neighbours_as_the_published_code_does_it() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let rgb = image::RgbImage::from_fn(90, 40, |x, y| image::Rgb([(x * 2) as u8, (y * 6) as u8, 90]));
    let encoded = |format| {
        let mut file = std::io::Cursor::new(Vec::new());
        image::DynamicImage::from(rgb.clone()).write_to(&mut file, format).map(|()| file.into_inner())
    };
    let features = async |data: &[u8], compat: VisionCompat, fit: Fit| {
        let image = VisionImage { data: data.to_vec().into(), fit: fit as i32, compat: compat as i32 };
        let request = EncodeRequest { images: vec![image] };
        let mut features = cluster.vision_client()?.encode(request).await?.into_inner().features;
        anyhow::Ok(features.remove(0).values)
    };
    let (palette, colours) = (encoded(image::ImageFormat::Gif)?, encoded(image::ImageFormat::Png)?);
    let (off, reference) = (VisionCompat::Unspecified, VisionCompat::Reference);
    assert_ne!(
        features(&palette, off, Fit::Squash).await?,
        features(&palette, reference, Fit::Squash).await?
    );
    // What is in full colours, or cropped, is the same to both.
    assert_eq!(
        features(&colours, off, Fit::Squash).await?,
        features(&colours, reference, Fit::Squash).await?
    );
    assert_eq!(features(&palette, off, Fit::Crop).await?, features(&palette, reference, Fit::Crop).await?);
    Ok(())
}
