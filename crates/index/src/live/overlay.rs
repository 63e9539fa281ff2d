//! What changed since a generation was made, as searches see it: an unchanging picture of one moment.
//!
//! Pictures that were added lie in pieces, each a little generation in memory. A new batch is a new piece; pieces of
//! like size become one, so that there are few. What is removed, of the generation or of a piece, is noted in a bitmap.
//! The next moment shares all pieces with the one before, and copies no more than it changes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    Bitmap, Generation, IndexError, Item, Rows, Value,
    changes::{Change, Put, Removal, Span},
    metadata::Kind,
    scan::Source,
};

/// Rows of a piece that is not made larger by joining it with others.
const LARGE: usize = 1 << 16;

/// Everything that changed, at one moment.
#[derive(Clone)]
pub(crate) struct Overlay {
    /// Rows of the generation that are there; `None` while all are.
    kept: Option<Arc<Bitmap>>,
    n_removed: usize,
    /// Changes that the log holds, whatever is left of them.
    n_changes: usize,
    /// The oldest first.
    pieces: Vec<Part>,
    kinds: Arc<BTreeMap<String, Kind>>,
    bytes: usize,
}

/// A piece, and which of its rows are there.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) piece: Arc<Piece>,
    pub(crate) live: Arc<Bitmap>,
}

/// Pictures in memory.
pub(crate) struct Piece {
    dim: usize,
    vectors: Vec<f32>,
    pub(crate) rows: Vec<Row>,
    by_id: HashMap<String, u32>,
    /// Of memory, about.
    bytes: usize,
}

/// A picture of a piece, but for its vector.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) item: Arc<Item>,
    pub(crate) sha256: [u8; 32],
    /// Where its file lies in the log.
    pub(crate) picture: Span,
}

/// Where a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A row of the generation.
    Base(usize),
    /// A row of a piece.
    Added {
        /// Which.
        piece: usize,
        /// Its row.
        row: usize,
    },
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Pictures that took another one's place.
    pub(crate) replaced: usize,
    /// Pictures that were removed by their id.
    pub(crate) removed: usize,
}

impl Overlay {
    /// No change of a generation.
    pub(crate) fn new(generation: &Generation) -> Self {
        let kinds = generation.fields().map(|(name, kind)| (name.to_owned(), kind)).collect();
        Self { kept: None, n_removed: 0, n_changes: 0, pieces: Vec::new(), kinds: Arc::new(kinds), bytes: 0 }
    }

    /// Changes that were made, also those that others undid: the log holds them.
    pub(crate) fn n_changes(&self) -> usize {
        self.n_changes
    }

    /// Whether everything is as in the generation.
    pub(crate) fn is_empty(&self) -> bool {
        self.n_removed == 0 && self.pieces.is_empty()
    }

    /// Rows of the generation that are not there any more.
    pub(crate) fn n_removed(&self) -> usize {
        self.n_removed
    }

    /// Pictures that were added and are there.
    pub(crate) fn n_added(&self) -> usize {
        self.pieces.iter().map(|part| part.live.count()).sum()
    }

    /// Bytes of memory that its rows take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Rows of the generation that are there; `None` while all are.
    pub(crate) fn kept(&self) -> Option<&Arc<Bitmap>> {
        self.kept.as_ref()
    }

