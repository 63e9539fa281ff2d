//! Who holds which block of the KV pool: free blocks, blocks in use, and blocks that are kept for a later prompt.
//!
//! A block is in one of three states. *Free*: in the list of free ones. *In use*: in the tables of `holders` sequences;
//! only full blocks with a name are in more than one, and nobody writes to those. *Kept*: nobody holds it, its content
//! has a name and may be asked for again; the one that was let go of longest ago is taken first when blocks are needed.
//!
//! A sequence lets go of its last block first, and whoever holds a block holds the blocks before it: so of a prefix the
//! end is always given up before the beginning, and no kept block lies behind one that is lost.
//!
//! Pure: no tensors, no clock. Source: Kwon et al. 2023; Zheng et al. 2024 for keeping prefixes.

use std::collections::{BTreeMap, HashMap};

use fondue_model::{BLOCK, BlockId};

use super::key::Key;

/// The blocks of one sequence, in the order of its positions. Given back by [`Pages::release`] alone.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<BlockId>);

impl Table {
    pub(super) fn blocks(&self) -> &[BlockId] {
        &self.0
    }
}

#[derive(Clone, Debug, Default)]
struct Block {
    holders: u32,
    /// Set while the index leads here.
    key: Option<Key>,
    /// When it was let go of: its place in `kept`.
    released: u64,
}

/// The book of a pool.
#[derive(Debug)]
pub(super) struct Pages {
    blocks: Vec<Block>,
    free: Vec<BlockId>,
    /// Named blocks, in use or kept.
    index: HashMap<Key, BlockId>,
    /// Blocks that nobody holds, the longest ago first.
    kept: BTreeMap<u64, BlockId>,
    /// Whether blocks are kept at all.
    keeps: bool,
    clock: u64,
    evicted: u64,
}

impl Pages {
    /// A pool of free blocks; `keeps` tells whether prefixes are kept and shared.
    pub(super) fn new(blocks: usize, keeps: bool) -> Self {
        let blocks = blocks.min(u32::MAX as usize);
        Self {
            blocks: vec![Block::default(); blocks],
            // The lowest is taken first.
            free: (0..blocks as u32).rev().map(BlockId).collect(),
            index: HashMap::new(),
            kept: BTreeMap::new(),
            keeps,
            clock: 0,
            evicted: 0,
        }
    }

    /// Blocks that can be had: free or kept.
    pub(super) fn available(&self) -> usize {
        self.free.len() + self.kept.len()
    }

    /// Blocks that sequences hold.
    pub(super) fn used(&self) -> usize {
        self.blocks.len() - self.available()
    }

    /// Blocks that are kept for a later prompt.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Blocks that were kept and given up for others, since the start.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Takes the longest known beginning of these names.
    pub(super) fn find(&mut self, keys: &[Key]) -> Table {
        let mut table = Table::default();
        for key in keys {
            let Some(&block) = self.index.get(key) else { break };
            self.hold(block);
            table.0.push(block);
        }
        table
    }

    /// Makes room for the first `positions` positions of a sequence: all of it, or nothing and `false`.
    pub(super) fn extend(&mut self, table: &mut Table, positions: usize) -> bool {
        let missing = positions.div_ceil(BLOCK).saturating_sub(table.0.len());
        if missing > self.available() {
            return false;
        }
        for _ in 0..missing {
            let Some(block) = self.take() else { return false };
            table.0.push(block);
        }
        true
    }

    /// Names the full block at a place of a table. If another one has that name already, the sequence goes on with that
    /// one, which holds the same, and gives its own back.
    pub(super) fn publish(&mut self, table: &mut Table, place: usize, key: Key) {
        let Some(block) = table.0.get_mut(place).filter(|_| self.keeps) else { return };
        let own = *block;
        match self.index.get(&key).copied() {
            Some(twin) if twin == own => {}
            // A block has one name for as long as somebody holds it.
            _ if self.meta(own).key.is_some() => {}
            Some(twin) => {
                *block = twin;
                self.hold(twin);
                self.let_go(own);
            }
            None => {
                self.index.insert(key, own);
                self.meta(own).key = Some(key);
            }
        }
    }

    /// Takes a table back. Its named blocks are kept, once nobody else holds them.
    pub(super) fn release(&mut self, table: &mut Table) {
        while let Some(block) = table.0.pop() {
            self.let_go(block);
        }
    }

    /// Forgets what is kept.
    pub(super) fn clear(&mut self) {
        while let Some((_, block)) = self.kept.pop_first() {
            self.forget(block);
            self.free.push(block);
        }
    }

    fn take(&mut self) -> Option<BlockId> {
        let block = match self.free.pop() {
            Some(block) => block,
            None => {
                let (_, block) = self.kept.pop_first()?;
                self.forget(block);
                self.evicted += 1;
                block
            }
        };
        self.meta(block).holders = 1;
        Some(block)
    }

    fn hold(&mut self, block: BlockId) {
        let meta = self.meta(block);
        meta.holders += 1;
        if meta.holders == 1 {
            let released = meta.released;
            self.kept.remove(&released);
        }
    }

    fn let_go(&mut self, block: BlockId) {
        self.clock += 1;
        let now = self.clock;
        let meta = self.meta(block);
        meta.holders = meta.holders.saturating_sub(1);
        if meta.holders > 0 {
            return;
        }
        meta.released = now;
        if meta.key.is_some() {
            self.kept.insert(now, block);
        } else {
            self.free.push(block);
        }
    }

    fn forget(&mut self, block: BlockId) {
        if let Some(key) = self.meta(block).key.take() {
            self.index.remove(&key);
        }
    }

    fn meta(&mut self, block: BlockId) -> &mut Block {
        &mut self.blocks[block.0 as usize]
    }
}

#[cfg(test)]
mod tests;
