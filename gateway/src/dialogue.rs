//! A dialogue's memory: the histories with their pictures' features, what was shown, the generations to stay with.
//! Pure; a turn works on a [`Draft`] of it, and only a turn that was answered is recorded.

pub mod past;
pub mod prompt;
pub mod shown;

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::{Limits, Template},
    failure::Failure,
    request::{Content, Exchange, Picture, PictureKey},
    turn::answer::Answer,
};
use fondue_serving::upstream::Affinity;
pub use past::{Held, History, Past};
pub use prompt::{Piece, Prompt};
pub use shown::Shown;
use tokio::time::Instant;

/// Features by picture; `[feature_dim]` f32 each.
pub type Features = HashMap<PictureKey, Arc<[f32]>>;

/// What a dialogue remembers.
#[derive(Clone, Debug, Default)]
pub struct Dialogue {
    past: Past,
    /// Pictures that were encoded.
    features: Features,
    /// Pictures that were not: given with the history, or found and fed back.
    unseen: HashMap<PictureKey, Picture>,
    /// Found pictures that vision could not read.
    unreadable: HashSet<PictureKey>,
    generations: Generations,
}

/// The generation of each index that searches use, once one was answered or told.
#[derive(Clone, Debug, Default)]
pub struct Generations(Vec<(String, String)>);

impl Generations {
    /// That of an index.
    pub fn of(&self, index: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == index).map(|(_, generation)| generation.as_str())
    }

    /// Stays with a generation, if the index has none yet.
    fn pin(&mut self, index: String, generation: String) {
        if self.of(&index).is_none() {
            self.0.push((index, generation));
        }
    }
}

/// A turn about to be run: what it says and all that it needs to know of the dialogue.
#[derive(Debug)]
pub struct Draft {
    template: Arc<Template>,
    history: History,
    asked: Vec<Piece>,
    /// The user's pictures of this turn.
    asked_shown: Shown,
    unreadable: HashSet<PictureKey>,
    generations: Generations,
    /// Features known before the turn; then those of its pictures too.
    pub features: Features,
    /// Pictures of the prompt without features, each once.
    pub unseen: Vec<Picture>,
    /// Pictures that must not be found.
    pub shown: Shown,
    /// Pictures that the user sends in this turn.
    pub n_images: usize,
    /// When the turn began.
    pub started: Instant,
    /// Wall clock of fetching its pictures.
    pub fetch_took: Duration,
}

/// A turn that was answered, to be recorded.
#[derive(Debug)]
pub struct Spoken {
    /// The draft as it was run, with all features by now.
    pub draft: Draft,
    /// What the model answered.
    pub answer: Answer,
    /// Pictures found in it.
    pub found: Shown,
}

impl Dialogue {
    /// A dialogue that begins with these turns and stays with this generation of the first index.
    pub fn new(history: Vec<Exchange<Content>>, generation: Option<String>) -> Self {
        let mut dialogue = Self::default();
        let mut opened = History::default();
        for Exchange { parts, reply, image_ids } in history {
            let mut shown = Shown::default();
            for picture in pictures(&parts) {
                shown.add_digest(picture.key.sha256);
                dialogue.unseen.insert(picture.key, picture.clone());
            }
            image_ids.into_iter().for_each(|id| shown.add_id(id));
            let (asked, answer) = (prompt::said(&parts), vec![Piece::Text(reply)]);
            opened = opened.and(Held { number: 0, asked, answer, shown });
        }
        dialogue.past = Past::new(opened);
        if let Some(generation) = generation {
            dialogue.generations.pin(String::new(), generation);
        }
        dialogue
    }

    /// The dialogue with what the user says at its end. Nothing is changed.
    ///
    /// # Errors
    /// [`Failure`] if the dialogue would grow beyond its limits.
    pub fn draft(
        &self,
        parts: &[Content],
        template: Arc<Template>,
        limits: &Limits,
    ) -> Result<Draft, Failure> {
        let history = self.past.now().clone();
        let most = limits.turns;
        if history.n_turns() >= most {
            let what =
                format!("the dialogue holds {most} turns, the limit; take some back, or begin another");
            return Err(Failure::field("turn", what));
        }
        let asked = prompt::said(parts);
        let turns = history.turns();
        let pieces = turns.iter().flat_map(|held| held.asked.iter().chain(&held.answer)).chain(&asked);
        let keys = pieces.filter_map(Piece::picture).filter(|key| !self.unreadable.contains(key));
        let keys: Vec<_> = keys.copied().collect();
        let (n_images, most) = (keys.len(), limits.images_per_dialogue);
        if n_images > most {
            let what =
                format!("the dialogue would hold {n_images} pictures, the limit is {most}; begin another");
            return Err(Failure::field("turn.parts", what));
        }
        let new: HashMap<_, _> = pictures(parts).map(|picture| (picture.key, picture)).collect();
        let mut met = HashSet::new();
        let unseen = keys.iter().filter(|key| !self.features.contains_key(key) && met.insert(**key));
        let unseen = unseen.filter_map(|key| self.unseen.get(key).or(new.get(key).copied()).cloned());
        let unseen: Vec<_> = unseen.collect();
        let mut asked_shown = Shown::default();
        pictures(parts).for_each(|picture| asked_shown.add_digest(picture.key.sha256));
        let shown = Shown::all(turns.iter().map(|held| &held.shown).chain([&asked_shown]));
        Ok(Draft {
            template,
            asked,
            asked_shown,
            unreadable: self.unreadable.clone(),
            generations: self.generations.clone(),
            features: self.features.clone(),
            unseen,
            shown,
            n_images: pictures(parts).count(),
            started: Instant::now(),
            fetch_took: Duration::ZERO,
            history,
        })
    }

