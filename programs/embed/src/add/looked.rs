//! Batches of entries to pictures with embeddings.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use fondue_fetch::Fetcher;
use fondue_imaging::{ImageLimits, decode};
use fondue_index::Value;
use fondue_proto::retrieval::{self, IngestRequest};
use sha2::{Digest, Sha256};
use tonic::Code;

use super::Args;
use crate::{
    build::{
        eyes,
        kept::Picture,
        source::{Bad, Entry, Place, Row},
        store::Store,
    },
    remote::Eyes,
};

/// Bytes of pictures in one request; services take 32 MiB unless they are told otherwise.
const REQUEST_BYTES: usize = 24 << 20;
/// How often a service that is busy is asked again; the waits double from a quarter of a second on.
const RETRIES: u32 = 6;

/// What is needed to look at pictures; clones share connections.
#[derive(Clone)]
pub(super) struct Glasses {
    eyes: Eyes,
    fetcher: Option<Arc<Fetcher>>,
    store: Store,
    limits: ImageLimits,
}

/// A picture that was read.
struct Read {
    row: Row,
    file: Vec<u8>,
    media_type: String,
    stored: Vec<u8>,
}

impl Glasses {
    pub(super) fn of(args: &Args, fetcher: Option<Arc<Fetcher>>) -> Result<Self> {
        let limits = ImageLimits { max_pixels: args.max_pixels, max_bytes: args.max_bytes };
        let eyes = Eyes::open(&args.vision, &args.language, &args.tls)?;
        Ok(Self { eyes, fetcher, store: args.store(), limits })
    }

    /// The services must run the models that made the index, as far as it is known which.
    pub(super) async fn must_be_of(&self, language: &str, vision: &str) -> Result<()> {
        let (ours_vision, ours_language) = self.eyes.clone().fingerprints().await?;
        for (what, index, service) in [("language", language, ours_language), ("vision", vision, ours_vision)]
        {
            ensure!(
                index.is_empty() || index == service,
                "the index was made by another {what} model ({index}) than the {what} service runs ({service}); \
                 nothing was added"
            );
        }
        Ok(())
    }

    /// In the order of the batch: what to take in, or why not.
    pub(super) async fn look(self, batch: Result<Vec<Entry>>) -> Result<Vec<Result<IngestRequest, Bad>>> {
        let mut looked = Vec::new();
        let (mut read, mut places, mut bytes) = (Vec::new(), Vec::new(), 0);
        for (n, entry) in batch?.into_iter().enumerate() {
            let picture = match entry {
                Ok(row) => self.read(row).await?,
                Err(bad) => Err(bad),
            };
            match picture {
                Ok(picture) => {
                    if bytes + picture.file.len() > REQUEST_BYTES && !read.is_empty() {
                        looked.extend(places.drain(..).zip(self.see(std::mem::take(&mut read)).await?));
                        bytes = 0;
                    }
                    bytes += picture.file.len();
                    read.push(picture);
                    places.push(n);
                }
                Err(bad) => looked.push((n, Err(bad))),
            }
        }
        looked.extend(places.into_iter().zip(self.see(read).await?));
        looked.sort_by_key(|(n, _)| *n);
        Ok(looked.into_iter().map(|(_, picture)| picture).collect())
    }

    async fn read(&self, row: Row) -> Result<Result<Read, Bad>> {
        let fetched = match (&row.place, &self.fetcher) {
            (Place::Url(url), Some(fetcher)) => match fetcher.fetch(url).await {
                Ok(fetched) => Some(fetched.bytes),
                Err(error) => return Ok(Err(bad(row, error.to_string()))),
            },
            _ => None,
        };
        let (store, limits) = (self.store, self.limits);
        let work = move || {
            let file = match (&row.place, fetched) {
                (_, Some(bytes)) => Ok(bytes),
                (Place::File(path), _) => {
                    eyes::read(path, limits.max_bytes).with_context(|| path.display().to_string())
                }
                (Place::Url(_), None) => Err(anyhow::anyhow!("is a URL; --fetch would fetch it")),
            };
            match file.and_then(|file| stored(store, &limits, file)) {
                Ok((file, media_type, stored)) => Ok(Read { row, file, media_type, stored }),
                Err(error) => Err(bad(row, format!("{error:#}"))),
            }
        };
        tokio::task::spawn_blocking(work).await.context("reading pictures")
    }

