//! What was compacted and is not used any more goes.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path, time::Instant};

use super::{Index, opened::lock};
use crate::{
    IndexError,
    builder::sync_folder,
    changes::{Extent, Log},
    manifest::Manifest,
    root::GENERATIONS,
};

/// How the name of a folder begins whose generation is being removed.
const COLLECTED: &str = ".collected-";

impl Index {
    /// Removes generations whose content lives on in another one, unless they were used within the time of the settings:
    /// those that the active one was compacted from, and those that were compacted from one of these and never changed
    /// since, as when a process was killed at the end of a compaction. One that was changed after it was compacted
    /// stays, and so does whatever else was built by hand. Returns what went.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn collect(&self) -> Result<Vec<String>, IndexError> {
        self.must_be_writable()?;
        self.sweep()?;
        let gone = {
            // Nothing is activated meanwhile that is about to go.
            let _turn = lock(&self.activating);
            let superfluous = self.superfluous()?;
            self.remove_leftover_logs()?;
            superfluous.iter().try_for_each(|id| self.set_aside(id))?;
            superfluous
        };
        self.sweep()?;
        Ok(gone)
    }

    fn superfluous(&self) -> Result<Vec<String>, IndexError> {
        let active = lock(&self.open).active.generation.id().to_owned();
        if self.root.active()? != active {
            // Another one is served than a restart would open: what either needs must stay.
            return Ok(Vec::new());
        }
        let family = self.family()?;
        let line = line(&family, &active);
        let mut superfluous = Vec::new();
        // The oldest first: when a younger one is gone, nobody finds it any more.
        for pair in line.windows(2).rev() {
            let [child, id] = pair else { continue };
            if !self.unused(id) {
                break;
            }
            let (extent, taken) = (self.extent(id, &family)?, self.extent(child, &family)?);
            if let (Some(extent), Some(child)) = (extent, taken)
                && extent.next == child.taken
            {
                superfluous.push((*id).to_owned());
            }
        }
        for (id, manifest) in &family {
            let aside = !line.contains(&id.as_str())
                && manifest.parent.as_ref().is_some_and(|parent| line.contains(&parent.as_str()));
            if aside
                && self.unused(id)
                && self.extent(id, &family)?.is_none_or(|extent| extent.next == extent.taken)
            {
                superfluous.push(id.clone());
            }
        }
        Ok(superfluous)
    }

    /// Removes the logs of compactions that were killed before their generation was published: those without a
    /// generation whose every frame is in the log of another one, too.
    fn remove_leftover_logs(&self) -> Result<(), IndexError> {
        let gone = |id: &String| !self.path.join(GENERATIONS).join(id).exists();
        let leftover: Vec<String> = Log::all(&self.path)?.into_iter().filter(gone).collect();
        if leftover.is_empty() {
            return Ok(());
        }
        let family = self.family()?;
        for id in leftover {
            let held = family.iter().any(|(other, manifest)| {
                // One of vectors of another length cannot be read so: it is no copy.
                let extent = |id: &str| Log::extent(&self.path, id, manifest.dim).unwrap_or_default();
                extent(other).zip(extent(&id)).is_some_and(|(kept, left)| kept.holds(left))
            });
            if held {
                Log::remove(&self.path, &id)?;
            }
        }
        Ok(())
    }

    fn unused(&self, id: &str) -> bool {
        let used = lock(&self.open).used(id).unwrap_or(self.started);
        Instant::now().duration_since(used) >= self.settings.collect_after
    }

    /// The manifests of all generations that can be read.
    fn family(&self) -> Result<BTreeMap<String, Manifest>, IndexError> {
        let read = |id: String| {
            let manifest = Manifest::read(&self.path.join(GENERATIONS).join(&id));
            manifest.ok().map(|manifest| (id, manifest))
        };
        Ok(self.root.generations()?.into_iter().filter_map(read).collect())
    }

    fn extent(&self, id: &str, family: &BTreeMap<String, Manifest>) -> Result<Option<Extent>, IndexError> {
        let Some(manifest) = family.get(id) else { return Ok(None) };
        Log::extent(&self.path, id, manifest.dim)
    }

    /// Removes a generation that nobody has heard of.
    pub(super) fn remove(&self, id: &str) -> Result<(), IndexError> {
        if self.path.join(GENERATIONS).join(id).exists() {
            self.set_aside(id)?;
        } else {
            Log::remove(&self.path, id)?;
        }
        self.sweep()
    }

    /// At once out of sight; whoever has mapped it keeps it.
    fn set_aside(&self, id: &str) -> Result<(), IndexError> {
        lock(&self.open).forget(id);
        let generations = self.path.join(GENERATIONS);
        let place = generations.join(id);
        let aside = generations.join(format!("{COLLECTED}{id}"));
        fs::rename(&place, aside).map_err(IndexError::io(&place))?;
        sync_folder(&generations)
    }

    /// Removes what was set aside, also by a process that was killed before it was done.
    fn sweep(&self) -> Result<(), IndexError> {
        let generations = self.path.join(GENERATIONS);
        for entry in fs::read_dir(&generations).map_err(IndexError::io(&generations))?.flatten() {
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_prefix(COLLECTED)) else { continue };
            // One with the same content may have been built since, and changed.
            if !generations.join(id).exists() {
                Log::remove(&self.path, id)?;
            }
            remove_folder(&entry.path())?;
        }
        Ok(())
    }
}

/// A generation and those that it was compacted from, one after the other.
fn line<'a>(family: &'a BTreeMap<String, Manifest>, active: &str) -> Vec<&'a str> {
    let mut line: Vec<&str> = Vec::new();
    let mut next = family.get_key_value(active);
    while let Some((id, manifest)) = next.filter(|(id, _)| !line.contains(&id.as_str())) {
        line.push(id);
        next = manifest.parent.as_ref().and_then(|parent| family.get_key_value(parent));
    }
    line
}

fn remove_folder(path: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(IndexError::io(path)(error)),
        _ => Ok(()),
    }
}
