//! An index that is served: its active generation with the changes since, others that are still in use, compaction.
//!
//! A change is written to the log of the active generation, then it is seen. Compaction makes a new generation of the
//! old one and its changes while both are searched and changed; what came meanwhile goes to the new one's log, and the
//! rename of `ACTIVE` decides. At every moment one of the two holds all that was acknowledged.

mod collect;
mod compact;
mod limits;
mod opened;
mod overlay;
mod quietly;
mod view;

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    path::Path,
    sync::{Arc, Mutex},
    time::Instant,
};

use fondue_domain::Embedding;

pub(crate) use self::view::best_first;
pub use self::{
    compact::Compacted,
    limits::{Limits, Settings},
    overlay::Place,
    view::{Found, View},
};
use self::{
    opened::{New, NotMade, Opened, State, Writer, lock},
    quietly::quietly,
};
use crate::{Generation, IndexError, NewItem, Root, changes::Log};

/// Whoever holds a lock on it may change the index.
const LOCK: &str = "lock";

/// An index that is served. All calls block: they read files, or wait for the disk.
pub struct Index {
    root: Root,
    path: std::path::PathBuf,
    settings: Settings,
    open: Mutex<Open>,
    /// Held through an activation, and at the end of a compaction.
    activating: Mutex<()>,
    compacting: Mutex<()>,
    /// Held as long as this process may change the index.
    lock: Option<File>,
    started: Instant,
    /// Bytes of an unfinished batch that were cut off when the index was opened.
    cut: u64,
}

struct Open {
    active: Arc<Opened>,
    /// Least recently used first.
    others: VecDeque<Arc<Opened>>,
    /// When generations that are not open any more were last used.
    used: HashMap<String, Instant>,
}

/// What was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Pictures that took the place of one with the same id.
    pub replaced: usize,
    /// The generation that they were added to.
    pub generation: String,
}

/// What was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Pictures that were there.
    pub deleted: usize,
    /// The generation that they were removed from.
    pub generation: String,
}