    /// Embeddings of all; if the services refuse them together, of each by itself.
    async fn see(&self, read: Vec<Read>) -> Result<Vec<Result<IngestRequest, Bad>>> {
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let files: Vec<Vec<u8>> = read.iter().map(|read| read.file.clone()).collect();
        match self.embed(files).await {
            Ok(embeddings) => {
                ensure!(
                    embeddings.len() == read.len(),
                    "the services gave {} embeddings of {}",
                    embeddings.len(),
                    read.len()
                );
                Ok(read
                    .into_iter()
                    .zip(embeddings)
                    .map(|(read, embedding)| Ok(request(read, embedding)))
                    .collect())
            }
            Err(refused) if !matches!(refused.0, Code::InvalidArgument | Code::OutOfRange) => Err(refused.1),
            Err(refused) if read.len() == 1 => {
                let reason = refused.1.to_string();
                Ok(read.into_iter().map(|read| Err(bad(read.row, reason.clone()))).collect())
            }
            Err(_) => {
                let mut looked = Vec::new();
                for read in read {
                    looked.extend(Box::pin(self.see(vec![read])).await?);
                }
                Ok(looked)
            }
        }
    }

    async fn embed(&self, files: Vec<Vec<u8>>) -> Result<Vec<Vec<f32>>, Box<(Code, anyhow::Error)>> {
        let mut wait = Duration::from_millis(250);
        for _ in 0..RETRIES {
            match self.eyes.clone().embed(files.clone()).await {
                Err(refused) if refused.0 == Code::ResourceExhausted => tokio::time::sleep(wait).await,
                answer => return answer,
            }
            wait *= 2;
        }
        self.eyes.clone().embed(files).await
    }
}

/// The file, and media type and bytes of what is stored of it.
fn stored(store: Store, limits: &ImageLimits, file: Vec<u8>) -> Result<(Vec<u8>, String, Vec<u8>)> {
    // The vision service decodes it anyway; here that is needed for thumbnails alone.
    let image = match store {
        Store::Thumbnails(_) => decode(&file, limits)?,
        _ => fondue_imaging::DynamicImage::new_rgb8(1, 1),
    };
    let (media_type, picture) = store.keep(file.clone(), &image, true)?;
    let stored = match picture {
        Picture::Bytes(bytes) => bytes,
        Picture::File | Picture::Nothing => Vec::new(),
    };
    Ok((file, media_type, stored))
}

fn bad(row: Row, reason: String) -> Bad {
    Bad { line: row.line, image: row.image, reason }
}

fn request(read: Read, embedding: Vec<f32>) -> IngestRequest {
    let Read { row, file, media_type, stored } = read;
    let url = match row.place {
        Place::Url(url) if stored.is_empty() => url,
        _ => String::new(),
    };
    let sha256 = if stored.is_empty() { Sha256::digest(&file).to_vec() } else { Vec::new() };
    let metadata = row.metadata.iter().map(|(name, value)| (name.to_owned(), value_of(value))).collect();
    let Row { id, caption, group, .. } = row;
    let picture = retrieval::Picture { id, caption, group, media_type, data: stored.into(), url, metadata };
    IngestRequest { picture: Some(picture), embedding, sha256 }
}

fn value_of(value: &Value) -> retrieval::Value {
    use retrieval::value::Value as Wire;
    let value = match value {
        Value::Text(text) => Wire::Text(text.clone()),
        Value::Number(number) => Wire::Number(*number),
        Value::Truth(truth) => Wire::Truth(*truth),
    };
    retrieval::Value { value: Some(value) }
}
