//! Generations that open conversations stay with, told to the index now and then, so that it does not collect them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The generations in use. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Pins(Arc<Mutex<BTreeMap<String, usize>>>);

/// One conversation's hold on its generation; it lets go when dropped.
#[derive(Debug)]
pub struct Hold {
    pins: Pins,
    generation: String,
}

impl Pins {
    /// Holds a generation.
    pub fn hold(&self, generation: &str) -> Hold {
        *self.counts().entry(generation.to_owned()).or_default() += 1;
        Hold { pins: self.clone(), generation: generation.to_owned() }
    }

    /// All generations that are held.
    pub fn held(&self) -> Vec<String> {
        self.counts().keys().cloned().collect()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // Whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.pins.counts();
        if let Some(count) = counts.get_mut(&self.generation) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.generation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_held_until_its_last_conversation_ends() {
        let pins = Pins::default();
        let (first, second, other) = (pins.hold("a"), pins.hold("a"), pins.hold("b"));
        assert_eq!(pins.held(), ["a", "b"]);
        drop(first);
        assert_eq!(pins.held(), ["a", "b"]);
        drop((second, other));
        assert!(pins.held().is_empty());
    }
}
