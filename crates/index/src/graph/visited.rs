//! Which nodes a search has met: a bit each, and a list of the words to clear for the next search.

#[derive(Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    /// None of `n` nodes.
    pub(super) fn begin(&mut self, n: usize) {
        for &word in &self.touched {
            if let Some(word) = self.words.get_mut(word as usize) {
                *word = 0;
            }
        }
        self.touched.clear();
        self.words.resize(n.div_ceil(64), 0);
    }

    /// Notes a node; false if it was met before, or is none.
    pub(super) fn meet(&mut self, node: u32) -> bool {
        let (at, bit) = (node / 64, 1u64 << (node % 64));
        let Some(word) = self.words.get_mut(at as usize) else { return false };
        if *word & bit != 0 {
            return false;
        }
        if *word == 0 {
            self.touched.push(at);
        }
        *word |= bit;
        true
    }
}
