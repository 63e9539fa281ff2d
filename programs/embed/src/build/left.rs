//! What builds of other sources left beside the index, and nobody goes on with.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::kept::{self, LOCK, ROWS};

/// An unfinished build that was removed, or could not be.
pub(crate) struct Left {
    pub(crate) folder: PathBuf,
    /// Since something was written to it.
    pub(crate) age: Duration,
    pub(crate) removed: io::Result<()>,
}

/// Removes what unfinished builds have done that nobody has touched for `after`, but for the build of `key`. One that runs
/// holds its lock, and where locks cannot be told, nothing is removed.
pub(crate) fn sweep(index: &Path, key: &str, after: Duration, now: SystemTime) -> Vec<Left> {
    let Ok(entries) = fs::read_dir(index) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.retain(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        kept::key_of(&name).is_some_and(|other| other != key)
    });
    folders.sort();
    folders.into_iter().filter_map(|folder| leave(folder, after, now)).collect()
}

/// Removes one, if it is old enough and nobody's.
fn leave(folder: PathBuf, after: Duration, now: SystemTime) -> Option<Left> {
    let touched = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    let last = touched(&folder.join(ROWS)).or_else(|| touched(&folder))?;
    // What comes from the future is new.
    let age = now.duration_since(last).unwrap_or_default();
    if age < after {
        return None;
    }
    // Held until the folder is gone. Without the file, its build ended before it had done anything.
    let _lock = match File::open(folder.join(LOCK)) {
        Ok(lock) => lock.try_lock().is_ok().then_some(Some(lock))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(_) => return None,
    };
    let removed = fs::remove_dir_all(&folder);
    Some(Left { folder, age, removed })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// What a build of this name has left, untouched for so long.
    fn left(index: &Path, name: &str, now: SystemTime, age: Duration) -> PathBuf {
        let folder = index.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(LOCK), "").unwrap();
        let rows = File::create(folder.join(ROWS)).unwrap();
        rows.set_modified(now - age).unwrap();
        folder
    }

    #[test]
    fn what_is_old_goes_and_all_else_stays() {
        let (index, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // Whole seconds, as some file systems keep them.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let left = |name: &str, age: Duration| left(index.path(), name, now, age);
        let second = Duration::from_secs(1);
        let old = [left(".resume-0000000000000001", 30 * DAY), left(".resume-0000000000000002", 300 * DAY)];
        let half_made = index.path().join(".resume-0000000000000003");
        fs::create_dir(&half_made).unwrap();
        File::open(&half_made).unwrap().set_modified(now - 31 * DAY).unwrap();
        let mut stay = vec![
            left(".resume-0000000000000004", 30 * DAY - second),
            left(".resume-000000000000abcd", 300 * DAY), // its own
            left(".resume-000000000000000", 300 * DAY),
            left(".resume-000000000000000g", 300 * DAY),
            left("resume-0000000000000005", 300 * DAY),
        ];
        let future = left(".resume-0000000000000006", Duration::ZERO);
        File::options().write(true).open(future.join(ROWS)).unwrap().set_modified(now + DAY).unwrap();
        let running = left(".resume-0000000000000007", 300 * DAY);
        let lock = File::open(running.join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        let linked = elsewhere.path().join("folder");
        fs::rename(left(".resume-0000000000000008", 300 * DAY), &linked).unwrap();
        std::os::unix::fs::symlink(&linked, index.path().join(".resume-0000000000000008")).unwrap();
        stay.extend([future, running.clone(), linked.join(ROWS)]);

        let sweep = |after| sweep(index.path(), "000000000000abcd", after, now);
        let gone = sweep(30 * DAY);
        assert!(gone.iter().all(|left| left.removed.is_ok() && !left.folder.exists()));
        let [first, second] = old;
        assert_eq!(gone.iter().map(|left| &left.folder).collect::<Vec<_>>(), [&first, &second, &half_made]);
        assert_eq!(gone.iter().map(|left| left.age).collect::<Vec<_>>(), [30 * DAY, 300 * DAY, 31 * DAY]);
        assert!(stay.iter().all(|path| path.exists()), "{stay:?}");
        // It ends, and after no time everything goes that is another's.
        drop(lock);
        let gone: Vec<PathBuf> = sweep(Duration::ZERO).into_iter().map(|left| left.folder).collect();
        assert_eq!(gone.len(), 3, "{gone:?}");
        assert!(gone.contains(&running) && stay.iter().filter(|path| !path.exists()).count() == 3);
    }
}
