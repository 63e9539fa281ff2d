//! Features that vision gave lately, by picture: a history that comes with each request is not encoded each time.
//!
//! Bounded; the oldest go first. All dialogues share it, since features depend on the picture alone. A vision
//! service with another model needs another gateway process, as dialogues keep their features too.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use crate::request::PictureKey;

/// Features by picture.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    features: HashMap<PictureKey, Arc<[f32]>>,
    oldest_first: VecDeque<PictureKey>,
}

impl Cache {
    /// A cache of at most `capacity` pictures; 0 keeps none.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    /// The features of a picture, if they are kept.
    pub fn get(&self, key: &PictureKey) -> Option<Arc<[f32]>> {
        self.with(|kept| kept.features.get(key).cloned())
    }

    /// Keeps the features of a picture.
    pub fn put(&self, key: PictureKey, features: Arc<[f32]>) {
        self.with(|kept| {
            if self.capacity == 0 || kept.features.insert(key, features).is_some() {
                return;
            }
            kept.oldest_first.push_back(key);
            if kept.oldest_first.len() > self.capacity
                && let Some(oldest) = kept.oldest_first.pop_front()
            {
                kept.features.remove(&oldest);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        // Nothing in here can panic half-way: a poisoned lock still guards a whole cache.
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use fondue_domain::Compat;

    use super::*;
    use crate::request::Fit;

    fn key(n: u8) -> PictureKey {
        PictureKey { sha256: [n; 32], fit: Fit::Crop, compat: Compat::Off }
    }

    #[test]
    fn the_oldest_go_first_and_the_fit_counts() {
        let cache = Cache::new(2);
        for n in [1, 2, 2, 3] {
            cache.put(key(n), [f32::from(n)].into());
        }
        assert_eq!(cache.get(&key(1)), None);
        assert_eq!(cache.get(&key(2)).as_deref(), Some([2.0].as_slice()));
        assert_eq!(cache.get(&PictureKey { fit: Fit::Squash, ..key(2) }), None);
        assert_eq!(cache.get(&PictureKey { compat: Compat::Reference, ..key(2) }), None);
    }

    #[test]
    fn a_cache_of_none_keeps_none() {
        let cache = Cache::new(0);
        cache.put(key(1), [1.0].into());
        assert_eq!(cache.get(&key(1)), None);
    }
}
