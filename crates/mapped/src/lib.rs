//! Read-only memory maps of files: the one place with unsafe code.
//! Touches files. Never tensors, never the network.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

/// A file's bytes, mapped.
pub struct Mapped(Option<Mmap>);

/// The bytes are not a whole, aligned array of the type asked for.
#[derive(Debug, thiserror::Error)]
#[error("{bytes} bytes are not an array of {size}-byte values")]
pub struct MapError {
    bytes: usize,
    size: usize,
}

impl Mapped {
    /// Maps a file; an empty one is an empty slice.
    ///
    /// # Errors
    /// The system's, if the file cannot be opened or mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self(None));
        }
        map(&file).map(|map| Self(Some(map)))
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// All bytes as values of `T`, in the machine's byte order.
    ///
    /// # Errors
    /// [`MapError`] if the length is not a multiple of the value's size.
    pub fn as_slice<T: bytemuck::AnyBitPattern>(&self) -> Result<&[T], MapError> {
        let error = |_| MapError { bytes: self.bytes().len(), size: size_of::<T>() };
        bytemuck::try_cast_slice(self.bytes()).map_err(error)
    }
}

/// A map stays valid while its file keeps its length. Weights and published index generations are never changed
/// in place (new ones are written beside and renamed), so only an operator who truncates a live file can break
/// this, and the system then stops the process (SIGBUS) rather than handing out other bytes.
#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private to this process; see above for changes from outside.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_whole_arrays_and_refuses_fractions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values");
        std::fs::write(&path, [0, 0, 128, 63, 0, 0, 0, 64]).unwrap();
        assert_eq!(Mapped::open(&path).unwrap().as_slice::<f32>().unwrap(), [1.0, 2.0]);
        std::fs::write(&path, [1, 2, 3]).unwrap();
        assert!(Mapped::open(&path).unwrap().as_slice::<f32>().is_err());
        std::fs::write(&path, []).unwrap();
        assert!(Mapped::open(&path).unwrap().bytes().is_empty());
        assert!(Mapped::open(&folder.path().join("absent")).is_err());
    }
}
