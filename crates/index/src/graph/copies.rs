//! Rows that are alike, value for value. Only the first of them is linked with other rows: linked as all others are, they
//! would be each other's nearest, and whoever came to one would find nothing else. It leads to the next one, and so on.

use std::hash::{DefaultHasher, Hasher};

use fondue_kernels::Stored;

/// Which rows are copies of others.
pub(super) struct Copies {
    /// A row, and the next one that is alike; by row.
    pub(super) chain: Vec<[u32; 2]>,
    /// One bit a row: whether an earlier one is alike.
    is_copy: Vec<u64>,
}

impl Copies {
    /// Compares the codes of `n` rows, and their scales.
    pub(super) fn of(rows: Stored<'_>, dim: usize, n: usize) -> Self {
        let mut copies = Self { chain: Vec::new(), is_copy: vec![0; n.div_ceil(64)] };
        let Stored::Int8 { codes, scales } = rows else { return copies };
        let row = |row: u32| {
            let at = row as usize;
            let codes = codes.get(at * dim..(at + 1) * dim).unwrap_or_default();
            (codes, scales.get(at).map(|scale| scale.to_bits()))
        };
        let digest = |at: u32| {
            let mut digest = DefaultHasher::new();
            digest.write(bytemuck::cast_slice(row(at).0));
            (digest.finish(), at)
        };
        let mut by_digest: Vec<(u64, u32)> = (0..n as u32).map(digest).collect();
        by_digest.sort_unstable();
        for pair in by_digest.windows(2) {
            // Should rows of one digest not be alike, what lies between two that are costs the second its chain.
            if let [(one, a), (other, b)] = *pair
                && one == other
                && row(a) == row(b)
            {
                copies.chain.push([a, b]);
                if let Some(bits) = copies.is_copy.get_mut(b as usize / 64) {
                    *bits |= 1 << (b % 64);
                }
            }
        }
        copies.chain.sort_unstable();
        copies
    }

    /// Whether an earlier row is alike.
    pub(super) fn contains(&self, row: u32) -> bool {
        self.is_copy.get(row as usize / 64).is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }
}

/// The rows that follow a row in a chain, rising, of `n` rows that there are.
pub(super) fn follow(chain: &[[u32; 2]], row: u32, n: usize) -> impl Iterator<Item = u32> {
    let next = move |row: &u32| {
        let at = chain.binary_search_by_key(row, |[from, _]| *from).ok()?;
        // Whatever the file says, it leads onwards, and ends.
        chain.get(at).map(|[_, to]| *to).filter(|to| to > row && (*to as usize) < n)
    };
    std::iter::successors(next(&row), next)
}
