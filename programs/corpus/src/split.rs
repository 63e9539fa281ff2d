//! What is held out, by a seed: some things in every style, and one style of some further things.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    drawn::Drawn,
    phrases,
    things::{COUNTED, Thing},
};

/// Things whose every picture is held out.
const THINGS: usize = 100;
/// Pictures held out of each counted style, of things whose other pictures are trained on.
const PICTURES: usize = 100;

/// What a picture is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    HeldPicture,
    HeldThing,
    /// Too like one that is held out, and none that counts.
    Unused,
}

impl Part {
    /// As `pictures.tsv` writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::HeldPicture => "held-picture",
            Self::HeldThing => "held-thing",
            Self::Unused => "unused",
        }
    }
}

/// What is held out, by places in the list of things.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    things: BTreeSet<usize>,
    pictures: BTreeMap<usize, &'static str>,
    /// Things that are drawn as another's mirror image, both ways.
    mirrored: BTreeMap<usize, usize>,
}

impl Split {
    /// Draws it by `seed`. A thing is held out only if no other thing's name holds its name, and a picture only if its style
    /// draws no other thing the same way: else training would have seen it after all.
    pub(crate) fn new(things: &[Thing], drawn: &Drawn, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<_> = (0..things.len()).collect();
        order.shuffle(&mut rng);
        let alone = |at: usize| COUNTED.iter().all(|style| drawn.is_unique(at, style));
        let free = |at: &usize| alone(*at) && is_named_alone(*at, things);
        let held: BTreeSet<_> = order.iter().copied().filter(free).take(THINGS).collect();
        let mut rest = order.into_iter().filter(|at| !held.contains(at) && alone(*at));
        let mut pictures = BTreeMap::new();
        for style in COUNTED {
            pictures.extend(rest.by_ref().take(PICTURES).map(|at| (at, style)));
        }
        ensure!(
            held.len() == THINGS && pictures.len() == PICTURES * COUNTED.len(),
            "there are too few things to hold {THINGS} of them and {} pictures out",
            PICTURES * COUNTED.len()
        );
        Ok(Self { things: held, pictures, mirrored: mirrored(things) })
    }

    /// Whether all of this thing is held out.
    pub(crate) fn holds(&self, thing: usize) -> bool {
        self.things.contains(&thing)
    }

    /// What a style's picture of a thing is for.
    pub(crate) fn part(&self, thing: usize, style: &str) -> Part {
        if self.holds(thing) {
            return if COUNTED.contains(&style) { Part::HeldThing } else { Part::Unused };
        }
        if self.pictures.get(&thing) == Some(&style) {
            return Part::HeldPicture;
        }
        let twin = self.mirrored.get(&thing);
        let seen =
            self.is_like_held(thing, style) || twin.is_some_and(|twin| self.is_like_held(*twin, style));
        if seen { Part::Unused } else { Part::Train }
    }

    /// Whether this picture, or one that is nearly the same, is held out.
    fn is_like_held(&self, thing: usize, style: &str) -> bool {
        let held = self.pictures.get(&thing);
        self.holds(thing) || held.is_some_and(|held| *held == style || near(style) == Some(held))
    }
}

/// Those that face right are the others, mirrored.
fn mirrored(things: &[Thing]) -> BTreeMap<usize, usize> {
    let places: BTreeMap<_, _> =
        things.iter().enumerate().map(|(at, thing)| (thing.name.as_str(), at)).collect();
    let pairs = things.iter().enumerate().filter_map(|(at, thing)| {
        let other = places.get(thing.name.strip_suffix(" facing right")?)?;
        Some([(at, *other), (*other, at)])
    });
    pairs.flatten().collect()
}

/// The counted style that this further style nearly repeats: its forerunner, or the same shapes in other colours.
fn near(style: &str) -> Option<&'static str> {
    match style {
        "noto-v1" => Some("noto"),
        "fluent-color" => Some("fluent"),
        _ => None,
    }
}

fn is_named_alone(at: usize, things: &[Thing]) -> bool {
    let name = &things[at].name;
    things.iter().enumerate().all(|(other, thing)| other == at || !phrases::holds(&thing.name, name))
}
