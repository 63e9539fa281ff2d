//! The root of an index: its generations, and which one is active.

use std::{
    fs::{self, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{Generation, IndexError, builder::sync_folder};

const ACTIVE: &str = "ACTIVE";
pub(crate) const GENERATIONS: &str = "generations";

/// An index's root folder.
#[derive(Clone, Debug)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// The index of a folder, which must exist.
    ///
    /// # Errors
    /// [`IndexError::NoIndex`] if there is no such folder, [`IndexError::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        match fs::read_dir(path) {
            Ok(_) => Ok(Self { path: path.to_owned() }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(IndexError::NoIndex { root: path.to_owned() })
            }
            Err(error) => Err(IndexError::io(path)(error)),
        }
    }

    /// The id that `ACTIVE` names.
    ///
    /// # Errors
    /// [`IndexError::NoneActive`] if nothing is active yet.
    pub fn active(&self) -> Result<String, IndexError> {
        let path = self.path.join(ACTIVE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(IndexError::NoneActive { root: self.path.clone() })
            }
            Err(error) => Err(IndexError::io(&path)(error)),
        }
    }

    /// Ids of all generations, sorted.
    ///
    /// # Errors
    /// [`IndexError::Io`].
    pub fn generations(&self) -> Result<Vec<String>, IndexError> {
        let path = self.path.join(GENERATIONS);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(IndexError::io(&path)(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(IndexError::io(&path))?.file_name().to_string_lossy().into_owned();
            if is_id(&name) {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Opens a generation.
    ///
    /// # Errors
    /// [`IndexError::NoGeneration`] if it is not there, or what is wrong with its files.
    pub fn generation(&self, id: &str) -> Result<Generation, IndexError> {
        let folder = self.path.join(GENERATIONS).join(id);
        // The check also keeps ids from leading out of the folder.
        if !is_id(id) || !folder.is_dir() {
            return Err(IndexError::NoGeneration { id: id.to_owned() });
        }
        Generation::open(&folder)
    }

    /// Makes a generation the active one, if it can be opened.
    ///
    /// # Errors
    /// As [`Root::generation`]; the active one stays active then.
    pub fn activate(&self, id: &str) -> Result<(), IndexError> {
        self.generation(id)?;
        let io = |error| IndexError::io(&self.path)(error);
        // As any other new file, as far as the umask allows: a server may run as another user than the builder.
        let mode = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new().prefix(".active-").permissions(mode).tempfile_in(&self.path);
        let mut file = file.map_err(io)?;
        writeln!(file, "{id}").map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(self.path.join(ACTIVE)).map_err(|error| io(error.error))?;
        sync_folder(&self.path)
    }
}

/// `g` and 16 lower-case hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 17
        && text.starts_with('g')
        && text.bytes().skip(1).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
