//! Prompts that do not fit begin at a later turn.

use fondue_proto::language::FinishReason;
use fondue_serving::status::violations_of;
use tonic::Code;

use crate::scene::{Scene, text};

const LAST: &str = "Q: Can you find a rocket?\nA:";

fn held(n: usize) -> String {
    format!("Q: Can you find rocket number {n}?\nA: Yes, here is a rocket.\n")
}

/// A dialogue of so many turns before the last, and where in it turns begin.
fn dialogue(n_turns: usize) -> (String, Vec<usize>) {
    let (mut all, mut begins) = (String::new(), Vec::new());
    for n in 0..n_turns {
        all += &held(n);
        begins.push(all.len());
    }
    (all + LAST, begins)
}

#[tokio::test]
async fn a_prompt_begins_at_the_first_turn_from_which_it_fits() {
    let scene = Scene::with(&[]).await;
    let (all, begins) = dialogue(60);
    let cuts: Vec<_> = begins.iter().map(|byte| (0, *byte)).collect();
    let new_tokens = 20;
    let max_positions = scene.facts.max_positions;
    let whole = scene.generate(vec![text(&all)], &[], new_tokens).await.unwrap_err();
    assert_eq!((whole.code(), violations_of(&whole)[0].field.as_str()), (Code::InvalidArgument, "parts"));

    let told = scene.generate(vec![text(&all)], &cuts, new_tokens).await.unwrap();
    let first = told.started.cut as usize;
    assert!(first > 1 && first < cuts.len(), "{told:?}");
    assert_eq!(told.started.max_positions, max_positions);
    assert!(told.started.prompt_tokens + 20 <= max_positions, "{told:?}");
    // It is the prompt of those turns alone, and with one turn more it would not fit.
    let alone = scene.generate(vec![text(&all[begins[first - 1]..])], &[], new_tokens).await.unwrap();
    assert_eq!(alone.started.prompt_tokens, told.started.prompt_tokens);
    assert_eq!((alone.text, alone.done.reason), (told.text, told.done.reason));
    let more = scene.generate(vec![text(&all[begins[first - 2]..])], &[], 1).await;
    assert!(more.is_err() || more.unwrap().started.prompt_tokens + 20 > max_positions);
}

#[tokio::test]
async fn a_prompt_that_fits_is_what_it_is_without_cuts() {
    let scene = Scene::with(&[]).await;
    let (all, begins) = dialogue(4);
    // Within a word too: what is not cut is read as one text.
    let cuts: Vec<_> = begins.iter().flat_map(|byte| [(0, *byte), (0, byte + 8)]).collect();
    let told = scene.generate(vec![text(&all)], &cuts, 20).await.unwrap();
    let plain = scene.generate(vec![text(&all)], &[], 20).await.unwrap();
    assert_eq!((told.started.cut, told.started.prompt_tokens), (0, plain.started.prompt_tokens));
    assert_eq!(told.text, plain.text);
}

#[tokio::test]
async fn pictures_are_cut_off_with_their_turns_and_a_turn_may_begin_with_one() {
    let scene = Scene::with(&[]).await;
    let (all, begins) = dialogue(30);
    let early = all[..begins[28]].to_owned();
    let parts = vec![scene.picture(), text(&early), scene.picture(), text(LAST)];
    let cuts = [(1, begins[0]), (2, 0)];
    let room = i32::try_from(scene.facts.max_positions / 2).unwrap();
    let told = scene.generate(parts, &cuts, room).await.unwrap();
    assert_eq!(told.started.cut, 2, "{told:?}");
    let alone = scene.generate(vec![scene.picture(), text(LAST)], &[], room).await.unwrap();
    assert_eq!((told.started.prompt_tokens, &told.text), (alone.started.prompt_tokens, &alone.text));
}

#[tokio::test]
async fn what_fits_from_nowhere_begins_last_and_ends_where_the_positions_do() {
    let scene = Scene::with(&[]).await;
    let max_positions = scene.facts.max_positions as usize;
    let long = "Q: ".to_owned() + &"a ".repeat(3 * max_positions);
    let all = held(1) + &long;
    let cuts = [(0, held(1).len())];
    let refused = scene.generate(vec![text(&all)], &cuts, 8).await.unwrap_err();
    assert_eq!((refused.code(), violations_of(&refused)[0].field.as_str()), (Code::InvalidArgument, "parts"));
    // The last turn leaves some room, but not all that is asked for.
    let (all, begins) = dialogue(8);
    let room = i32::try_from(max_positions).unwrap();
    let last = begins[7];
    let told = scene.generate(vec![text(&all)], &[(0, begins[0]), (0, last)], room).await.unwrap();
    assert_eq!(told.started.cut, 2, "{told:?}");
    assert_ne!(told.done.reason(), FinishReason::Unspecified);
}

#[tokio::test]
async fn a_cut_that_is_none_is_named() {
    let scene = Scene::with(&[]).await;
    for (cuts, field) in
        [(&[(0, 5), (0, 5)][..], "cuts[1]"), (&[(1, 0)], "cuts[0]"), (&[(0, 1 << 20)], "cuts[0]")]
    {
        let refused = scene.generate(vec![text(LAST)], cuts, 8).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert_eq!(violations_of(&refused)[0].field, field);
    }
}
