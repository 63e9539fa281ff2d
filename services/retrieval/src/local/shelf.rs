//! The generations that are open: the active one, and those that dialogues began with.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fondue_index::{Generation, IndexError, Root};

/// Open generations. A search holds its own by an `Arc`, so that nothing is closed under it.
pub(crate) struct Shelf {
    root: Root,
    open: Mutex<Open>,
    /// Held through an activation.
    activating: Mutex<()>,
    verify: bool,
    max_others: usize,
}

struct Open {
    active: Arc<Generation>,
    /// Least recently used first.
    others: VecDeque<Arc<Generation>>,
}

impl Shelf {
    /// Opens the active generation.
    pub(crate) fn open(root: &Path, verify: bool, max_others: usize) -> Result<Self, IndexError> {
        let root = Root::open(root)?;
        let active = open_to_serve(&root, &root.active()?, verify)?;
        tracing::info!(generation = active.id(), rows = active.len(), dim = active.dim(), "index open");
        let open = Mutex::new(Open { active: Arc::new(active), others: VecDeque::new() });
        Ok(Self { root, open, activating: Mutex::new(()), verify, max_others })
    }

    /// A generation by its id, or the active one if the id is empty. Reads files if it is not open: blocks.
    pub(crate) fn get(&self, id: &str) -> Result<Arc<Generation>, IndexError> {
        {
            let mut open = lock(&self.open);
            if id.is_empty() || open.active.id() == id {
                return Ok(Arc::clone(&open.active));
            }
            if let Some(at) = open.others.iter().position(|other| other.id() == id)
                && let Some(found) = open.others.remove(at)
            {
                open.others.push_back(Arc::clone(&found));
                return Ok(found);
            }
        }
        // Without the lock: opening may take a while, and searches go on.
        let opened = Arc::new(self.root.generation(id)?);
        self.keep(&mut lock(&self.open), Arc::clone(&opened));
        Ok(opened)
    }

    /// Makes a generation the active one, for the folder too; without an id the one that the folder names.
    /// Returns (now, before). It is opened anew, so that one that was repaired on the disk takes effect.
    pub(crate) fn activate(&self, id: &str) -> Result<(String, String), IndexError> {
        // One at a time, so that folder and memory cannot end with different ones.
        let _turn = lock(&self.activating);
        let id = if id.is_empty() { self.root.active()? } else { id.to_owned() };
        let new = Arc::new(open_to_serve(&self.root, &id, self.verify)?);
        // First the disk, then the memory: after a failure both still say the same.
        self.root.activate(&id)?;
        let mut open = lock(&self.open);
        open.others.retain(|other| other.id() != id);
        let before = std::mem::replace(&mut open.active, new);
        let previous = before.id().to_owned();
        if previous != id {
            self.keep(&mut open, before);
        }
        Ok((id, previous))
    }

    /// Ids of all generations of the folder.
    pub(crate) fn generations(&self) -> Result<Vec<String>, IndexError> {
        self.root.generations()
    }

    fn keep(&self, open: &mut Open, generation: Arc<Generation>) {
        // Two searches may have opened the same one at the same time, or an activation came in between.
        if open.active.id() == generation.id() {
            return;
        }
        open.others.retain(|other| other.id() != generation.id());
        open.others.push_back(generation);
        while open.others.len() > self.max_others {
            open.others.pop_front();
        }
    }
}

/// A generation whose checksums are right, if that is asked for.
fn open_to_serve(root: &Root, id: &str, verify: bool) -> Result<Generation, IndexError> {
    let generation = root.generation(id)?;
    if verify {
        generation.verify()?;
    }
    Ok(generation)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they guard is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
