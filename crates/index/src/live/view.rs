//! What an index holds at one moment; it does not change while it is looked at.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use super::overlay::{Overlay, Part, Place};
use crate::{Bitmap, Exclusions, Filter, Generation, Hit, IndexError, Item, Query, changes::Span, scan};

/// A generation and its changes, at one moment. Cheap to clone.
#[derive(Clone)]
pub struct View {
    generation: Arc<Generation>,
    overlay: Arc<Overlay>,
    pictures: Option<Arc<File>>,
}

/// A picture that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// Cosine similarity, −1 … 1.
    pub score: f32,
}

impl View {
    pub(crate) fn new(
        generation: Arc<Generation>,
        overlay: Arc<Overlay>,
        pictures: Option<Arc<File>>,
    ) -> Self {
        Self { generation, overlay, pictures }
    }

    /// The generation that was changed.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Pictures that there are.
    pub fn len(&self) -> usize {
        self.generation.len() - self.overlay.n_removed() + self.overlay.n_added()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pictures that were added since the generation was made.
    pub fn added(&self) -> usize {
        self.overlay.n_added()
    }

    /// Pictures of the generation that were removed or replaced since.
    pub fn removed(&self) -> usize {
        self.overlay.n_removed()
    }

    /// Changes that were made since, also those that others undid: what the log holds, and a compaction does away with.
    pub fn changes(&self) -> usize {
        self.overlay.n_changes()
    }

    /// Names and kinds of the metadata's fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, crate::metadata::Kind)> {
        self.overlay.kinds().iter().map(|(name, kind)| (name.as_str(), *kind))
    }

    pub(crate) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// Where a picture is.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if the generation's order cannot be read.
    pub fn find(&self, id: &str) -> Result<Option<Place>, IndexError> {
        self.overlay.find(&self.generation, id)
    }

    /// What is known of a picture.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] if it cannot be read.
    pub fn item(&self, place: Place) -> Result<Item, IndexError> {
        match place {
            Place::Base(row) => self.generation.item(row),
            Place::Added { piece, row } => {
                let row = self.part(piece).and_then(|part| part.piece.rows.get(row));
                row.map(|row| Item::clone(&row.item)).ok_or_else(|| self.generation.damaged_row(usize::MAX))
            }
        }
    }

    /// Bytes of a picture's file; 0 if none is stored.
    pub fn picture_bytes(&self, place: Place) -> usize {
        match place {
            Place::Base(row) => self.generation.picture(row).map_or(0, <[u8]>::len),
            Place::Added { .. } => self.span(place).length as usize,
        }
    }

    /// A picture's file; empty if none is stored.
    ///
    /// # Errors
    /// [`IndexError::Io`] if the log cannot be read.
    pub fn picture(&self, place: Place) -> Result<Vec<u8>, IndexError> {
        if let Place::Base(row) = place {
            return Ok(self.generation.picture(row).unwrap_or_default().to_vec());
        }
        let span = self.span(place);
        let mut bytes = vec![0; span.length as usize];
        if let Some(file) = self.pictures.as_ref().filter(|_| span.length > 0) {
            let read = file.read_exact_at(&mut bytes, span.start);
            read.map_err(IndexError::io(self.generation.folder()))?;
        }
        Ok(bytes)
    }

    fn span(&self, place: Place) -> Span {
        match place {
            Place::Base(_) => Span::default(),
            Place::Added { piece, row } => self
                .part(piece)
                .and_then(|part| part.piece.rows.get(row))
                .map_or(Span::default(), |row| row.picture),
        }
    }

    fn part(&self, piece: usize) -> Option<&Part> {
        self.overlay.parts().get(piece)
    }

    /// Of the generation's rows that were selected (`None`: all), those that are there; `None` if all are.
    pub fn admitted(&self, selected: Option<Arc<Bitmap>>) -> Option<Arc<Bitmap>> {
        match (selected, self.overlay.kept()) {
            (None, kept) => kept.cloned(),
            (selected, None) => selected,
            (Some(selected), Some(kept)) => {
                let mut both = Bitmap::clone(&selected);
                both.intersect(kept);
                Some(Arc::new(both))
            }
        }
    }

    /// The nearest pictures that were added, best first.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length.
    pub(crate) fn search_added(&self, query: &Query<'_>) -> Result<Vec<Found>, IndexError> {
        self.generation.check(query.vector)?;
        let mut found = Vec::new();
        for (piece, part) in self.overlay.parts().iter().enumerate() {
            let admitted = part.admitted(query.filter, query.exclusions);
            let vector = query.vector.values();
            let rows = scan::Source::rows(&*part.piece);
            let hits = scan::nearest(rows, vector.len(), &[vector], query.k, Some(&admitted));
            let hits = hits.map_err(IndexError::Scan)?;
            let place = |Hit { row, score }| Found { place: Place::Added { piece, row }, score };
            found.extend(hits.into_iter().flatten().map(place));
        }
        found.sort_by(best_first);
        found.truncate(query.k);
        Ok(found)
    }

    /// The nearest pictures, best first; equal ones: the generation's before those that were added, each by row. One row
    /// after the other is scored: it is what anything faster is measured against.
    ///
    /// # Errors
    /// [`IndexError::Dim`] for a query of another length, [`IndexError::Damaged`] if a file cannot be read.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Found>, IndexError> {
        let mut found = self.search_added(query)?;
        let kept = |row: usize| self.overlay.has(row);
        let hits = self.generation.search_where(query, kept)?;
        found.extend(hits.into_iter().map(|Hit { row, score }| Found { place: Place::Base(row), score }));
        found.sort_by(best_first);
        found.truncate(query.k);
        Ok(found)
    }
}

impl Part {
    /// The rows that may be found.
    fn admitted(&self, filter: &Filter, exclusions: &Exclusions) -> Arc<Bitmap> {
        if filter.is_empty() && exclusions.ids.is_empty() && exclusions.sha256.is_empty() {
            return Arc::clone(&self.live);
        }
        let passes = |row: &super::overlay::Row| {
            !exclusions.ids.contains(&row.item.id)
                && !exclusions.sha256.contains(&row.sha256)
                && filter.accepts(&row.item)
        };
        let rows = &self.piece.rows;
        Arc::new(Bitmap::of(rows.len(), |row| self.live.contains(row) && rows.get(row).is_some_and(passes)))
    }
}

/// Higher scores first; equal ones by place.
pub(crate) fn best_first(a: &Found, b: &Found) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.place.cmp(&b.place))
}
