//! Whether an id was added before, without holding the ids: a hash of each, and the written file where two agree.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use super::file::BlobsFile;
use crate::IndexError;

/// 20 to 40 bytes for each id: 17 for each place of a table that is seven to fourteen sixteenths full. Its keys are chosen at
/// random, so that no list of ids can make hashes agree on purpose.
#[derive(Default)]
pub(super) struct Names {
    hasher: RandomState,
    /// A hash, and the row that was the first to have it.
    rows: HashMap<u64, u32>,
    /// Ids whose hash another one had before: among millions, most likely none.
    others: HashSet<String>,
}

impl Names {
    /// Notes that `id` is the id of `row`; `ids` holds those of all rows before. False, and nothing noted, if it is
    /// there already.
    ///
    /// # Errors
    /// [`IndexError::Io`] if the file cannot be read.
    pub(super) fn add(&mut self, id: &str, row: u32, ids: &mut BlobsFile) -> Result<bool, IndexError> {
        let hash = self.hasher.hash_one(id);
        self.add_hashed(hash, id, row, ids)
    }

    fn add_hashed(&mut self, hash: u64, id: &str, row: u32, ids: &mut BlobsFile) -> Result<bool, IndexError> {
        match self.rows.entry(hash) {
            Entry::Vacant(place) => {
                place.insert(row);
                Ok(true)
            }
            Entry::Occupied(first) => {
                Ok(ids.read(*first.get())? != id.as_bytes() && self.others.insert(id.to_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_hash_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let mut ids = BlobsFile::create(folder.path(), "ids").unwrap();
        let mut names = Names::default();
        let mut added = Vec::new();
        for id in ["a", "b", "a", "c", "b", "c", "a"] {
            let row = added.len() as u32;
            if names.add_hashed(7, id, row, &mut ids).unwrap() {
                ids.write(id.as_bytes()).unwrap();
                added.push(id);
            }
        }
        assert_eq!(added, ["a", "b", "c"]);
        assert_eq!(ids.read(1).unwrap(), b"b");
        for row in 3..2000 {
            let id = format!("id {row}");
            assert!(names.add(&id, row, &mut ids).unwrap());
            ids.write(id.as_bytes()).unwrap();
        }
        assert!(!names.add("id 3", 2000, &mut ids).unwrap());
        assert!(!names.add("id 1999", 2000, &mut ids).unwrap());
    }
}
