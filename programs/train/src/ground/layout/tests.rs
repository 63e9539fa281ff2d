//! What stands where in both passes, by small rows written out.

use super::*;

const RET_ID: TokenId = TokenId(9);

fn text(prompt: &[u32], caption: &[u32], asks: bool, max_len: usize) -> Text {
    let ids = |ids: &[u32]| ids.iter().map(|&id| TokenId(id)).collect::<Vec<_>>();
    let mut caption = ids(caption);
    if asks {
        caption.push(RET_ID);
    }
    Text::of(&ids(prompt), &caption, asks, max_len, RET_ID).unwrap()
}

#[test]
fn a_long_caption_is_cut_and_ends_with_ret_all_the_same() {
    assert_eq!(text(&[], &[4, 5], true, 24).ids, [2, 4, 5, 9]);
    assert_eq!(text(&[], &[4, 5, 6, 7], true, 4).ids, [2, 4, 5, 9]);
    assert_eq!(text(&[], &[4, 5, 6, 7], false, 4).ids, [2, 4, 5, 6]);
    assert_eq!(text(&[4, 5, 6, 7], &[8], true, 4).ids, [2, 4, 5, 9]);
}

#[test]
fn the_captioning_pass_tells_bos_and_the_caption_and_never_ret() {
    let (one, two) = (text(&[], &[4, 5], true, 24), text(&[], &[6], true, 24));
    let packed = captioning(&[&one, &two], 2, false).unwrap();
    assert_eq!((packed.rows, packed.width), (2, 5));
    assert_eq!(packed.ids, [1, 1, 2, 4, 5, 1, 1, 2, 6, 1]);
    assert_eq!(packed.pictures, [0, 1, 5, 6]);
    // BOS is told by the last of the picture's states.
    assert_eq!(packed.states, [1, 2, 3, 6, 7]);
    assert_eq!(packed.targets, [2, 4, 5, 2, 6]);
}

#[test]
fn pairs_stand_behind_each_other_with_two_bos() {
    let texts = [text(&[], &[4, 5], true, 24), text(&[], &[6], true, 24)];
    let packed = captioning(&[&texts[0], &texts[1]], 1, true).unwrap();
    assert_eq!((packed.rows, packed.width), (1, 7));
    assert_eq!(packed.ids, [1, 2, 4, 5, 1, 2, 6]);
    assert_eq!(packed.pictures, [0, 4]);
    assert_eq!(packed.states, [0, 1, 2, 4, 5]);
    assert_eq!(packed.targets, [2, 4, 5, 2, 6]);
    assert!(captioning(&[&texts[0]], 1, true).is_err());
}

#[test]
fn a_prompt_is_input_and_no_target() {
    let text = text(&[7, 8], &[4], false, 24);
    let packed = captioning(&[&text], 1, false).unwrap();
    assert_eq!(packed.ids, [1, 2, 7, 8, 4]);
    assert_eq!(packed.states, [0, 3]);
    assert_eq!(packed.targets, [2, 4]);
}

#[test]
fn the_retrieval_pass_tells_ret_by_the_state_before_it() {
    let (one, two) = (text(&[], &[4, 5], true, 24), text(&[], &[6], true, 24));
    let asking = retrieval(&[&one, &two]);
    assert_eq!((asking.before.rows, asking.before.width), (2, 3));
    assert_eq!(asking.before.ids, [2, 4, 5, 2, 6, 1]);
    assert_eq!(asking.lengths, [3, 2]);
    assert_eq!(asking.before.states, [0, 1, 2, 3, 4]);
    assert_eq!(asking.before.targets, [4, 5, 9, 6, 9]);
    assert!(!asking.within);
    assert!(retrieval(&[&text(&[], &[4, 9, 5], true, 24)]).within);
}

#[test]
fn what_follows_a_ret_of_the_caption_is_not_captioned() {
    let packed = captioning(&[&text(&[], &[4, 9, 5], true, 24)], 1, false).unwrap();
    assert_eq!(packed.ids, [1, 2, 4]);
}
