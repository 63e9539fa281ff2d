//! The book against a plain one: what each block holds is written down in full, and looked through from end to end.

use std::collections::{HashMap, HashSet};

use fondue_domain::TokenId;
use proptest::prelude::*;

use super::*;
use crate::language::key::Chain;

/// Caller and all tokens up to the end of a block: what is in it.
type Content = (u8, Vec<u32>);

struct Sequence {
    caller: u8,
    tokens: Vec<u32>,
    chain: Chain,
    table: Table,
    filled: usize,
}

/// A pool's book, what was written to each block, and who lives.
struct World {
    pages: Pages,
    written: HashMap<BlockId, Content>,
    living: Vec<Sequence>,
}

impl World {
    fn new(blocks: usize, keeps: bool) -> Self {
        Self { pages: Pages::new(blocks, keeps), written: HashMap::new(), living: Vec::new() }
    }

    /// A new sequence: its known beginning, room for the rest, or nothing.
    fn start(&mut self, caller: u8, tokens: Vec<u32>) -> bool {
        let mut chain = Chain::new(&caller.to_string());
        tokens.iter().for_each(|&token| chain.push(TokenId(token)));
        let reusable = (tokens.len() - 1) / BLOCK;
        let known = (0..reusable)
            .take_while(|n| {
                let content = (caller, tokens[..(n + 1) * BLOCK].to_vec());
                self.pages.blocks.iter().enumerate().any(|(id, block)| {
                    block.key.is_some() && self.written.get(&BlockId(id as u32)) == Some(&content)
                })
            })
            .count();
        let mut table = self.pages.find(&chain.keys()[..reusable]);
        assert_eq!(table.blocks().len(), known, "the longest known beginning, no more");
        for (n, block) in table.blocks().iter().enumerate() {
            assert_eq!(self.written[block], (caller, tokens[..(n + 1) * BLOCK].to_vec()));
        }
        let before = table.blocks().to_vec();
        if !self.pages.extend(&mut table, tokens.len()) {
            assert_eq!(table.blocks(), before, "all or nothing");
            self.pages.release(&mut table);
            return false;
        }
        self.living.push(Sequence { caller, tokens, chain, table, filled: known * BLOCK });
        true
    }

    /// Writes some positions of a sequence.
    fn run(&mut self, n: usize, rows: usize) {
        let Self { pages, written, living } = self;
        let sequence = &mut living[n];
        let end = (sequence.filled + rows).min(sequence.tokens.len());
        for at in sequence.filled..end {
            let block = sequence.table.blocks()[at / BLOCK];
            let meta = &pages.blocks[block.0 as usize];
            assert!(meta.holders == 1 && meta.key.is_none(), "nobody writes to what others read");
            written.insert(block, (sequence.caller, sequence.tokens[..=at].to_vec()));
        }
        for place in sequence.filled / BLOCK..end / BLOCK {
            pages.publish(&mut sequence.table, place, sequence.chain.keys()[place]);
        }
        sequence.filled = end;
    }

    /// One more token; without a block for it the youngest lets go.
    fn grow(&mut self, n: usize, token: u32) {
        while !{
            let sequence = &mut self.living[n];
            self.pages.extend(&mut sequence.table, sequence.tokens.len() + 1)
        } {
            let last = self.living.len() - 1;
            self.end(last);
            if last == n {
                return;
            }
        }
        self.living[n].tokens.push(token);
        self.living[n].chain.push(TokenId(token));
        self.run(n, usize::MAX / 2);
    }

    fn end(&mut self, n: usize) {
        let mut sequence = self.living.remove(n);
        self.pages.release(&mut sequence.table);
    }

