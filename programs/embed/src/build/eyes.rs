//! Reading, fetching and decoding on many threads, while the model runs on one.

use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, Scope},
};

use anyhow::{Context, Result, ensure};
use fondue_fetch::Fetcher;
use fondue_imaging::{Fit, ImageLimits, Preprocess, decode};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::{
    kept::Picture,
    source::{Place, Row},
    store::Store,
};

/// A picture as the tower takes it.
pub(crate) struct Sight {
    /// `[3, size, size]`.
    pub(crate) pixels: Vec<f32>,
    pub(crate) sha256: [u8; 32],
    pub(crate) media_type: String,
    pub(crate) picture: Picture,
}

/// What became of an entry's picture.
pub(crate) struct Looked {
    pub(crate) n: u64,
    pub(crate) row: Row,
    pub(crate) sight: Result<Sight>,
}

/// What is done to a picture before the tower sees it.
pub(crate) struct Glasses {
    pub(crate) preprocess: Preprocess,
    pub(crate) limits: ImageLimits,
    pub(crate) store: Store,
}

/// Where URLs are fetched.
pub(crate) struct Web {
    pub(crate) runtime: Runtime,
    pub(crate) fetcher: Arc<Fetcher>,
}

struct Job {
    n: u64,
    row: Row,
    /// Of a URL.
    fetched: Option<Result<Vec<u8>>>,
}

/// Threads that look at pictures. They end when this is dropped, each after the picture that it looks at.
pub(crate) struct Eyes<'a> {
    jobs: mpsc::Sender<Job>,
    looked: mpsc::Receiver<Looked>,
    web: Option<&'a Web>,
}

impl<'a> Eyes<'a> {
    pub(crate) fn open<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        glasses: &'env Glasses,
        web: Option<&'a Web>,
        n_threads: usize,
    ) -> Result<Self> {
        let (jobs, theirs) = mpsc::channel::<Job>();
        let (done, looked) = mpsc::channel();
        let theirs = Arc::new(Mutex::new(theirs));
        for n in 0..n_threads {
            let (jobs, done) = (theirs.clone(), done.clone());
            let work = move || {
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Job { n, row, fetched }) = next else { break };
                    let sight = glasses.look(&row, fetched);
                    if done.send(Looked { n, row, sight }).is_err() {
                        break;
                    }
                }
            };
            thread::Builder::new()
                .name(format!("eye-{n}"))
                .spawn_scoped(scope, work)
                .context("starting threads")?;
        }
        Ok(Self { jobs, looked, web })
    }

    /// Looks at an entry's picture when there is time. The caller bounds how many it hands over before it takes any back.
    pub(crate) fn submit(&self, n: u64, row: Row) {
        // No thread ends while this is there, so that nothing is lost here.
        match (&row.place, self.web) {
            (Place::Url(url), Some(web)) => {
                let (url, jobs, fetcher) = (url.clone(), self.jobs.clone(), web.fetcher.clone());
                web.runtime.spawn(async move {
                    let fetched = fetcher.fetch(&url).await.map(|fetched| fetched.bytes);
                    let _ = jobs.send(Job { n, row, fetched: Some(fetched.map_err(Into::into)) });
                });
            }
            _ => {
                let _ = self.jobs.send(Job { n, row, fetched: None });
            }
        }
    }

    /// One that was looked at, in any order; `None` if there is none for a moment.
    pub(crate) fn next(&self, patience: std::time::Duration) -> Option<Looked> {
        self.looked.recv_timeout(patience).ok()
    }
}

impl Glasses {
    fn look(&self, row: &Row, fetched: Option<Result<Vec<u8>>>) -> Result<Sight> {
        let from_web = fetched.is_some();
        let bytes = match (fetched, &row.place) {
            (Some(fetched), _) => fetched?,
            (None, Place::File(path)) => {
                read(path, self.limits.max_bytes).with_context(|| path.display().to_string())?
            }
            (None, Place::Url(_)) => anyhow::bail!("is a URL; --fetch would fetch it"),
        };
        let image = decode(&bytes, &self.limits)?;
        let pixels = self.preprocess.pixels(&image, Fit::Crop)?;
        let sha256 = Sha256::digest(&bytes).into();
        let (media_type, picture) = self.store.keep(bytes, &image, from_web)?;
        Ok(Sight { pixels, sha256, media_type, picture })
    }
}

/// A file of at most `max` bytes; of a larger one no more than that is read.
pub(crate) fn read(path: &Path, max: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take((max as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= max, "has more than {max} bytes, the limit (--max-bytes)");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_a_file_may_have() {
        // This one never ends.
        let error = read(Path::new("/dev/zero"), 1000).unwrap_err().to_string();
        assert!(error.contains("1000 bytes") && error.contains("--max-bytes"), "{error}");
        assert_eq!(read(Path::new("/dev/null"), 0).unwrap(), b"");
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/build/eyes.rs");
        assert!(read(&own, 1 << 20).unwrap().starts_with(b"//!"));
    }
}
