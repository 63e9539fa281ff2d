//! The stack and its marks, and the containers filled from it.

use crate::{
    error::{Flaw, Step},
    node::{Id, Node},
};

use super::Machine;

impl Machine<'_> {
    pub(super) fn put(&mut self, id: Id) -> Step<()> {
        if self.stack.len() >= u32::MAX as usize {
            return Err(Flaw::TooMany.into());
        }
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn make(&mut self, node: Node) -> Step<()> {
        let id = self.arena.push(node)?;
        self.put(id)
    }

    /// The height of the stack `n` below its top; nothing below the last mark is in reach.
    pub(super) fn below(&self, n: usize) -> Step<usize> {
        let floor = self.marks.last().map_or(0, |&mark| mark as usize);
        match self.stack.len().checked_sub(n) {
            Some(height) if height >= floor => Ok(height),
            _ => Err(Flaw::Underflow.into()),
        }
    }

    pub(super) fn top(&self) -> Step<Id> {
        self.below(1).map(|height| self.stack[height])
    }

    pub(super) fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn mark(&mut self) -> Step<usize> {
        self.marks.pop().map(|mark| mark as usize).ok_or_else(|| Flaw::NoMark.into())
    }

    /// POP takes a mark if that is on top.
    pub(super) fn discard(&mut self) -> Step<()> {
        if self.marks.last().is_some_and(|&mark| mark as usize == self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    pub(super) fn recall(&mut self, number: u64) -> Step<()> {
        let id = self.memo.get(number).ok_or(Flaw::Memo(number))?;
        self.put(id)
    }

    pub(super) fn tuple(&mut self, from: usize) -> Step<()> {
        let tuple = self.arena.tuple(&self.stack[from..])?;
        self.stack.truncate(from);
        self.put(tuple)
    }

    /// Moves what lies above `from` to the list below it.
    pub(super) fn append(&mut self, from: usize) -> Step<()> {
        let list = self.owner(from)?;
        self.fill(list, from)
    }

    pub(super) fn set(&mut self, from: usize) -> Step<()> {
        let dict = self.owner(from)?;
        self.fill_pairs(dict, from)
    }

    fn owner(&self, from: usize) -> Step<Id> {
        let floor = self.marks.last().map_or(0, |&mark| mark as usize);
        from.checked_sub(1)
            .filter(|&place| place >= floor)
            .map(|place| self.stack[place])
            .ok_or_else(|| Flaw::Underflow.into())
    }

    pub(super) fn fill(&mut self, list: Id, from: usize) -> Step<()> {
        let Node::OpenList(chain) = self.arena.node(list) else {
            return Err(Flaw::Type { wanted: "a list", found: self.arena.node(list).kind() }.into());
        };
        let chain = self.arena.extend(chain, &self.stack[from..])?;
        self.arena.nodes[list.index()] = Node::OpenList(chain);
        self.stack.truncate(from);
        Ok(())
    }

    pub(super) fn fill_pairs(&mut self, dict: Id, from: usize) -> Step<()> {
        let Node::OpenDict(chain) = self.arena.node(dict) else {
            return Err(Flaw::Type { wanted: "a dict", found: self.arena.node(dict).kind() }.into());
        };
        let items = &self.stack[from..];
        if !items.len().is_multiple_of(2) {
            return Err(Flaw::Odd.into());
        }
        for &key in items.iter().step_by(2) {
            if let node @ (Node::OpenList(_) | Node::OpenDict(_)) = self.arena.node(key) {
                return Err(Flaw::Key(node.kind()).into());
            }
        }
        let chain = self.arena.extend(chain, items)?;
        self.arena.nodes[dict.index()] = Node::OpenDict(chain);
        self.stack.truncate(from);
        Ok(())
    }
}