    /// The generations that it stays with.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// Stays with a generation of an index from now on, if none was pinned before.
    pub fn pin(&mut self, index: String, generation: String) {
        self.generations.pin(index, generation);
    }

    /// Takes answered turn `number` into the history.
    pub fn record(&mut self, number: u32, spoken: Spoken, limits: &Limits) {
        let Spoken { draft, answer, found } = spoken;
        self.features.extend(draft.features);
        self.unreadable = draft.unreadable;
        let (answer, fed_back) = answer.into_pieces();
        self.unseen.extend(fed_back.into_iter().map(|picture| (picture.key, picture)));
        let shown = Shown::all([&draft.asked_shown, &found]);
        self.past.record(Held { number, asked: draft.asked, answer, shown }, limits.branch_turns);
        self.tidy(limits);
    }

    /// Takes back the last turns, 0 for the last one.
    ///
    /// # Errors
    /// [`Failure`] if there are not as many.
    pub fn undo(&mut self, turns: u32, limits: &Limits) -> Result<(), Failure> {
        let held = self.past.now().n_turns();
        if !self.past.undo(usize::try_from(turns.max(1)).unwrap_or(usize::MAX)) {
            let what = format!("must be at most {held}, the turns of the history, got {}", turns.max(1));
            return Err(Failure::field("undo.turns", what));
        }
        self.tidy(limits);
        Ok(())
    }

    /// Empties the history.
    pub fn reset(&mut self, limits: &Limits) {
        self.past.reset();
        self.tidy(limits);
    }

    /// Goes back to what the history was after turn `number`, 0 for the beginning.
    ///
    /// # Errors
    /// [`Failure`] if that is not remembered.
    pub fn branch(&mut self, number: u32, limits: &Limits) -> Result<(), Failure> {
        if !self.past.branch(number) {
            let most = limits.branch_turns;
            let what = format!(
                "turn {number} is not remembered: it was not answered, or is not one of the newest {most} \
                 (branch_turns), or was forgotten for room (max_branch_bytes)"
            );
            return Err(Failure::field("branch.after_turn", what));
        }
        self.tidy(limits);
        Ok(())
    }

    /// Numbers of the turns of the history, oldest first.
    pub fn numbers(&self) -> Vec<u32> {
        self.past.now().turns().iter().map(|held| held.number).collect()
    }

    /// Forgets what takes too much room, and the pictures that nothing names any more.
    fn tidy(&mut self, limits: &Limits) {
        let Self { past, features, unseen, unreadable, .. } = self;
        unseen.retain(|key, _| !features.contains_key(key) && !unreadable.contains(key));
        let weigh = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Picture(key) => {
                let features = features.get(key).map_or(0, |features| size_of_val(&**features));
                features + unseen.get(key).map_or(0, |picture| picture.data.len())
            }
        };
        past.shrink(limits.branch_bytes, |held| {
            let pieces = held.asked.iter().chain(&held.answer);
            pieces.map(weigh).sum::<usize>() + held.shown.n_bytes()
        });
        let pieces = past.known().flat_map(|held| held.asked.iter().chain(&held.answer));
        let known: HashSet<_> = pieces.filter_map(Piece::picture).copied().collect();
        features.retain(|key, _| known.contains(key));
        unseen.retain(|key, _| known.contains(key));
        unreadable.retain(|key| known.contains(key));
    }
}

impl Draft {
    /// Takes in the features that vision gave, and leaves out the pictures that could not be read.
    pub fn learn(&mut self, seen: Features, unreadable: &HashSet<PictureKey>) {
        self.features.extend(seen);
        self.unseen.clear();
        self.unreadable.extend(unreadable);
    }

    /// History and what the user says, up to where the answer begins.
    pub fn prompt(&self) -> Prompt {
        prompt::compose(&self.history.turns(), &self.asked, &self.template, &self.unreadable)
    }

    /// What all turns of the dialogue have in common: what the user said first, under this cache key.
    pub fn affinity(&self, cache_key: &str) -> Affinity {
        let first = self.history.turns().first().map_or(&self.asked, |held| &held.asked);
        Affinity::of(&(cache_key, first))
    }

    /// Turns of the history.
    pub fn n_turns(&self) -> usize {
        self.history.n_turns()
    }

    /// The generation of an index to stay with.
    pub fn generation(&self, index: &str) -> Option<&str> {
        self.generations.of(index)
    }
}

fn pictures(parts: &[Content]) -> impl Iterator<Item = &Picture> {
    parts.iter().filter_map(|part| match part {
        Content::Picture(picture) => Some(picture),
        Content::Text(_) => None,
    })
}
