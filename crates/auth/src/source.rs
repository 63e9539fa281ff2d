//! A small file that is read again when it has changed. What cannot be read leaves what was read before.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

/// Bytes of such a file at most.
const MAX_BYTES: u64 = 4 << 20;

/// A file, and what was last in it.
pub(crate) struct Source {
    path: PathBuf,
    seen: Result<Vec<u8>, io::ErrorKind>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in it may be a secret.
        let n_bytes = self.seen.as_ref().map(Vec::len);
        f.debug_struct("Source").field("path", &self.path).field("n_bytes", &n_bytes).finish()
    }
}

impl Source {
    /// Reads it for the first time.
    pub(crate) fn open(path: PathBuf) -> io::Result<(Self, Vec<u8>)> {
        let bytes = read(&path)?;
        Ok((Self { path, seen: Ok(bytes.clone()) }, bytes))
    }

    /// What is in it, if that is not what was there the last time. Contents are compared: they are few, and times of change lie
    /// where volumes are swapped by links.
    pub(crate) fn changed(&mut self) -> Option<io::Result<Vec<u8>>> {
        let now = read(&self.path);
        let seen = now.as_ref().map(Vec::clone).map_err(io::Error::kind);
        if seen == self.seen {
            return None;
        }
        self.seen = seen;
        Some(now)
    }

    /// What was there the last time.
    pub(crate) fn seen(&self) -> io::Result<Vec<u8>> {
        self.seen.clone().map_err(io::Error::from)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }
}

fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {MAX_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let (source, bytes) = Source::open(path).unwrap();
        let told = format!("{source:?}");
        assert!(!told.contains("0123") && !told.contains(&format!("{bytes:?}")[1..9]), "{told}");
        assert!(told.contains("Ok(16)"), "{told}");
    }
}
