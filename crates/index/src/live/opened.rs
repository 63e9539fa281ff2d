//! One open generation with its changes: a log, and the latest moment for searches.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use fondue_domain::Embedding;

use super::{
    limits::Limits,
    overlay::{self, Applied, Overlay},
    view::View,
};
use crate::{
    Generation, IndexError, NewItem,
    changes::{self, Log},
    metadata::Kind,
};

/// An open generation.
pub(crate) struct Opened {
    pub(crate) generation: Arc<Generation>,
    /// What searches see; held for no longer than it takes to clone it.
    now: Mutex<Now>,
    writer: Mutex<Writer>,
    /// Batches that wait for the writer.
    line: Mutex<VecDeque<Arc<Ticket>>>,
    used: Mutex<Instant>,
}

#[derive(Clone)]
struct Now {
    overlay: Arc<Overlay>,
    /// The log, where stored pictures are read.
    pictures: Option<Arc<File>>,
}

pub(crate) struct Writer {
    pub(crate) log: Log,
    pub(crate) state: State,
}

/// Whether a generation takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It does.
    Active,
    /// Something else is the active generation now, or stands for this one: changes must go there.
    Superseded,
    /// `ACTIVE` could not be written, nor put back: nobody knows which generation a restart would open.
    Unsure,
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
        let mut overlay = Overlay::new(&generation);
        let changes::Opened { log, cut } =
            Log::open(root, generation.id(), generation.dim(), writable, &mut |changes| {
                overlay.apply(&generation, changes).map(drop)
            })?;
        let now = Now { overlay: Arc::new(overlay), pictures: log.reader() };
        let opened = Self {
            generation: Arc::new(generation),
            now: Mutex::new(now),
            writer: Mutex::new(Writer { log, state: State::Active }),
            line: Mutex::default(),
            used: Mutex::new(Instant::now()),
        };
        Ok((opened, cut))
    }

    /// What there is at this moment.
    pub(crate) fn view(&self) -> View {
        *lock(&self.used) = Instant::now();
        let Now { overlay, pictures } = lock(&self.now).clone();
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
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        let ticket = Arc::new(Ticket { changes, outcome: Mutex::default() });
        lock(&self.line).push_back(Arc::clone(&ticket));
        let mut writer = self.writer();
        let outcome = loop {
            // Another caller may have written it along.
            if let Some(outcome) = lock(&ticket.outcome).take() {
                break outcome;
            }
            if writer.state != State::Active {
                lock(&self.line).retain(|other| !Arc::ptr_eq(other, &ticket));
                if writer.state == State::Unsure {
                    break Err(not_written("it is unsure which generation is active; activate one"));
                }
                drop(writer);
                // Nobody else takes it from the line any more.
                let changes = Arc::into_inner(ticket).map(|ticket| ticket.changes).unwrap_or_default();
                return Err(NotMade::Superseded(changes));
            }
            self.write(&mut writer, limits);
        };
        outcome.map_err(NotMade::Refused)
    }

    /// Writes what waits with one flush of the disk, as much as goes into one frame.
    fn write(&self, writer: &mut Writer, limits: &Limits) {
        let Now { overlay, .. } = lock(&self.now).clone();
        let mut group = Group {
            generation: &self.generation,
            start: writer.log.next_start(),
            content: Vec::new(),
            room: Room::new(&overlay, &self.generation),
            next: Overlay::clone(&overlay),
        };
        let mut written = Vec::new();
        loop {
            let Some(ticket) = lock(&self.line).pop_front() else { break };
            match group.add(&ticket.changes, limits) {
                Ok(Some(applied)) => written.push((ticket, applied)),
                Ok(None) => {
                    lock(&self.line).push_front(ticket);
                    break;
                }
                Err(refused) => ticket.tell(Err(refused)),
            }
        }
        if written.is_empty() {
            return;
        }
        // Everything else that can fail was done before: what is on the disk is seen.
        match writer.log.append(&group.content) {
            Ok(()) => {
                let now = Now { overlay: Arc::new(group.next), pictures: writer.log.reader() };
                *lock(&self.now) = now;
                written.into_iter().for_each(|(ticket, applied)| ticket.tell(Ok(applied)));
            }
            Err(error) => {
                let reason = match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                };
                written.into_iter().for_each(|(ticket, _)| ticket.tell(Err(not_written(&reason))));
            }
        }
    }

    /// Forgets changes that amount to nothing: the log begins anew.
    pub(crate) fn renew(&self, root: &Path) -> Result<(), IndexError> {
        let mut writer = self.writer();
        let overlay = Arc::clone(&lock(&self.now).overlay);
        if writer.state != State::Active || !overlay.is_empty() || overlay.n_changes() == 0 {
            return Ok(());
        }
        writer.log.renew(root)?;
        let overlay = Arc::new(Overlay::new(&self.generation));
        *lock(&self.now) = Now { overlay, pictures: writer.log.reader() };
        Ok(())
    }
}

