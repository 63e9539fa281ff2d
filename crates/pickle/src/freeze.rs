//! Ends the reading: containers, scattered while they grew, get neighbouring slots, so that each item is one step
//! away; dicts lose repeated keys and get an order to be searched in.

use crate::{
    arena::Arena,
    error::Step,
    keys::{Entry, Keys},
    node::{Chain, Id, Node, Run},
};

/// Freezes all containers; gives the keys of all dicts, sorted within each.
pub(crate) fn freeze(arena: &mut Arena, file: &[u8]) -> Step<(Keys, Vec<Entry>)> {
    let mut keys = Vec::new();
    for index in 0..arena.nodes.len() {
        match arena.nodes[index] {
            Node::OpenList(chain) => arena.nodes[index] = Node::List(gather(arena, chain)?),
            Node::OpenDict(chain) => {
                let Run { start, len } = gather(arena, chain)?;
                let pairs = Run { start, len: len / 2 };
                arena.nodes[index] = Node::Dict { pairs, index: 0 };
                keys.extend(arena.run(Run { start, len }).iter().step_by(2));
            }
            _ => {}
        }
    }
    arena.segments = Vec::new();
    let keys = Keys::new(arena, file, keys);
    let mut entries = Vec::new();
    for index in 0..arena.nodes.len() {
        if let Node::Dict { pairs, .. } = arena.nodes[index] {
            let pairs = unite(arena, &keys, pairs);
            arena.nodes[index] = Node::Dict { pairs, index: entries.len() as u32 };
            keys.sort(arena, pairs, &mut entries);
        }
    }
    Ok((keys, entries))
}

/// The slots of a chain, moved to the end unless they are neighbours already.
fn gather(arena: &mut Arena, chain: Chain) -> Step<Run> {
    if chain.first == chain.last {
        let start = arena.segments.get(chain.first as usize).map_or(0, |segment| segment.start);
        return Ok(Run { start, len: chain.len });
    }
    let start = arena.reserve(chain.len as usize)?;
    let mut next = chain.first;
    while let Some(segment) = arena.segments.get(next as usize) {
        let from = segment.start as usize;
        arena.slots.extend_from_within(from..from + segment.len as usize);
        next = segment.next;
    }
    Ok(Run { start, len: chain.len })
}

/// Of pairs with the same key, keeps the first one's place and the last one's value, as Python does.
fn unite(arena: &mut Arena, keys: &Keys, pairs: Run) -> Run {
    let (start, len) = (pairs.start as usize, pairs.len as usize);
    let slots = &mut arena.slots[start..start + 2 * len];
    let mut order: Vec<(Id, u32)> =
        (0..pairs.len).map(|pair| (keys.twin(slots[2 * pair as usize]), pair)).collect();
    order.sort_unstable();
    let mut gone = Vec::new();
    for same in order.chunk_by(|a, b| a.0 == b.0) {
        if let [(_, first), .., (_, last)] = *same {
            slots[2 * first as usize + 1] = slots[2 * last as usize + 1];
            gone.extend(same[1..].iter().map(|&(_, pair)| pair));
        }
    }
    if gone.is_empty() {
        return pairs;
    }
    gone.sort_unstable();
    let mut gone = gone.into_iter().peekable();
    let mut kept = 0;
    for pair in 0..len {
        if gone.next_if_eq(&(pair as u32)).is_none() {
            slots.copy_within(2 * pair..2 * pair + 2, 2 * kept);
            kept += 1;
        }
    }
    Run { start: pairs.start, len: kept as u32 }
}
