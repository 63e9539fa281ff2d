//! Courses of many seeds, held to the laws.

use fondue_simulation::{
    journal::{End, What},
    plan::Plan,
};

use crate::seeds::{hold, play};

#[test]
fn nothing_fails_where_nothing_goes_wrong() {
    hold(Plan::calm);
}

#[test]
fn turns_end_rightly_whatever_befalls_the_services() {
    hold(Plan::troubled);
}

#[test]
fn a_gateway_that_stops_ends_its_turns_and_itself_in_time() {
    hold(Plan::stopped);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [3, 4] {
        let plan = Plan::troubled(seed);
        let (once, again) = (play(&plan).shown(None), play(&plan).shown(None));
        let differs = once.lines().zip(again.lines()).position(|(a, b)| a != b);
        let at = differs.unwrap_or(0);
        let near =
            |text: &str| text.lines().skip(at.saturating_sub(3)).take(6).collect::<Vec<_>>().join("\n");
        assert!(once == again, "seed {seed}, line {at}:\n{}\n\n{}", near(&once), near(&again));
        let other = play(&Plan::troubled(seed + 10)).shown(None);
        assert!(once != other);
    }
}

#[test]
fn courses_have_turns_of_every_end() {
    let (mut done, mut left, mut failed, mut pictures) = (0, 0, 0, 0);
    for entry in (0..5).flat_map(|seed| play(&Plan::troubled(seed)).entries()) {
        match entry.what {
            What::Ended(End::Done(told)) => (done, pictures) = (done + 1, pictures + told.found),
            What::Ended(End::Left) => left += 1,
            What::Ended(End::Failed(..)) => failed += 1,
            _ => {}
        }
    }
    let all = (done, left, failed, pictures);
    assert!(done > 100 && left > 10 && failed > 5 && pictures > 50, "{all:?}");
}
