//! What was compacted and is not used any more goes.

use std::{fs, time::Instant};

use super::{Index, opened::lock};
use crate::{IndexError, changes::Log, root::GENERATIONS};

impl Index {
    /// Removes generations whose content lives on in the active one: those that it was compacted from, the oldest first,
    /// unless they were used within the time of the settings. Generations that were built by hand stay. Returns what
    /// went.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn collect(&self) -> Result<Vec<String>, IndexError> {
        self.must_be_writable()?;
        let mut gone = Vec::new();
        for id in self.ancestors()?.into_iter().rev() {
            let used = {
                let open = lock(&self.open);
                let other = open.others.iter().find(|other| other.generation.id() == id);
                other.map_or(self.started, |other| other.used())
            };
            if Instant::now().duration_since(used) < self.settings.collect_after {
                // A younger one may not go before it, or nobody would find it any more.
                break;
            }
            lock(&self.open).others.retain(|other| other.generation.id() != id);
            self.remove(&id)?;
            gone.push(id);
        }
        Ok(gone)
    }

    /// The generations that the active one was compacted from and that are there, the youngest first.
    fn ancestors(&self) -> Result<Vec<String>, IndexError> {
        let there = self.root.generations()?;
        let mut ancestors: Vec<String> = Vec::new();
        let mut parent = lock(&self.open).active.generation.parent().map(str::to_owned);
        while let Some(id) = parent.filter(|id| there.contains(id) && !ancestors.contains(id)) {
            // One that cannot be read tells no parent.
            parent = self.root.generation(&id).ok().and_then(|old| old.parent().map(str::to_owned));
            ancestors.push(id);
        }
        Ok(ancestors)
    }

    pub(super) fn remove(&self, id: &str) -> Result<(), IndexError> {
        let generations = self.path.join(GENERATIONS);
        let (place, aside) = (generations.join(id), generations.join(format!(".collected-{id}")));
        // At once out of sight; whoever has mapped it keeps it.
        fs::rename(&place, &aside).map_err(IndexError::io(&place))?;
        Log::remove(&self.path, id)?;
        fs::remove_dir_all(&aside).map_err(IndexError::io(&aside))
    }
}
