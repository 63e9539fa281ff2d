//! What a build has done so far, kept beside the index: killed at any moment, the same command goes on where it was.
//!
//! `ROOT/.resume-KEY/rows` holds a record of each entry that was seen, in the order in which they were done. The key is a
//! hash of all that the result depends on, so that another build has another folder.

mod record;

use std::{
    fs::{self, File, TryLockError},
    io::{BufReader, BufWriter, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use self::record::{Outcome, Picture, Seen};

/// How the folders' names begin; a key follows.
const PREFIX: &str = ".resume-";
/// Hexadecimal digits of a key.
pub(crate) const KEY_DIGITS: usize = 16;
/// The file of records.
pub(crate) const ROWS: &str = "rows";
/// Whoever has a lock on it goes on with the build.
pub(crate) const LOCK: &str = "lock";

const MAGIC: &[u8; 16] = b"fondue build 1\n\0";
/// Length and checksum before each record.
const HEAD: usize = 12;
/// What a record can have at most: a picture and its vector.
const MAX_RECORD: usize = 1 << 30;
/// What a machine that loses its power may lose; what is killed alone loses nothing that was written.
const SYNC_EVERY: Duration = Duration::from_secs(5);

/// The records of one build; one process at a time has them.
pub(crate) struct Kept {
    folder: PathBuf,
    file: BufWriter<File>,
    /// Where each entry's record begins; 0 if it is not done.
    places: Vec<u64>,
    end: u64,
    synced: Instant,
    /// Held until the process ends.
    _lock: File,
}

impl Kept {
    /// The records of the build that `key` stands for, of `n_entries`. `fresh` forgets what is there.
    pub(crate) fn open(index: &Path, key: &str, n_entries: u64, fresh: bool) -> Result<Self> {
        let folder = index.join(format!("{PREFIX}{key}"));
        let at = |path: &Path| format!("keeping what is done in {}", path.display());
        fs::create_dir_all(&folder).with_context(|| at(&folder))?;
        let lock = File::create(folder.join(LOCK)).with_context(|| at(&folder))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another process is building this very index; what it has done is in {}",
                    folder.display()
                )
            }
            Ok(()) | Err(TryLockError::Error(_)) => {} // there are systems without locks
        }
        let path = folder.join(ROWS);
        if fresh && path.exists() {
            fs::remove_file(&path).with_context(|| at(&path))?;
        }
        let file =
            File::options().read(true).append(true).create(true).open(&path).with_context(|| at(&path))?;
        let mut places = vec![0; usize::try_from(n_entries)?];
        let end = replay(&file, &mut places).with_context(|| at(&path))?;
        // What is behind the last whole record was not written to its end; it is done again.
        file.set_len(end).with_context(|| at(&path))?;
        let mut kept =
            Self { folder, file: BufWriter::new(file), places, end, synced: Instant::now(), _lock: lock };
        if end == 0 {
            kept.write(MAGIC)?;
            kept.end = MAGIC.len() as u64;
            kept.flush()?;
        }
        Ok(kept)
    }

    pub(crate) fn is_done(&self, n: u64) -> bool {
        self.places.get(n as usize).is_some_and(|&place| place != 0)
    }

    pub(crate) fn n_done(&self) -> u64 {
        self.places.iter().filter(|&&place| place != 0).count() as u64
    }

    /// Notes what became of an entry. It is written with [`Kept::flush`].
    pub(crate) fn add(&mut self, n: u64, outcome: &Outcome) -> Result<()> {
        let payload = record::encode(n, outcome);
        ensure!(payload.len() <= MAX_RECORD, "{} bytes are too many for one picture", payload.len());
        self.write(&(payload.len() as u32).to_le_bytes())?;
        self.write(&record::checksum(&payload))?;
        self.write(&payload)?;
        if let Some(place) = self.places.get_mut(n as usize) {
            *place = self.end;
        }
        self.end += (HEAD + payload.len()) as u64;
        Ok(())
    }

    /// From here on a killed process loses nothing of it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let written = self.file.flush().and_then(|()| {
            if self.synced.elapsed() >= SYNC_EVERY {
                self.synced = Instant::now();
                self.file.get_ref().sync_data()?;
            }
            Ok(())
        });
        written.with_context(|| self.at())
    }

    /// What became of an entry, as it was written.
    pub(crate) fn get(&self, n: u64) -> Result<Option<Outcome>> {
        let Some(&place) = self.places.get(n as usize).filter(|&&place| place != 0) else { return Ok(None) };
        let file = self.file.get_ref();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, place).with_context(|| self.at())?;
        let (length, checksum) = record::head(&head);
        ensure!(length <= MAX_RECORD, "{}: damaged since it was opened", self.at());
        let mut payload = vec![0; length];
        file.read_exact_at(&mut payload, place + HEAD as u64).with_context(|| self.at())?;
        let outcome = record::decode(&payload).filter(|(found, _)| *found == n);
        match outcome {
            Some((_, outcome)) if record::checksum(&payload) == checksum => Ok(Some(outcome)),
            _ => bail!("{}: damaged; --fresh begins anew", self.at()),
        }
    }

    /// Nothing of it is needed any more.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("removing {}", self.folder.display()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| self.at())
    }

    fn at(&self) -> String {
        format!("keeping what is done in {}", self.folder.display())
    }
}

/// The key of the build that has a folder of this name, if it is one's.
pub(crate) fn key_of(name: &str) -> Option<&str> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name.strip_prefix(PREFIX).filter(|key| key.len() == KEY_DIGITS && key.bytes().all(digit))
}

/// Notes where each whole record begins; returns where the last one ends.
fn replay(file: &File, places: &mut [u64]) -> std::io::Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; MAGIC.len()];
    if reader.read_exact(&mut magic).is_err() || &magic != MAGIC {
        return Ok(0);
    }
    let mut end = MAGIC.len() as u64;
    let mut payload = Vec::new();
    loop {
        let mut head = [0; HEAD];
        if reader.read_exact(&mut head).is_err() {
            return Ok(end);
        }
        let (length, checksum) = record::head(&head);
        payload.clear();
        // No more is set aside than is there.
        if length > MAX_RECORD || reader.by_ref().take(length as u64).read_to_end(&mut payload)? < length {
            return Ok(end);
        }
        let Some((n, _)) = record::decode(&payload).filter(|_| record::checksum(&payload) == checksum) else {
            return Ok(end);
        };
        let Some(place) = places.get_mut(n as usize) else { return Ok(end) };
        *place = end;
        end += (HEAD + length) as u64;
    }
}

#[cfg(test)]
mod tests;