    fn check(&self) {
        let pages = &self.pages;
        let mut holders = HashMap::new();
        for sequence in &self.living {
            let table = sequence.table.blocks();
            assert!(table.len() * BLOCK >= sequence.tokens.len());
            assert_eq!(table.iter().collect::<HashSet<_>>().len(), table.len(), "a block once in a table");
            table.iter().for_each(|block| *holders.entry(*block).or_insert(0) += 1);
            for (n, block) in table.iter().take(sequence.filled / BLOCK).enumerate() {
                let content = (sequence.caller, sequence.tokens[..(n + 1) * BLOCK].to_vec());
                assert_eq!(self.written[block], content, "a sequence reads its own past");
            }
        }
        let free: HashSet<_> = pages.free.iter().copied().collect();
        let kept: HashSet<_> = pages.kept.values().copied().collect();
        assert_eq!((free.len(), kept.len()), (pages.free.len(), pages.kept.len()), "nothing twice");
        for (id, block) in pages.blocks.iter().enumerate() {
            let id = BlockId(id as u32);
            let held = holders.get(&id).copied().unwrap_or(0);
            assert_eq!(block.holders, held, "{id:?}");
            let states = [free.contains(&id), kept.contains(&id), held > 0];
            assert_eq!(
                states.iter().filter(|&&state| state).count(),
                1,
                "{id:?} is in one state: {states:?}"
            );
            assert!(held < 2 || block.key.is_some(), "only named blocks are shared");
            assert!(!states[0] || block.key.is_none(), "a free block has no name");
            assert_eq!(block.key.map(|key| pages.index[&key]), block.key.map(|_| id));
        }
        let named = pages.blocks.iter().filter(|block| block.key.is_some()).count();
        assert_eq!(named, pages.index.len(), "no name leads nowhere");
        assert_eq!(pages.used(), holders.len());
        // No named block lies behind one that is lost.
        let named: HashSet<&Content> = pages.index.values().map(|block| &self.written[block]).collect();
        for (caller, tokens) in &named {
            if tokens.len() > BLOCK {
                let before = (*caller, tokens[..tokens.len() - BLOCK].to_vec());
                assert!(named.contains(&before), "reachable from its beginning");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Start(u8, Vec<u32>),
    Run(usize, usize),
    Grow(usize, u32),
    End(usize),
    Clear,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    // Runs of one token, so that many sequences begin alike.
    let tokens = prop::collection::vec((0u32..2, 1usize..24), 1..5)
        .prop_map(|runs| runs.into_iter().flat_map(|(token, n)| vec![token; n]).collect());
    let deed = prop_oneof![
        4 => (0u8..2, tokens).prop_map(|(caller, tokens)| Deed::Start(caller, tokens)),
        6 => (any::<usize>(), 1usize..40).prop_map(|(n, rows)| Deed::Run(n, rows)),
        6 => (any::<usize>(), 0u32..2).prop_map(|(n, token)| Deed::Grow(n, token)),
        3 => any::<usize>().prop_map(Deed::End),
        1 => Just(Deed::Clear),
    ];
    prop::collection::vec(deed, 1..80)
}

proptest! {
    #[test]
    fn no_block_is_lost_shared_by_mistake_or_given_to_the_wrong_one(
        blocks in 1usize..24,
        keeps: bool,
        deeds in deeds(),
    ) {
        let mut world = World::new(blocks, keeps);
        for deed in deeds {
            let living = world.living.len();
            match deed {
                Deed::Start(caller, tokens) => {
                    world.start(caller, tokens);
                }
                Deed::Clear => {
                    world.pages.clear();
                    prop_assert_eq!(world.pages.kept(), 0);
                }
                _ if living == 0 => {}
                Deed::Run(n, rows) => world.run(n % living, rows),
                Deed::Grow(n, token) => {
                    world.run(n % living, usize::MAX / 2);
                    world.grow(n % living, token);
                }
                Deed::End(n) => world.end(n % living),
            }
            world.check();
        }
        while !world.living.is_empty() {
            world.end(0);
        }
        world.check();
        prop_assert_eq!(world.pages.used(), 0);
        prop_assert!(keeps || world.pages.kept() == 0);
        world.pages.clear();
        prop_assert_eq!(world.pages.free.len(), blocks);
    }
}

fn tokens(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

#[test]
fn the_end_of_the_prefix_let_go_of_longest_ago_is_given_up_first() {
    let mut world = World::new(6, true);
    assert!(world.start(0, tokens(3 * BLOCK)));
    world.run(0, usize::MAX / 2);
    world.end(0);
    assert!(world.start(1, tokens(2 * BLOCK)));
    world.run(0, usize::MAX / 2);
    world.end(0);
    assert_eq!((world.pages.kept(), world.pages.used(), world.pages.evicted()), (5, 0, 0));
    // One free block and one of the first caller's: its last.
    assert!(world.start(2, tokens(2 * BLOCK)));
    assert_eq!((world.pages.kept(), world.pages.evicted()), (4, 1));
    assert!(world.start(0, tokens(3 * BLOCK)));
    assert_eq!(world.living[1].filled, 2 * BLOCK, "the beginning was still there");
    world.check();
}

#[test]
fn two_that_compute_the_same_end_up_with_one_block() {
    let mut world = World::new(4, true);
    assert!(world.start(0, tokens(BLOCK + 1)) && world.start(0, tokens(BLOCK + 1)));
    assert_eq!(world.pages.used(), 4);
    world.run(0, BLOCK);
    world.run(1, BLOCK);
    assert_eq!(world.pages.used(), 3);
    world.check();
}

#[test]
fn room_ends_exactly_at_the_last_block() {
    let mut pages = Pages::new(2, true);
    let mut table = Table::default();
    assert!(!pages.extend(&mut table, 2 * BLOCK + 1));
    assert!(pages.extend(&mut table, 2 * BLOCK));
    assert_eq!((pages.available(), pages.used()), (0, 2));
    assert!(!pages.extend(&mut table, 2 * BLOCK + 1));
    pages.release(&mut table);
    assert_eq!((pages.available(), pages.used(), table.blocks().len()), (2, 0, 0));
}