impl Index {
    /// Opens the active generation of an index and its changes. The first process that opens an index may change it; for
    /// others it is read-only. The checksums are not compared: see [`Index::verify`].
    ///
    /// # Errors
    /// [`IndexError`] if there is no index, none is active, or the active one or its log is damaged.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, IndexError> {
        Self::open_with(path, settings, take_lock)
    }

    /// The same, to read only, whoever else has it open: it keeps nobody from changing the index.
    ///
    /// # Errors
    /// As [`Index::open`].
    pub fn open_to_read(path: &Path, settings: Settings) -> Result<Self, IndexError> {
        Self::open_with(path, settings, |_| None)
    }

    fn open_with(
        path: &Path,
        settings: Settings,
        lock: impl FnOnce(&Path) -> Option<File>,
    ) -> Result<Self, IndexError> {
        let root = Root::open(path)?;
        // The lock first: whoever had it before may have activated another one in the end.
        let lock = lock(path);
        let id = root.active()?;
        let (active, cut) = Opened::open(path, root.generation(&id)?, lock.is_some())?;
        let open =
            Mutex::new(Open { active: Arc::new(active), others: VecDeque::new(), used: HashMap::new() });
        Ok(Self {
            root,
            path: path.to_owned(),
            settings,
            open,
            activating: Mutex::default(),
            compacting: Mutex::default(),
            lock,
            started: Instant::now(),
            cut,
        })
    }

    /// Whether this process may change it.
    pub fn writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Bytes of an unfinished batch that a killed process had left and that were cut off.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Compares the active generation with its checksums. Reads everything, while it is searched.
    ///
    /// # Errors
    /// [`IndexError::Damaged`].
    pub fn verify(&self) -> Result<(), IndexError> {
        if !self.settings.verify {
            return Ok(());
        }
        let view = self.view("")?;
        quietly(|| view.generation().verify())
    }

    /// What a generation holds now; without an id the active one. Reads files if it is not open.
    ///
    /// # Errors
    /// [`IndexError::NoGeneration`], or what is wrong with its files.
    pub fn view(&self, id: &str) -> Result<View, IndexError> {
        Ok(self.opened(id)?.view())
    }

    fn opened(&self, id: &str) -> Result<Arc<Opened>, IndexError> {
        if let Some(known) = lock(&self.open).find(id) {
            return Ok(known);
        }
        // Without the lock: opening may take a while, and searches go on.
        let opened = Opened::open(&self.path, self.root.generation(id)?, false)?.0;
        if !opened.generation.folder().is_dir() {
            // It is being collected, and its log may have gone before it was read.
            return Err(IndexError::NoGeneration { id: id.to_owned() });
        }
        let mut open = lock(&self.open);
        // It may have been opened, activated and changed meanwhile: then that one knows more.
        if let Some(known) = open.find(id) {
            return Ok(known);
        }
        let opened = Arc::new(opened);
        open.keep(Arc::clone(&opened), self.settings.max_open);
        Ok(opened)
    }

    /// Adds pictures to the active generation, all or none; one that is there under the same id is replaced. They are
    /// on the disk, and every later search sees them, when it returns.
    ///
    /// # Errors
    /// [`IndexError::Locked`], what is wrong with a picture, or why it could not be written.
    pub fn ingest(&self, batch: Vec<(NewItem, Embedding)>) -> Result<Ingested, IndexError> {
        let changes = batch.into_iter().map(|(new, embedding)| New::Put(Box::new(new), embedding));
        let (applied, generation) = self.change(changes.collect())?;
        Ok(Ingested { replaced: applied.replaced, generation })
    }

    /// Removes pictures from the active generation; as durable. Ids that are not there are passed over.
    ///
    /// # Errors
    /// [`IndexError::Locked`], or why it could not be written.
    pub fn delete(&self, ids: Vec<String>) -> Result<Deleted, IndexError> {
        let (applied, generation) = self.change(ids.into_iter().map(New::Remove).collect())?;
        Ok(Deleted { deleted: applied.removed, generation })
    }

    fn change(&self, mut changes: Vec<New>) -> Result<(overlay::Applied, String), IndexError> {
        self.must_be_writable()?;
        loop {
            let active = Arc::clone(&lock(&self.open).active);
            match active.change(changes, &self.settings.limits) {
                Ok(applied) => return Ok((applied, active.generation.id().to_owned())),
                Err(NotMade::Refused(error)) => return Err(error),
                // A compaction has just ended: its generation is the active one now.
                Err(NotMade::Superseded(again)) => changes = again,
            }
        }
    }

    /// Makes a generation the active one, for the folder too; without an id the one that the folder names. Returns
    /// (now, before). It is opened anew, so that one that was repaired on the disk takes effect. Changes stay with the
    /// generation that they were made to.
    ///
    /// # Errors
    /// As [`Root::generation`], and [`IndexError::Damaged`]; the active one stays active then.
    pub fn activate(&self, id: &str) -> Result<(String, String), IndexError> {
        // One at a time, so that folder and memory cannot end with different ones.
        let _turn = lock(&self.activating);
        let id = if id.is_empty() { self.root.active()? } else { id.to_owned() };
        let present = Arc::clone(&lock(&self.open).active);
        let generation = self.open_to_serve(&id)?;
        // Changes wait from here on until it is clear which generation is to have them. If it is the same one, its log
        // must not change while it is read; else there may be much to read, and it is read before.
        if present.generation.id() == id {
            let mut writer = present.writer();
            let (new, _) = Opened::open(&self.path, generation, self.writable())?;
            self.name_active(&id, &present, &mut writer)?;
            lock(&self.open).active = Arc::new(new);
            return Ok((id.clone(), id));
        }
        let (new, _) = Opened::open(&self.path, generation, self.writable())?;
        let mut writer = present.writer();
        self.name_active(&id, &present, &mut writer)?;
        Ok((id, self.install(new)))
    }

    /// Makes `ACTIVE` name a generation, and the present one superseded. First the disk, then the memory: after a
    /// failure both still name the present one, or it takes no more changes, as a restart might not see them.
    fn name_active(&self, id: &str, present: &Opened, writer: &mut Writer) -> Result<(), IndexError> {
        let Err(error) = self.root.activate(id) else {
            writer.state = State::Superseded;
            return Ok(());
        };
        let before = present.generation.id();
        // The rename may have been done, and not what makes it durable.
        if id != before
            && self.root.active().is_ok_and(|active| active == id)
            && self.root.activate(before).is_err()
        {
            writer.state = State::Unsure;
        }
        Err(error)
    }

    /// Serves the newest other generation that is whole instead of the active one, in memory alone: `ACTIVE` stays as it
    /// is, and changes go to the generation that is served. `None` if there is none.
    pub fn fall_back(&self) -> Option<String> {
        let _turn = lock(&self.activating);
        let present = Arc::clone(&lock(&self.open).active);
        let mut others: Vec<Generation> = self
            .generations()
            .ok()?
            .iter()
            .filter_map(|id| {
                let other = id != present.generation.id();
                other.then(|| self.root.generation(id).ok()).flatten()
            })
            .collect();
        others.sort_by_key(Generation::created);
        let (whole, _) = others.into_iter().rev().find_map(|other| {
            other.verify().ok()?;
            Opened::open(&self.path, other, self.writable()).ok()
        })?;
        let id = whole.generation.id().to_owned();
        present.writer().state = State::Superseded;
        self.install(whole);
        Some(id)
    }

    /// Makes an opened generation the active one in memory; returns the one before.
    fn install(&self, new: Opened) -> String {
        let mut open = lock(&self.open);
        let id = new.generation.id().to_owned();
        open.others.retain(|other| other.generation.id() != id);
        let before = std::mem::replace(&mut open.active, Arc::new(new));
        let previous = before.generation.id().to_owned();
        open.keep(before, self.settings.max_open);
        previous
    }

    /// Ids of all generations of the folder.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn generations(&self) -> Result<Vec<String>, IndexError> {
        self.root.generations()
    }

    /// A generation whose checksums are right, if that is asked for.
    fn open_to_serve(&self, id: &str) -> Result<Generation, IndexError> {
        let generation = self.root.generation(id)?;
        if self.settings.verify {
            quietly(|| generation.verify())?;
        }
        Ok(generation)
    }

    fn must_be_writable(&self) -> Result<(), IndexError> {
        if self.writable() { Ok(()) } else { Err(IndexError::Locked { root: self.path.clone() }) }
    }
}