    /// All pieces, the oldest first.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.pieces
    }

    /// Kinds of all fields, the generation's included.
    pub(crate) fn kinds(&self) -> &Arc<BTreeMap<String, Kind>> {
        &self.kinds
    }

    /// Whether a row of the generation is there.
    pub(crate) fn has(&self, row: usize) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.contains(row))
    }

    /// Where a picture is.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the generation's order cannot be read.
    pub(crate) fn find(&self, base: &Generation, id: &str) -> Result<Option<Place>, IndexError> {
        for (piece, part) in self.pieces.iter().enumerate().rev() {
            if let Some(&row) = part.piece.by_id.get(id)
                && part.live.contains(row as usize)
            {
                return Ok(Some(Place::Added { piece, row: row as usize }));
            }
        }
        Ok(base.row(id)?.filter(|&row| self.has(row)).map(Place::Base))
    }

    /// Makes changes, in their order. What is shared with other moments is copied first.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the generation's order cannot be read; some are made then, and some are not.
    pub(crate) fn apply(&mut self, base: &Generation, changes: Vec<Change>) -> Result<Applied, IndexError> {
        self.n_changes += changes.len();
        let mut applied = Applied::default();
        let mut new: Vec<Option<Put>> = Vec::new();
        let mut by_id: HashMap<String, usize> = HashMap::new();
        let mut kinds = None;
        for change in changes {
            let id = match &change {
                Change::Put(Put { item, .. }) => &item.id,
                Change::Remove(Removal { id }) => id,
            };
            // A batch may change what it added itself.
            let within = by_id.remove(id).and_then(|at| new.get_mut(at)).and_then(Option::take).is_some();
            let was_there = within || self.remove(base, id)?;
            match change {
                Change::Put(put) => {
                    applied.replaced += usize::from(was_there);
                    for (name, value) in
                        put.item.metadata.iter().filter(|(name, _)| !self.kinds.contains_key(*name))
                    {
                        let kinds = kinds.get_or_insert_with(|| BTreeMap::clone(&self.kinds));
                        kinds.insert(name.to_owned(), value.kind());
                    }
                    by_id.insert(put.item.id.clone(), new.len());
                    new.push(Some(put));
                }
                Change::Remove(_) => applied.removed += usize::from(was_there),
            }
        }
        if let Some(kinds) = kinds {
            self.kinds = Arc::new(kinds);
        }
        let new: Vec<Put> = new.into_iter().flatten().collect();
        if !new.is_empty() {
            let rows = new.len();
            let piece = Piece::new(base.dim(), new);
            self.pieces.push(Part { piece: Arc::new(piece), live: Arc::new(Bitmap::all(rows)) });
        }
        self.join();
        Ok(applied)
    }

    /// Takes a picture out; false if it is not there.
    fn remove(&mut self, base: &Generation, id: &str) -> Result<bool, IndexError> {
        match self.find(base, id)? {
            None => return Ok(false),
            Some(Place::Base(row)) => {
                let kept = self.kept.get_or_insert_with(|| Arc::new(Bitmap::all(base.len())));
                Arc::make_mut(kept).remove(row);
                self.n_removed += 1;
            }
            Some(Place::Added { piece, row }) => {
                if let Some(part) = self.pieces.get_mut(piece) {
                    Arc::make_mut(&mut part.live).remove(row);
                }
            }
        }
        Ok(true)
    }

    /// Drops empty pieces, and joins the last ones while the newer is not much smaller: their number grows as the
    /// logarithm of the rows, and so does how often a row is copied.
    fn join(&mut self) {
        self.pieces.retain(|part| part.live.count() > 0);
        while let [.., older, newer] = self.pieces.as_slice() {
            let (a, b) = (older.piece.rows.len(), newer.piece.rows.len());
            if a > 2 * b || a + b > LARGE {
                break;
            }
            let joined = Piece::join(older, newer);
            self.pieces.truncate(self.pieces.len() - 2);
            let rows = joined.rows.len();
            self.pieces.push(Part { piece: Arc::new(joined), live: Arc::new(Bitmap::all(rows)) });
        }
        self.bytes = self.pieces.iter().map(|part| part.piece.bytes).sum();
    }
}

impl Piece {
    fn new(dim: usize, puts: Vec<Put>) -> Self {
        let mut piece = Self::with_room(dim, puts.len());
        for Put { item, sha256, vector, picture } in puts {
            piece.push(Row { item: Arc::new(item), sha256, picture }, &vector);
        }
        piece
    }

    fn with_room(dim: usize, rows: usize) -> Self {
        Self {
            dim,
            vectors: Vec::with_capacity(dim * rows),
            rows: Vec::with_capacity(rows),
            by_id: HashMap::with_capacity(rows),
            bytes: 0,
        }
    }

    fn push(&mut self, row: Row, vector: &[f32]) {
        self.by_id.insert(row.item.id.clone(), self.rows.len() as u32);
        self.bytes += row_bytes(&row.item, vector);
        self.vectors.extend_from_slice(vector);
        self.rows.push(row);
    }

    fn join(older: &Part, newer: &Part) -> Self {
        let count = older.live.count() + newer.live.count();
        let mut joined = Self::with_room(older.piece.dim, count);
        for part in [older, newer] {
            for row in part.live.iter() {
                if let (Some(kept), Some(vector)) = (part.piece.rows.get(row), part.piece.vector(row)) {
                    joined.push(kept.clone(), vector);
                }
            }
        }
        joined
    }

    /// A row's vector.
    pub(crate) fn vector(&self, row: usize) -> Option<&[f32]> {
        self.vectors.get(row * self.dim..(row + 1) * self.dim)
    }
}

/// Bytes of memory that a row takes, about.
pub(crate) fn row_bytes(item: &Item, vector: &[f32]) -> usize {
    /// Of an item beside its texts, the row and the map's entry.
    const ROW: usize = 400;
    let metadata = item.metadata.iter().map(|(name, value)| {
        let text = if let Value::Text(text) = value { text.len() } else { 0 };
        size_of::<Value>() + name.len() + text
    });
    ROW + size_of_val(vector)
        + 2 * item.id.len() // in the map, too
        + item.caption.len()
        + item.group.len()
        + item.url.len()
        + metadata.sum::<usize>()
}

impl Source for Piece {
    fn rows(&self) -> Rows<'_> {
        Rows::F32(&self.vectors)
    }

    fn dim(&self) -> usize {
        self.dim
    }
}
