//! Single steps of the batch with the shipped model: who runs, who waits, who lets go.

use std::path::PathBuf;

use fondue_domain::{Compat, TokenId};
use fondue_model::{
    BLOCK, Placement, Prompt, PromptPart, Sampling, placement::set_threads, weights::unwatched,
};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    mpsc::{self, Receiver},
    oneshot,
};

use super::*;
use crate::language::{
    Emission, Generation, KvBudget,
    job::{Ask, Weighed},
};

struct Room {
    model: LanguageModel,
    tokenizer: Tokenizer,
    batch: Batch,
}

const LIMITS: LanguageLimits = LanguageLimits {
    slots: 4,
    queue: 8,
    prefill_rows: 32,
    prefill_stretch: 2.0,
    kv: KvBudget::Bytes(0),
    prefix_cache: true,
};

impl Room {
    fn new(blocks: usize, limits: LanguageLimits) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
        let tokenizer = Tokenizer::load(&folder.join("opt")).unwrap();
        set_threads(1);
        let (opt, fromage) = (folder.join("opt"), folder.join("fromage"));
        let model =
            LanguageModel::load(&opt, &fromage, tokenizer.ret(), Placement::CPU_F32, &unwatched).unwrap();
        let pool = model.new_pool(blocks).unwrap();
        Self { model, tokenizer, batch: Batch::new(limits, pool, Arc::default()) }
    }

    fn turn_over(&mut self) {
        self.batch.turn_over(&self.model);
    }

    fn step(&mut self) {
        self.turn_over();
        self.batch.step(&self.model, &self.tokenizer);
    }

    /// An answer of nothing but `[RET]` behind a prompt of so many positions.
    fn answer(&mut self, positions: usize) -> Receiver<Emission> {
        let (out, emissions) = mpsc::channel(4096);
        let generation = Generation {
            prompt: prompt(positions),
            sampling: Sampling { ret_bias: 1000.0, ..Sampling::GREEDY },
            max_new_tokens: 400,
            stop: Vec::new(),
            stop_at_newline: false,
            compat: Compat::Off,
            cache_key: String::new(),
            deadline: Instant::now() + Duration::from_secs(600),
        };
        let job =
            Job { generation, out, submitted: Instant::now(), span: tracing::Span::none(), permit: None };
        self.batch.answer(job, &self.model, &self.tokenizer);
        emissions
    }

    fn score(&mut self, positions: usize, candidate: usize) -> oneshot::Receiver<impl Sized + use<>> {
        let (out, answer) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(600);
        let ask = Ask { deadline, out, permit: permit(), span: tracing::Span::none() };
        let candidates = vec![vec![TokenId(7); candidate]];
        let weighed = Weighed { with_prompt: false, candidates, unshifted: false };
        let question = Question::score(ask, prompt(positions), weighed, "", &self.model).unwrap();
        self.batch.question(question);
        answer
    }

    fn used(&self) -> usize {
        self.batch.pages().used()
    }
}

fn permit() -> OwnedSemaphorePermit {
    Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
}

/// No two prompts of other lengths share a block.
fn prompt(positions: usize) -> Prompt {
    let ids = vec![TokenId(20 + positions as u32); positions - 1];
    Prompt::assemble(vec![PromptPart::Text(ids)], TokenId(2)).unwrap()
}

fn said(emissions: &mut Receiver<Emission>) -> usize {
    std::iter::from_fn(|| emissions.try_recv().ok()).filter(|e| matches!(e, Emission::Query { .. })).count()
}

#[test]
fn who_leaves_gives_its_blocks_back_in_the_next_step() {
    let mut room = Room::new(32, LIMITS);
    let (stays, leaves) = (room.answer(20), room.answer(40));
    room.step();
    assert_eq!(room.used(), 2 + 3);
    drop(leaves);
    room.turn_over();
    assert_eq!((room.used(), room.batch.load()), (2, (1, 0)));
    // In the middle of its prompt, too.
    let leaves = room.answer(100);
    room.step();
    assert_eq!(room.used(), 2 + 7);
    drop((stays, leaves));
    room.turn_over();
    assert_eq!((room.used(), room.batch.is_idle()), (0, true));
}