impl Open {
    /// An open generation; without an id the active one.
    fn find(&mut self, id: &str) -> Option<Arc<Opened>> {
        if id.is_empty() || self.active.generation.id() == id {
            return Some(Arc::clone(&self.active));
        }
        let at = self.others.iter().position(|other| other.generation.id() == id)?;
        let found = self.others.remove(at)?;
        self.others.push_back(Arc::clone(&found));
        Some(found)
    }

    /// Keeps a generation open that is not the active one.
    fn keep(&mut self, opened: Arc<Opened>, max_open: usize) {
        self.others.retain(|other| other.generation.id() != opened.generation.id());
        self.others.push_back(opened);
        while self.others.len() > max_open {
            if let Some(closed) = self.others.pop_front() {
                self.used.insert(closed.generation.id().to_owned(), closed.used());
            }
        }
    }

    /// When a generation that is not the active one was last used.
    fn used(&self, id: &str) -> Option<Instant> {
        let open = self.others.iter().find(|other| other.generation.id() == id);
        open.map(|other| other.used()).max(self.used.get(id).copied())
    }

    /// Forgets a generation that is not the active one.
    fn forget(&mut self, id: &str) {
        self.others.retain(|other| other.generation.id() != id);
        self.used.remove(id);
    }
}

/// The lock on an index's changes; `None` if another process has it, or the folder cannot be written.
fn take_lock(root: &Path) -> Option<File> {
    let file = File::options().write(true).create(true).truncate(false).open(root.join(LOCK)).ok()?;
    file.try_lock().ok()?;
    // What cannot be removed costs space, but stops nobody.
    let _ = Log::tidy(root);
    Some(file)
}

#[cfg(test)]
mod tests;
