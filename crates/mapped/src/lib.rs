//! Read-only memory maps of files: the one place with unsafe code.
//! Touches files. Never tensors, never the network.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use memmap2::{Mmap, UncheckedAdvice};

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
    /// The system's, if the file cannot be opened or mapped; [`io::ErrorKind::InvalidInput`] if it is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked for before it is opened: to open a pipe is to wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
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
        if self.bytes().is_empty() {
            return Ok(&[]); // of any alignment
        }
        let error = |_| MapError { bytes: self.bytes().len(), size: size_of::<T>() };
        bytemuck::try_cast_slice(self.bytes()).map_err(error)
    }
}

impl Mapped {
    /// Tells the system that these bytes will not be needed soon: they leave this process's memory, and come from the
    /// file again if they are read after all. Whole pages within the range only; a range beyond the end does nothing.
    pub fn release(&self, range: std::ops::Range<usize>) {
        if let Some(map) = &self.0
            && range.start < range.end
            && range.end <= map.len()
        {
            release(map, range);
        }
    }
}

#[allow(unsafe_code)]
fn release(map: &Mmap, range: std::ops::Range<usize>) {
    // The neighbours' bytes on the first and last page stay.
    let (start, end) = (range.start.next_multiple_of(PAGE), range.end / PAGE * PAGE);
    if start < end {
        // SAFETY: the map is of a file, shared and read-only; pages that are dropped are read from the file again.
        let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
    }
}

/// A multiple of every page size in use.
const PAGE: usize = 64 << 10;

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
    fn released_bytes_can_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bytes");
        let bytes: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let mapped = Mapped::open(&path).unwrap();
        assert_eq!(mapped.bytes(), bytes);
        for range in [0..300_000, 10..20, 1000..200_000, 5..usize::MAX, 300_000..300_000] {
            mapped.release(range);
            assert_eq!(mapped.bytes(), bytes);
        }
    }

    #[test]
    fn maps_whole_arrays_and_refuses_fractions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("values");
        std::fs::write(&path, [0, 0, 128, 63, 0, 0, 0, 64]).unwrap();
        assert_eq!(Mapped::open(&path).unwrap().as_slice::<f32>().unwrap(), [1.0, 2.0]);
        std::fs::write(&path, [1, 2, 3]).unwrap();
        assert!(Mapped::open(&path).unwrap().as_slice::<f32>().is_err());
        std::fs::write(&path, []).unwrap();
        let empty = Mapped::open(&path).unwrap();
        assert!(empty.bytes().is_empty());
        assert!(empty.as_slice::<u64>().unwrap().is_empty(), "no values are an array, too");
        assert!(Mapped::open(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn only_regular_files_are_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // A pipe without a writer would keep the caller waiting; zero has no end.
        for path in [folder.path(), &pipe, Path::new("/dev/zero")] {
            let error = Mapped::open(path).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
    }
}
