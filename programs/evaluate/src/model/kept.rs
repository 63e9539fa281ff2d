//! Answers on the disk: one line each, added as they come, so that what a killed run knew the next one knows.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, de::Error};
use sha2::{Digest, Sha256};

/// What an answer is found by.
pub(crate) type Key = [u8; 32];

/// The key of a question, which is told apart from others by its JSON.
pub(super) fn key(question: &impl Serialize) -> Result<Key> {
    Ok(Sha256::digest(serde_json::to_vec(question)?).into())
}

/// Takes a folder for this process, as long as what is returned lives.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("LOCK");
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another evaluation of this model works in {}; --work names another folder",
                folder.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).context(format!("locking {}", path.display())),
    }
}

/// Answers of one kind.
pub(super) struct Kept<V> {
    known: HashMap<Key, V>,
    file: File,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Line<V> {
    key: String,
    value: V,
}

impl<V: Serialize + DeserializeOwned> Kept<V> {
    /// Reads what is there. A last line that was cut off is removed; anything else that is no answer is a fault.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let said = || format!("opening {}", path.display());
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = file.with_context(said)?;
        let (mut known, mut whole, mut line) = (HashMap::new(), 0, Vec::new());
        let mut reader = BufReader::new(&mut file);
        loop {
            line.clear();
            let n = reader.read_until(b'\n', &mut line).with_context(said)?;
            if line.last() != Some(&b'\n') {
                break; // the end, or what a killed process left
            }
            let broken = || format!("{}: byte {whole}: no kept answer; remove the file", path.display());
            let Line { key, value } = serde_json::from_slice(&line).with_context(broken)?;
            let mut bytes = Key::default();
            hex::decode_to_slice(key, &mut bytes).with_context(broken)?;
            known.insert(bytes, value);
            whole += n as u64;
        }
        file.set_len(whole).with_context(said)?;
        file.seek(SeekFrom::End(0)).with_context(said)?;
        Ok(Self { known, file, path: path.to_owned() })
    }

    /// An answer, if there is one.
    pub(super) fn get(&self, key: &Key) -> Option<&V> {
        self.known.get(key)
    }

    /// Keeps an answer.
    pub(super) fn put(&mut self, key: Key, value: V) -> Result<()> {
        let mut line = serde_json::to_vec(&Line { key: hex::encode(key), value: &value })?;
        line.push(b'\n');
        self.file.write_all(&line).with_context(|| format!("writing {}", self.path.display()))?;
        self.known.insert(key, value);
        Ok(())
    }
}

/// Numbers that are kept as they are, bit by bit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Floats(pub(crate) Vec<f32>);

impl Serialize for Floats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
        let (values, rest) = bytes.as_chunks::<4>();
        if rest.is_empty() {
            Ok(Self(values.iter().map(|value| f32::from_le_bytes(*value)).collect()))
        } else {
            Err(D::Error::custom("numbers of four bytes were expected"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_was_kept_is_known_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.jsonl");
        let (first, second) = (key(&1).unwrap(), key(&"two").unwrap());
        let value = Floats(vec![1.5, -0.0, f32::MIN_POSITIVE]);
        let mut kept = Kept::open(&path).unwrap();
        kept.put(first, value.clone()).unwrap();
        kept.put(second, Floats(Vec::new())).unwrap();
        drop(kept);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut kept: Kept<Floats> = Kept::open(&path).unwrap();
        assert_eq!(kept.get(&first), Some(&value));
        assert_eq!(kept.get(&second), None, "its line was cut off");
        kept.put(second, Floats(vec![2.0])).unwrap();
        drop(kept);
        let kept: Kept<Floats> = Kept::open(&path).unwrap();
        assert_eq!(kept.get(&second), Some(&Floats(vec![2.0])));
        fs::write(&path, "nonsense\n").unwrap();
        let error = Kept::<Floats>::open(&path).err().unwrap();
        assert!(format!("{error:#}").contains("kept.jsonl: byte 0: no kept answer"), "{error:#}");
    }

    #[test]
    fn one_process_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(lock(folder.path()).unwrap_err().to_string().contains("--work"));
        drop(held);
        lock(folder.path()).unwrap();
    }
}
