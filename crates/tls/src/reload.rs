//! What is made of files, and made anew when they change.
//!
//! The files' contents are compared, not their times: Kubernetes swaps a link above them, and two writes can share a second.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::signal::unix::{SignalKind, signal};

use crate::TlsError;

/// How often files are looked at. SIGHUP asks for a look at once.
const EVERY: Duration = Duration::from_secs(2);

/// What files were made into.
pub(crate) struct Built<T> {
    /// The thing itself.
    pub(crate) value: T,
    /// When its own certificate ends, in seconds since 1970, if it has one.
    pub(crate) expiry: Option<i64>,
}

/// Makes a thing of the files' contents, which come in the paths' order.
type Build<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<Built<T>, TlsError> + Send + Sync>;

/// A thing made of files.
pub(crate) struct Reloaded<T> {
    /// Whose it is, for logs and metrics.
    role: &'static str,
    paths: Vec<PathBuf>,
    build: Build<T>,
    current: RwLock<Arc<T>>,
    seen: Mutex<Seen>,
}

/// What is known of the files. Contents are known by a digest: a key's bytes are not kept.
struct Seen {
    /// What is in use.
    used: u64,
    expiry: Option<i64>,
    /// What could not be used when it was looked at last; it may be half written.
    suspect: Option<u64>,
    /// What could not be used, and was told.
    refused: Option<u64>,
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing new.
    Same,
    /// Something new, now in use.
    Taken,
    /// Something new that cannot be used, perhaps half written. Another look decides.
    Suspect,
    /// Something new that cannot be used; what was there stays.
    Refused,
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the files now, and keeps looking at them for as long as this lives. Needs a runtime.
    pub(crate) fn start(
        role: &'static str,
        paths: Vec<PathBuf>,
        build: impl Fn(&[Vec<u8>]) -> Result<Built<T>, TlsError> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, TlsError> {
        let this = Arc::new(Self::load(role, paths, Box::new(build))?);
        let watched = Arc::downgrade(&this);
        // Nothing is to be looked at where nothing can change.
        if this.paths.is_empty() {
            return Ok(this);
        }
        tokio::spawn(async move {
            let mut hangups = signal(SignalKind::hangup()).ok();
            loop {
                let asked = async {
                    match &mut hangups {
                        Some(hangups) => drop(hangups.recv().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = asked => {}
                }
                let Some(this) = watched.upgrade() else { return };
                if tokio::task::spawn_blocking(move || this.look()).await.is_err() {
                    return;
                }
            }
        });
        Ok(this)
    }

    fn load(role: &'static str, paths: Vec<PathBuf>, build: Build<T>) -> Result<Self, TlsError> {
        let contents = read(&paths)?;
        let Built { value, expiry } = build(&contents)?;
        let seen = Seen { used: digest(&contents), expiry, suspect: None, refused: None };
        let this = Self { role, paths, build, current: RwLock::new(Arc::new(value)), seen: Mutex::new(seen) };
        this.tell_expiry(expiry);
        Ok(this)
    }

    /// What is in use now.
    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files, and takes what they hold if it is new and can be used.
    pub(crate) fn look(&self) -> Look {
        let contents = read(&self.paths);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match &contents {
            Ok(contents) => digest(contents),
            Err(error) => digest(&error.to_string()),
        };
        // Told each time: the recorder of metrics may be newer than the first.
        self.gauge(seen.expiry);
        if found == seen.used {
            (seen.suspect, seen.refused) = (None, None);
            return Look::Same;
        }
        if seen.refused == Some(found) {
            return Look::Same;
        }
        match contents.and_then(|contents| (self.build)(&contents)) {
            Ok(Built { value, expiry }) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                *seen = Seen { used: found, expiry, suspect: None, refused: None };
                self.count("reloaded");
                tracing::info!(role = self.role, files = ?self.paths, "TLS files have changed; new connections use them");
                self.tell_expiry(expiry);
                Look::Taken
            }
            // A certificate may be there before its key is.
            Err(_) if seen.suspect != Some(found) => {
                seen.suspect = Some(found);
                Look::Suspect
            }
            Err(error) => {
                seen.refused = Some(found);
                self.count("refused");
                tracing::error!(
                    role = self.role,
                    %error,
                    "TLS files have changed and cannot be used; connections go on with what was there before"
                );
                Look::Refused
            }
        }
    }

    fn count(&self, outcome: &'static str) {
        metrics::counter!("fondue_tls_reloads_total", "role" => self.role, "outcome" => outcome).increment(1);
    }

    fn gauge(&self, expiry: Option<i64>) {
        if let Some(expiry) = expiry {
            let gauge =
                metrics::gauge!("fondue_tls_certificate_expiry_timestamp_seconds", "role" => self.role);
            gauge.set(expiry as f64);
        }
    }

    /// Tells when the certificate ends, and warns if it has.
    fn tell_expiry(&self, expiry: Option<i64>) {
        self.gauge(expiry);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if expiry.is_some_and(|expiry| expiry < i64::try_from(now).unwrap_or(i64::MAX)) {
            tracing::warn!(
                role = self.role,
                files = ?self.paths,
                "the certificate has expired; the other side will refuse it"
            );
        }
    }
}

fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, TlsError> {
    let read =
        |path: &PathBuf| fs::read(path).map_err(|reason| TlsError::Read { path: path.clone(), reason });
    paths.iter().map(read).collect()
}

fn digest<T: Hash>(contents: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn upper(paths: Vec<PathBuf>) -> Reloaded<String> {
        let build = |contents: &[Vec<u8>]| {
            let texts: Vec<_> = contents.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
            if texts.contains(&"broken".into()) {
                return Err(TlsError::NoKey { path: "key".into() });
            }
            Ok(Built { value: texts.concat(), expiry: None })
        };
        Reloaded::load("test", paths, Box::new(build)).unwrap()
    }

    #[test]
    fn what_changes_is_taken_and_what_is_broken_is_told_once_and_leaves_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let paths = vec![folder.path().join("a"), folder.path().join("b")];
        fs::write(&paths[0], "1").unwrap();
        fs::write(&paths[1], "2").unwrap();
        let files = upper(paths.clone());
        assert_eq!((files.look(), files.current().as_str()), (Look::Same, "12"));
        fs::write(&paths[0], "3").unwrap();
        assert_eq!((files.look(), files.current().as_str()), (Look::Taken, "32"));
        // What is found broken once may be half written.
        fs::write(&paths[1], "broken").unwrap();
        assert_eq!([files.look(), files.look(), files.look()], [Look::Suspect, Look::Refused, Look::Same]);
        assert_eq!(files.current().as_str(), "32");
        // Another broken one is told again, and a file that is gone is broken, too.
        fs::write(&paths[0], "4").unwrap();
        assert_eq!([files.look(), files.look()], [Look::Suspect, Look::Refused]);
        fs::remove_file(&paths[0]).unwrap();
        assert_eq!([files.look(), files.look(), files.look()], [Look::Suspect, Look::Refused, Look::Same]);
        // Back to what is in use: nothing happens, and the same fault later is told once more.
        fs::write(&paths[0], "3").unwrap();
        fs::write(&paths[1], "2").unwrap();
        assert_eq!(files.look(), Look::Same);
        fs::write(&paths[1], "broken").unwrap();
        assert_eq!([files.look(), files.look()], [Look::Suspect, Look::Refused]);
        fs::write(&paths[1], "5").unwrap();
        assert_eq!((files.look(), files.current().as_str()), (Look::Taken, "35"));
    }

    #[test]
    fn a_link_above_the_files_that_is_swapped_is_a_change() {
        // As Kubernetes lays a secret out: name → ..data/name, ..data → a folder of its version.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("v1", "one"), ("v2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), text).unwrap();
        }
        symlink("v1", at("..data")).unwrap();
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        let files = upper(vec![at("tls.crt")]);
        assert_eq!(files.current().as_str(), "one");
        symlink("v2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_eq!((files.look(), files.current().as_str()), (Look::Taken, "two"));
    }
}