/// Changes that go into one frame.
struct Group<'a> {
    generation: &'a Generation,
    /// Where its content will lie in the log.
    start: u64,
    content: Vec<u8>,
    room: Room<'a>,
    /// What there is after them.
    next: Overlay,
}

impl Group<'_> {
    /// `None`, and nothing added, if they do not fit with those that are there.
    fn add(&mut self, changes: &[New], limits: &Limits) -> Result<Option<Applied>, IndexError> {
        let mut room = self.room.clone();
        let batch = room.encode(changes, limits)?;
        if !self.content.is_empty() && self.content.len() + batch.len() > changes::MAX_FRAME_BYTES {
            return Ok(None);
        }
        // The same bytes as a restart would read.
        let start = self.start + self.content.len() as u64;
        let changes = changes::read(&batch, start, self.generation.dim());
        let changes = changes.ok_or_else(|| not_written("it cannot be read back; this is a defect"))?;
        let mut next = self.next.clone();
        let applied = next.apply(self.generation, changes)?;
        (self.room, self.next) = (room, next);
        self.content.extend_from_slice(&batch);
        Ok(Some(applied))
    }
}

impl Ticket {
    fn tell(&self, outcome: Result<Applied, IndexError>) {
        *lock(&self.outcome) = Some(outcome);
    }
}

/// What may still be added, while batches are made.
#[derive(Clone)]
struct Room<'a> {
    generation: &'a Generation,
    kinds: BTreeMap<String, Kind>,
    changes: usize,
    bytes: usize,
}

impl<'a> Room<'a> {
    fn new(now: &Overlay, generation: &'a Generation) -> Self {
        let kinds = BTreeMap::clone(now.kinds());
        Self { generation, kinds, changes: now.n_changes(), bytes: now.bytes() }
    }

    /// A batch's bytes, if it may be made.
    fn encode(&mut self, changes: &[New], limits: &Limits) -> Result<Vec<u8>, IndexError> {
        let mut batch = Vec::new();
        let mut kinds: Option<BTreeMap<String, Kind>> = None;
        let n_changes = self.changes + changes.len();
        if n_changes > limits.changes {
            return Err(IndexError::TooManyChanges { max: limits.changes, what: "changes" });
        }
        let mut bytes = self.bytes;
        for change in changes {
            match change {
                New::Remove(id) => changes::write_removal(&mut batch, id),
                New::Put(new, embedding) => {
                    let known = kinds.get_or_insert_with(|| self.kinds.clone());
                    self.admit(new, embedding, known)?;
                    bytes += overlay::row_bytes(&new.item, embedding.values());
                    let mut item = new.item.clone();
                    let picture = new.picture.as_deref().unwrap_or_default();
                    if picture.is_empty() {
                        item.media_type.clear(); // as in a generation
                    }
                    changes::write_put(&mut batch, &item, &new.sha256, embedding.values(), picture);
                }
            }
            if batch.len() > limits.batch_bytes.min(changes::MAX_FRAME_BYTES) {
                return Err(IndexError::TooLargeBatch { max: limits.batch_bytes });
            }
        }
        if bytes > limits.bytes {
            return Err(IndexError::TooManyChanges { max: limits.bytes, what: "bytes of changes" });
        }
        if let Some(kinds) = kinds {
            self.kinds = kinds;
        }
        (self.changes, self.bytes) = (n_changes, bytes);
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
