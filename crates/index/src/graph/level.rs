//! A level above the lowest: some nodes, and their links.

use super::NONE;

#[derive(Clone, Copy)]
pub(super) struct Upper<'a> {
    /// Rising.
    pub(super) ids: &'a [u32],
    /// `[ids, m]`.
    pub(super) links: &'a [u32],
    pub(super) m: usize,
}

impl<'a> Upper<'a> {
    /// The links of a node that may lead somewhere.
    pub(super) fn links(&self, node: u32, n: u32) -> impl Iterator<Item = u32> + use<'a> {
        let at = self.ids.binary_search(&node).ok().map(|at| at * self.m);
        let links = at.and_then(|at| self.links.get(at..at + self.m)).unwrap_or_default();
        links.iter().copied().take_while(|link| *link != NONE).filter(move |link| *link < n)
    }
}
