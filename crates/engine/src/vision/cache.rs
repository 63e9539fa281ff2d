//! Features by picture, within a budget of bytes; those that were not asked for longest go first.

use lru::LruCache;

use super::{job::Features, picture::Key};

/// What an entry takes beside its numbers: the key, the list's and the table's share, the allocations' heads.
pub(super) const ENTRY_BYTES: usize = 160;

pub(super) struct Cache {
    kept: LruCache<Key, Features>,
    bytes: usize,
    budget: usize,
}

impl Cache {
    /// A cache of at most `budget` bytes; 0 keeps none.
    pub(super) fn new(budget: usize) -> Self {
        Self { kept: LruCache::unbounded(), bytes: 0, budget }
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Features> {
        self.kept.get(key).cloned()
    }

    /// Keeps features, at the expense of the oldest; those that are larger than the budget are not kept.
    pub(super) fn put(&mut self, key: Key, features: Features) {
        let cost = cost(&features);
        if cost > self.budget {
            return;
        }
        self.bytes += cost;
        if let Some(before) = self.kept.put(key, features) {
            self.bytes -= self::cost(&before);
        }
        while self.bytes > self.budget
            && let Some((_, oldest)) = self.kept.pop_lru()
        {
            self.bytes -= self::cost(&oldest);
        }
    }
}

fn cost(features: &Features) -> usize {
    size_of_val::<[f32]>(features) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fondue_imaging::{Compat, Fit};

    use super::*;
    use crate::vision::PictureFile;

    fn file(n: u8) -> PictureFile {
        PictureFile { data: Bytes::from(vec![n]), fit: Fit::Crop, compat: Compat::Off }
    }

    fn key(n: u8) -> Key {
        Key::new(&file(n))
    }

    /// Features of 8 bytes.
    fn features(n: u8) -> Features {
        [f32::from(n), 0.0].into()
    }

    const ONE: usize = 8 + ENTRY_BYTES;

    #[test]
    fn the_budget_holds_to_the_byte_and_the_least_used_goes() {
        for (budget, kept) in [(2 * ONE, 2), (2 * ONE - 1, 1), (3 * ONE, 3)] {
            let mut cache = Cache::new(budget);
            for n in [1, 2, 3] {
                cache.put(key(n), features(n));
                assert!(cache.bytes() <= budget);
            }
            assert_eq!(cache.bytes(), kept * ONE);
        }
        let mut cache = Cache::new(2 * ONE);
        cache.put(key(1), features(1));
        cache.put(key(2), features(2));
        cache.put(key(2), features(2));
        assert!(cache.get(&key(1)).is_some());
        cache.put(key(3), features(3));
        assert_eq!((cache.get(&key(2)), cache.bytes()), (None, 2 * ONE));
        assert_eq!(cache.get(&key(1)).as_deref(), Some([1.0, 0.0].as_slice()));
    }

    #[test]
    fn what_is_larger_than_the_budget_displaces_nothing_and_0_keeps_none() {
        let mut cache = Cache::new(ONE);
        cache.put(key(1), features(1));
        cache.put(key(2), [0.0; 3].into());
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(2)).is_none());
        let mut none = Cache::new(0);
        none.put(key(1), features(1));
        assert_eq!((none.get(&key(1)), none.bytes()), (None, 0));
    }

    #[test]
    fn all_that_changes_features_is_in_the_key() {
        let crop = file(1);
        assert_eq!(Key::new(&crop), Key::new(&crop.clone()));
        assert_ne!(Key::new(&crop), key(2));
        assert_ne!(Key::new(&crop), Key::new(&PictureFile { fit: Fit::Squash, ..crop.clone() }));
        assert_ne!(Key::new(&crop), Key::new(&PictureFile { compat: Compat::Reference, ..crop.clone() }));
    }
}
