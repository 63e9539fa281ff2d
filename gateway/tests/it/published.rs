//! The published behaviour as far as the gateway makes it, and the right one beside it.

use fondue_proto::{
    dialogue::{Compat, RetrieveRequest, TurnOptions},
    language,
    vision::Fit,
};

use crate::{
    fakes::language::Step::{Ret, Text},
    scene::{Scene, done, image, images, text, turn, turn_with},
};

const REFERENCE: [&str; 2] = ["--compat", "reference"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_reaches_language_and_vision() {
    let (off, reference) = (Compat::Off as i32, Compat::Reference as i32);
    for (flags, compat, expected) in [
        (&[][..], 0, false),
        (&[][..], reference, true),
        (&REFERENCE[..], 0, true),
        (&REFERENCE[..], off, false),
    ] {
        let scene = Scene::with(flags).await;
        let options =
            TurnOptions { compat, max_images: Some(5), max_images_per_ret: Some(2), ..Default::default() };
        scene.reply(turn_with([image("a"), text("hi")], options)).await.unwrap().turn().await;
        let asked = scene.language.asked().remove(0);
        assert_eq!(asked.compat() == language::Compat::Reference, expected);
        let max_rets = asked.sampling.unwrap().max_rets.unwrap();
        let fit = if expected { Fit::Squash } else { Fit::Crop };
        // Pictures in all; or [RET]s to look up, two pictures each.
        assert_eq!((max_rets, scene.vision.manners()), (if expected { 3 } else { 5 }, vec![(fit, expected)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn white_space_at_the_start_is_left_out_but_not_by_the_published_code() {
    for (flags, answer) in [(&[][..], "It is so."), (&REFERENCE[..], " It is so.")] {
        let scene = Scene::with(flags).await;
        scene.language.will([Text(" It"), Text(" is so.")]);
        let kinds = scene.reply(turn([text("is it?")])).await.unwrap().turn().await;
        assert_eq!((done(&kinds).text.as_str(), done(&kinds).transcript.as_str()), (answer, answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_earlier_turns_come_again_only_from_the_published_code() {
    for (flags, second) in [(&[][..], "two"), (&REFERENCE[..], "one")] {
        let scene = Scene::with(flags).await;
        let mut conversation = scene.converse().await;
        let mut found = Vec::new();
        for _ in 0..2 {
            scene.language.will([Ret(1.0)]);
            let options = TurnOptions { max_images: Some(1), ..TurnOptions::default() };
            let kinds = conversation.turn(turn_with([text("show me")], options)).await;
            found.push(images(&kinds)[0].id.clone());
        }
        assert_eq!(found, ["one", second]);
        // Within one turn none comes twice in either.
        scene.language.will([Ret(1.0), Ret(2.0)]);
        let kinds = conversation.turn(turn([text("show me two")])).await;
        let ids: Vec<_> = images(&kinds).iter().map(|image| image.id.as_str()).collect();
        assert!(ids.len() < 2 || ids[0] != ids[1], "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retrieval_adds_a_missing_ret_but_not_for_the_published_code() {
    for (flags, prompt, compat) in [
        (&[][..], "a drawing[RET]", language::Compat::Unspecified),
        (&REFERENCE[..], "a drawing", language::Compat::Reference),
    ] {
        let scene = Scene::with(flags).await;
        let request = RetrieveRequest { parts: vec![text("a drawing")], ..RetrieveRequest::default() };
        scene.client.clone().retrieve(request).await.unwrap();
        assert_eq!(
            (scene.language.queried(), scene.language.queried_as()),
            (vec![prompt.to_owned()], compat)
        );
    }
}
