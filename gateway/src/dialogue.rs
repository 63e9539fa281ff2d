//! A dialogue's memory: the history as prompt pieces, the pictures' features, what was shown.
//! Pure; a turn works on a [`Draft`] of it, and only a turn that was answered is recorded.

pub mod prompt;
pub mod shown;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    config::{Limits, Template},
    failure::Failure,
    request::{Exchange, Open, Part, Picture, PictureKey, Turn},
    turn::answer::Answer,
};
pub use prompt::Piece;
pub use shown::Shown;

/// Features by picture; `[feature_dim]` f32 each.
pub type Features = HashMap<PictureKey, Arc<[f32]>>;

/// What a dialogue remembers.
#[derive(Debug)]
pub struct Dialogue {
    template: Arc<Template>,
    /// All turns so far, as the model reads them.
    pieces: Vec<Piece>,
    /// Pictures of the history that were encoded.
    features: Features,
    /// Pictures of the history that were not: given with it, or found and fed back.
    unseen: Vec<Picture>,
    /// Pictures that must not be found.
    shown: Shown,
    /// The index generation that all searches use, once one was answered.
    generation: Option<String>,
    n_turns: usize,
}

/// A turn about to be run: the whole prompt and all that the turn needs to know of the dialogue.
#[derive(Debug)]
pub struct Draft {
    /// History and what the user says, up to where the answer begins.
    pub pieces: Vec<Piece>,
    /// Features known before the turn.
    pub features: Features,
    /// Pictures of `pieces` without features, each once.
    pub unseen: Vec<Picture>,
    /// Pictures that must not be found.
    pub shown: Shown,
    /// The pinned generation.
    pub generation: Option<String>,
    /// Pictures that the user sends in this turn.
    pub n_images: usize,
}

/// A turn that was answered, to be recorded.
#[derive(Debug)]
pub struct Spoken {
    /// The draft as it was run: its pieces and, by now, all their features.
    pub draft: Draft,
    /// What the model answered.
    pub answer: Answer,
    /// Pictures that must not be found from now on.
    pub shown: Shown,
}

impl Dialogue {
    /// A dialogue that begins with the turns and the pinned generation of `open`.
    pub fn new(template: Arc<Template>, open: Open) -> Self {
        let mut dialogue = Self {
            template,
            pieces: Vec::new(),
            features: HashMap::new(),
            unseen: Vec::new(),
            shown: Shown::default(),
            generation: open.generation,
            n_turns: 0,
        };
        for Exchange { parts, reply, image_ids } in open.history {
            dialogue.unseen.extend(pictures(&parts).cloned());
            pictures(&parts).for_each(|picture| dialogue.shown.add_digest(picture.key.sha256));
            prompt::ask(&mut dialogue.pieces, &parts, &dialogue.template);
            prompt::close(&mut dialogue.pieces, vec![Piece::Text(reply)], &dialogue.template);
            image_ids.into_iter().for_each(|id| dialogue.shown.add_id(id));
            dialogue.n_turns += 1;
        }
        dialogue
    }

    /// The dialogue with `turn` at its end. Nothing is changed.
    ///
    /// # Errors
    /// [`Failure`] if the dialogue would grow beyond its limits.
    pub fn draft(&self, turn: &Turn, limits: &Limits) -> Result<Draft, Failure> {
        if self.n_turns >= limits.turns {
            let most = limits.turns;
            return Err(Failure::field(
                "turn",
                format!("the dialogue holds {most} turns, the limit; begin another"),
            ));
        }
        let mut pieces = self.pieces.clone();
        prompt::ask(&mut pieces, &turn.parts, &self.template);
        let n_images = pieces.iter().filter(|piece| matches!(piece, Piece::Picture(_))).count();
        if n_images > limits.images_per_dialogue {
            let most = limits.images_per_dialogue;
            let what =
                format!("the dialogue would hold {n_images} pictures, the limit is {most}; begin another");
            return Err(Failure::field("turn.parts", what));
        }
        let mut met = HashSet::new();
        let unseen = self.unseen.iter().chain(pictures(&turn.parts));
        let unseen =
            unseen.filter(|picture| !self.features.contains_key(&picture.key) && met.insert(picture.key));
        let unseen: Vec<_> = unseen.cloned().collect();
        let mut shown = self.shown.clone();
        pictures(&turn.parts).for_each(|picture| shown.add_digest(picture.key.sha256));
        Ok(Draft {
            features: self.features.clone(),
            unseen,
            shown,
            generation: self.generation.clone(),
            n_images: pictures(&turn.parts).count(),
            pieces,
        })
    }

    /// The index generation that all searches use, once there is one.
    pub fn generation(&self) -> Option<&str> {
        self.generation.as_deref()
    }

    /// Stays with `generation` from now on, if none was pinned before.
    pub fn pin(&mut self, generation: Option<String>) {
        self.generation = self.generation.take().or(generation);
    }

    /// Takes an answered turn into the history.
    pub fn record(&mut self, spoken: Spoken) {
        let Spoken { draft, answer, shown } = spoken;
        self.pieces = draft.pieces;
        self.features = draft.features;
        self.unseen.clear();
        self.shown = shown;
        let (pieces, found) = answer.into_pieces();
        self.unseen.extend(found);
        prompt::close(&mut self.pieces, pieces, &self.template);
        self.n_turns += 1;
    }
}

impl Draft {
    /// Takes in the features that vision gave, and leaves out the pictures that could not be read.
    pub fn learn(&mut self, seen: Features, unreadable: &HashSet<PictureKey>) {
        self.features.extend(seen);
        self.unseen.clear();
        if !unreadable.is_empty() {
            let pieces = std::mem::take(&mut self.pieces);
            let readable = |piece: &Piece| piece.picture().is_none_or(|key| !unreadable.contains(key));
            pieces.into_iter().filter(readable).for_each(|piece| prompt::push(&mut self.pieces, piece));
        }
    }
}

fn pictures(parts: &[Part]) -> impl Iterator<Item = &Picture> {
    parts.iter().filter_map(|part| match part {
        Part::Picture(picture) => Some(picture),
        Part::Text(_) => None,
    })
}
