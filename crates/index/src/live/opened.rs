//! One open generation with its changes: a log, and the latest moment for searches.

use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use fondue_domain::Embedding;

use super::{
    limits::Limits,
    overlay::{Applied, Overlay},
    view::View,
};
use crate::{
    Generation, IndexError, NewItem,
    changes::{self, Change, Log},
    metadata::Kind,
};

/// An open generation.
pub(crate) struct Opened {
    pub(crate) generation: Arc<Generation>,
    /// What searches see; held for no longer than it takes to clone it.
    now: Mutex<Arc<Overlay>>,
    writer: Mutex<Writer>,
    /// Batches that wait for the writer.
    line: Mutex<Vec<Arc<Ticket>>>,
    pictures: Mutex<Option<Arc<File>>>,
    used: Mutex<Instant>,
}

pub(crate) struct Writer {
    pub(crate) log: Log,
    /// Something else is the active generation now, or stands for this one: changes must go there.
    pub(crate) superseded: bool,
}

/// Changes on their way.
struct Ticket {
    changes: Vec<New>,
    outcome: Mutex<Option<Result<Applied, IndexError>>>,
}

/// A change that nobody was told of yet.
pub(crate) enum New {
    /// A picture and its vector.
    Put(Box<NewItem>, Embedding),
    /// An id.
    Remove(String),
}

/// Why changes were not made.
pub(crate) enum NotMade {
    /// Ask the generation that took this one's place.
    Superseded(Vec<New>),
    /// They cannot be.
    Refused(IndexError),
}

impl Opened {
    /// Reads the generation's changes. Bytes of an unfinished batch that were cut off are told.
    pub(crate) fn open(
        root: &Path,
        generation: Generation,
        writable: bool,
    ) -> Result<(Self, u64), IndexError> {
        let changes::Opened { log, batches, cut } =
            Log::open(root, generation.id(), generation.dim(), writable)?;
        let mut now = Overlay::new(&generation);
        for batch in batches {
            now = now.after(&generation, batch)?.0;
        }
        let pictures = log.reader()?.map(Arc::new);
        let opened = Self {
            generation: Arc::new(generation),
            now: Mutex::new(Arc::new(now)),
            writer: Mutex::new(Writer { log, superseded: false }),
            line: Mutex::default(),
            pictures: Mutex::new(pictures),
            used: Mutex::new(Instant::now()),
        };
        Ok((opened, cut))
    }

    /// What there is at this moment.
    pub(crate) fn view(&self) -> View {
        *lock(&self.used) = Instant::now();
        let (overlay, pictures) = (Arc::clone(&lock(&self.now)), lock(&self.pictures).clone());
        View::new(Arc::clone(&self.generation), overlay, pictures)
    }

    /// When it was last asked for.
    pub(crate) fn used(&self) -> Instant {
        *lock(&self.used)
    }

    /// For what must not happen while changes are made.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    /// Makes changes, all or none; they are on the disk, and seen, when it returns. Callers that come meanwhile are
    /// written together.
    pub(crate) fn change(&self, changes: Vec<New>, limits: &Limits) -> Result<Applied, NotMade> {
        let ticket = Arc::new(Ticket { changes, outcome: Mutex::default() });
        lock(&self.line).push(Arc::clone(&ticket));
        let mut writer = self.writer();
        if lock(&ticket.outcome).is_none() {
            if writer.superseded {
                lock(&self.line).retain(|other| !Arc::ptr_eq(other, &ticket));
                drop(writer);
                // Nobody else takes it from the line any more.
                let changes = Arc::into_inner(ticket).map(|ticket| ticket.changes).unwrap_or_default();
                return Err(NotMade::Superseded(changes));
            }
            let waiting = std::mem::take(&mut *lock(&self.line));
            self.write(&mut writer, &waiting, limits);
        }
        drop(writer);
        // Whoever held the writer took all of the line.
        let outcome = lock(&ticket.outcome).take();
        outcome.unwrap_or_else(|| Err(not_written("the changes were lost"))).map_err(NotMade::Refused)
    }