#[test]
fn the_youngest_makes_room_and_comes_back_before_those_who_came_later() {
    let mut room = Room::new(6, LIMITS);
    // Two blocks each at first, and both want a third for position 33.
    let (mut first, mut second) = (room.answer(31), room.answer(30));
    let third = room.answer(90);
    room.step();
    assert_eq!((room.batch.load(), room.used()), ((2, 1), 4));
    let mut counts = [0, 0];
    let mut lowest = 2;
    for _ in 0..60 {
        room.step();
        counts[0] += said(&mut first);
        counts[1] += said(&mut second);
        assert!(room.used() <= 6);
        lowest = lowest.min(room.batch.load().0);
    }
    assert_eq!(lowest, 1, "the second made room");
    assert!(counts[0] >= 59, "the first was never held up: {counts:?}");
    assert!(counts[1] > 0 && counts[1] < counts[0], "{counts:?}");
    drop(first);
    room.step();
    assert_eq!(room.batch.load(), (1, 1), "the second is back, the third waits for what it needs");
    drop(second);
    room.step();
    assert_eq!((room.batch.load(), room.used()), ((1, 0), 6));
    drop(third);
    room.turn_over();
    assert_eq!(room.used(), 0);
}

#[test]
fn a_large_prompt_waits_for_blocks_and_is_not_overtaken() {
    let mut room = Room::new(8, LIMITS);
    let first = room.answer(60);
    room.step();
    let (large, small) = (room.answer(70), room.answer(5));
    room.step();
    assert_eq!(room.batch.load(), (1, 2), "five blocks and one to spare are not there");
    drop(first);
    room.step();
    assert_eq!(room.batch.load(), (2, 0));
    drop((large, small));
}

#[test]
fn questions_need_no_slot_and_blocks_of_their_own() {
    let mut room = Room::new(16, LanguageLimits { slots: 1, ..LIMITS });
    let (mut answer, waits) = (room.answer(20), room.answer(21));
    room.step();
    let mut score = room.score(40, 20);
    room.step();
    // All but the last of the candidate's tokens are run: 59 positions.
    assert_eq!((room.batch.load(), room.used()), ((1, 2), 2 + 4));
    for _ in 0..20 {
        room.step();
    }
    assert!(score.try_recv().is_ok());
    assert_eq!(room.batch.load(), (1, 1));
    assert!(said(&mut answer) >= 19, "a question holds up nobody's token");
    drop(waits);
}

#[test]
fn a_long_prompt_costs_others_no_step() {
    let mut room = Room::new(64, LIMITS);
    let mut talks = room.answer(5);
    room.step();
    let mut long = room.answer(400);
    let mut steps = 0;
    while !matches!(long.try_recv(), Ok(Emission::Query { .. })) {
        said(&mut talks);
        room.step();
        assert_eq!(said(&mut talks), 1, "one token each step");
        steps += 1;
        assert!(steps < 100);
    }
    assert!(steps > 400 / 32, "{steps} steps: no more rows than are allowed");
    // A short one that comes behind a long one is not held up until its end.
    let (mut long, mut short) = (room.answer(401), room.answer(9));
    let mut behind = 0;
    while said(&mut short) == 0 {
        room.step();
        behind += 1;
        assert!(behind < 5, "stuck");
    }
    assert_eq!(said(&mut long), 0, "the long one is still being read");
}

#[test]
fn what_a_step_runs_is_found_by_the_next_prompt() {
    let mut room = Room::new(32, LIMITS);
    let first = room.answer(3 * BLOCK + 1);
    (0..3).for_each(|_| room.step());
    // It still runs, and its beginning is shared.
    let second = room.answer(3 * BLOCK + 1);
    room.step();
    assert_eq!(room.used(), 4 + 1);
    drop((first, second));
    room.turn_over();
    assert_eq!((room.used(), room.batch.pages().kept()), (0, 3));
    room.batch.forget();
    assert_eq!((room.batch.pages().kept(), room.batch.pages().available()), (0, 32));
}
