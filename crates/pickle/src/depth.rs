//! No container may contain itself, nor be nested without end: whoever walks a value may then use recursion.

use crate::{
    arena::Arena,
    error::{Flaw, Step},
    node::{Id, Node, Run},
};

/// How deep containers may be nested.
pub const MAX_DEPTH: usize = 256;

/// Heights of nodes: unknown, being measured, or one more than that of the highest item.
const UNKNOWN: u16 = 0;
const OPEN: u16 = u16::MAX;

struct Level {
    id: Id,
    next: usize,
    height: u16,
}

/// Measures what the root reaches, each node once, with a stack of its own.
pub(crate) fn check(arena: &Arena, root: Id) -> Step<()> {
    let mut heights = vec![UNKNOWN; arena.nodes.len()];
    let mut levels = vec![Level { id: root, next: 0, height: 0 }];
    heights[root.index()] = OPEN;
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { return Ok(()) };
        let Some(&item) = items(arena, level.id).get(level.next) else {
            let (id, height) = (level.id, level.height + 1);
            if usize::from(height) > MAX_DEPTH {
                return Err(Flaw::Depth.into());
            }
            heights[id.index()] = height;
            levels.pop();
            if let Some(parent) = levels.last_mut() {
                parent.height = parent.height.max(height);
            }
            continue;
        };
        level.next += 1;
        match heights[item.index()] {
            OPEN => return Err(Flaw::Cycle.into()),
            UNKNOWN if items(arena, item).is_empty() => heights[item.index()] = 1,
            UNKNOWN if depth >= MAX_DEPTH => return Err(Flaw::Depth.into()),
            UNKNOWN => {
                heights[item.index()] = OPEN;
                levels.push(Level { id: item, next: 0, height: 0 });
                continue;
            }
            _ => {}
        }
        level.height = level.height.max(heights[item.index()]);
    }
}

fn items(arena: &Arena, id: Id) -> &[Id] {
    match arena.node(id) {
        Node::Tuple(run) | Node::List(run) => arena.run(run),
        // Keys are tuples at most, but those may hold anything.
        Node::Dict { pairs, .. } => arena.run(Run { start: pairs.start, len: 2 * pairs.len }),
        _ => &[],
    }
}