    /// Writes what waits with one flush of the disk.
    fn write(&self, writer: &mut Writer, waiting: &[Arc<Ticket>], limits: &Limits) {
        let now = Arc::clone(&lock(&self.now));
        let mut room = Room::new(&now, &self.generation);
        let mut batches = Vec::with_capacity(waiting.len());
        let mut written = Vec::with_capacity(waiting.len());
        for ticket in waiting {
            match room.encode(&ticket.changes, limits) {
                Ok(batch) => {
                    batches.push(batch);
                    written.push(ticket);
                }
                Err(refused) => ticket.tell(Err(refused)),
            }
        }
        if batches.is_empty() {
            return;
        }
        let outcome = writer.log.append(&batches).and_then(|starts| {
            self.publish_reader(&writer.log)?;
            let mut next = Overlay::clone(&now);
            let mut applied = Vec::with_capacity(batches.len());
            for (batch, start) in batches.iter().zip(starts) {
                let changes = self.read(batch, start)?;
                let (after, did) = next.after(&self.generation, changes)?;
                next = after;
                applied.push(did);
            }
            *lock(&self.now) = Arc::new(next);
            Ok(applied)
        });
        match outcome {
            Ok(applied) => written.iter().zip(applied).for_each(|(ticket, did)| ticket.tell(Ok(did))),
            Err(error) => {
                let text = error.to_string();
                for ticket in written {
                    ticket.tell(Err(IndexError::NotWritten { reason: text.clone() }));
                }
            }
        }
    }

    /// The same bytes as a restart would read.
    fn read(&self, batch: &[u8], start: u64) -> Result<Vec<Change>, IndexError> {
        let changes = changes::read(batch, start, self.generation.dim());
        changes.ok_or_else(|| not_written("the batch cannot be read back; this is a defect"))
    }

    fn publish_reader(&self, log: &Log) -> Result<(), IndexError> {
        let mut pictures = lock(&self.pictures);
        if pictures.is_none() {
            *pictures = log.reader()?.map(Arc::new);
        }
        Ok(())
    }
}

impl Ticket {
    fn tell(&self, outcome: Result<Applied, IndexError>) {
        *lock(&self.outcome) = Some(outcome);
    }
}

/// What may still be added, while batches are made.
struct Room<'a> {
    generation: &'a Generation,
    kinds: BTreeMap<String, Kind>,
    rows: usize,
    bytes: usize,
}

impl<'a> Room<'a> {
    fn new(now: &Overlay, generation: &'a Generation) -> Self {
        let kinds = BTreeMap::clone(now.kinds());
        Self { generation, kinds, rows: now.n_rows() + now.n_removed(), bytes: now.bytes() }
    }

    /// A batch's bytes, if it may be made.
    fn encode(&mut self, changes: &[New], limits: &Limits) -> Result<Vec<u8>, IndexError> {
        let mut batch = Vec::new();
        let mut kinds: Option<BTreeMap<String, Kind>> = None;
        let rows = self.rows + changes.len();
        if rows > limits.changes {
            return Err(IndexError::TooManyChanges { max: limits.changes, what: "changes" });
        }
        let mut bytes = self.bytes;
        for change in changes {
            match change {
                New::Remove(id) => changes::write_removal(&mut batch, id),
                New::Put(new, embedding) => {
                    let known = kinds.get_or_insert_with(|| self.kinds.clone());
                    self.admit(new, embedding, known)?;
                    bytes += embedding.values().len() * 4 + new.item.id.len() + new.item.caption.len();
                    let mut item = new.item.clone();
                    let picture = new.picture.as_deref().unwrap_or_default();
                    if picture.is_empty() {
                        item.media_type.clear(); // as in a generation
                    }
                    changes::write_put(&mut batch, &item, &new.sha256, embedding.values(), picture);
                }
            }
            if batch.len() > limits.batch_bytes.min(changes::MAX_BATCH_BYTES) {
                return Err(IndexError::TooLargeBatch { max: limits.batch_bytes });
            }
        }
        if bytes > limits.bytes {
            return Err(IndexError::TooManyChanges { max: limits.bytes, what: "bytes of changes" });
        }
        if let Some(kinds) = kinds {
            self.kinds = kinds;
        }
        (self.rows, self.bytes) = (rows, bytes);
        Ok(batch)
    }

    fn admit(
        &self,
        new: &NewItem,
        embedding: &Embedding,
        kinds: &mut BTreeMap<String, Kind>,
    ) -> Result<(), IndexError> {
        let (got, expected) = (embedding.values().len(), self.generation.dim());
        if got != expected {
            return Err(IndexError::Dim { got, expected });
        }
        crate::builder::check_id(&new.item.id)?;
        for (name, value) in new.item.metadata.iter() {
            match kinds.get(name) {
                Some(&expected) if expected != value.kind() => {
                    let got = value.kind();
                    return Err(IndexError::FieldKind { field: name.to_owned(), got, expected });
                }
                Some(_) => {}
                None if kinds.len() >= crate::columns::MAX_COLUMNS => {
                    return Err(IndexError::TooManyFields { max: crate::columns::MAX_COLUMNS });
                }
                None => drop(kinds.insert(name.to_owned(), value.kind())),
            }
        }
        Ok(())
    }
}

fn not_written(reason: &str) -> IndexError {
    IndexError::NotWritten { reason: reason.to_owned() }
}

/// What they guard is whole after every statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
