//! A generation and its changes become a new generation, beside everything that goes on.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::{
    Index,
    opened::{Opened, State, lock},
    overlay::Part,
    quietly::quietly,
};
use crate::{Builder, Finished, IndexError, NewItem, View, changes::Mark, graph};

/// What a compaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Now active.
    pub generation: String,
    /// Before; the same if there were no changes.
    pub previous: String,
    /// Pictures in it.
    pub rows: usize,
}

impl Index {
    /// Makes the active generation and its changes one new generation, and activates it. Searches and changes go on
    /// meanwhile; but for a moment at the end, when changes wait for those to be copied that came since. `step` is told
    /// how many pictures are done of how many, and stops it by returning false.
    ///
    /// # Errors
    /// [`IndexError::Locked`], [`IndexError::Compacting`], [`IndexError::NothingLeft`], [`IndexError::Overtaken`],
    /// [`IndexError::Stopped`], or what is wrong with the files. The active generation stays as it is then.
    pub fn compact(
        &self,
        step: &mut (dyn FnMut(usize, usize) -> bool + Send),
    ) -> Result<Compacted, IndexError> {
        self.must_be_writable()?;
        let _alone = match self.compacting.try_lock() {
            Ok(alone) => alone,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(IndexError::Compacting),
        };
        let old = Arc::clone(&lock(&self.open).active);
        let (view, seen) = {
            let writer = old.writer();
            (old.view(), writer.log.mark())
        };
        let previous = old.generation.id().to_owned();
        if view.overlay().is_empty() {
            old.renew(&self.path)?;
            return Ok(Compacted { generation: previous.clone(), previous, rows: view.len() });
        }
        if view.is_empty() {
            return Err(IndexError::NothingLeft);
        }
        let rows = view.len();
        let new = quietly(|| self.written(&view, step))?;
        let id = new.id().to_owned();
        self.take_over(&old, new, seen)?;
        Ok(Compacted { generation: id, previous, rows })
    }

    /// Everything that there is, in a generation of its own.
    fn written(
        &self,
        view: &View,
        step: &mut (dyn FnMut(usize, usize) -> bool + Send),
    ) -> Result<Finished, IndexError> {
        let (old, overlay, total) = (view.generation(), view.overlay(), view.len());
        let mut builder = Builder::new(&self.path, old.dim(), old.fingerprint())?
            .stored_as(old.precision())?
            .instead_of(old.id());
        if let Some(vision) = old.vision_fingerprint() {
            builder = builder.seen_by(vision);
        }
        let mut done = 0;
        let mut more = || {
            done += 1;
            if step(done, total) { Ok(()) } else { Err(IndexError::Stopped) }
        };
        for row in (0..old.len()).filter(|&row| overlay.has(row)) {
            builder.add_row_of(old, row)?;
            more()?;
        }
        for (piece, Part { piece: rows, live }) in overlay.parts().iter().enumerate() {
            for row in live.iter() {
                let place = super::Place::Added { piece, row };
                let (Some(kept), Some(vector)) = (rows.rows.get(row), rows.vector(row)) else { continue };
                let picture = Some(view.picture(place)?).filter(|bytes| !bytes.is_empty());
                let new = NewItem { item: view.item(place)?, picture, sha256: kept.sha256 };
                builder.add_values(new, vector)?;
                more()?;
            }
        }
        let mut laid = builder.lay_down()?;
        let step = Mutex::new(step);
        // How far the graph is, is told as all pictures done again and again: it stops when that is refused.
        let more = |_, _| (step.lock().unwrap_or_else(PoisonError::into_inner))(total, total);
        graph::add_if_large(&mut laid, self.settings.graphing, &more)?;
        laid.seal()
    }

    /// Puts the new generation in the old one's place, with the changes that were made since `seen`. It is published
    /// only now, and after its log: at no moment is there a generation that lacks what was acknowledged.
    fn take_over(&self, old: &Arc<Opened>, new: Finished, seen: Mark) -> Result<(), IndexError> {
        let _turn = lock(&self.activating);
        // From here on changes wait.
        let mut writer = old.writer();
        if writer.state != State::Active || self.root.active()? != old.generation.id() {
            return Err(IndexError::Overtaken);
        }
        let id = new.id().to_owned();
        let done = writer.log.pass_on(&self.path, &id, seen).and_then(|()| {
            new.publish_with_log()?;
            let (new, _) = Opened::open(&self.path, self.root.generation(&id)?, true)?;
            self.name_active(&id, old, &mut writer)?;
            Ok(new)
        });
        match done {
            Ok(new) => drop(self.install(new)),
            Err(error) => {
                // Nobody has heard of it, unless the very last step failed.
                if self.root.active().is_ok_and(|active| active != id) {
                    // What cannot be removed now, is when generations are collected.
                    let _ = self.remove(&id);
                }
                return Err(error);
            }
        }
        Ok(())
    }
}
