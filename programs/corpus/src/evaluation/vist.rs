//! Stories in the form of VIST's "story in sequence": five captioned drawings of one style, things that follow one another.
//!
//! The last picture of a story, which is to be found, is one that is held out.

use std::collections::BTreeSet;

use rand::{RngExt, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::Material;
use crate::{pictures::Row, texts::Subject};

/// Pictures of a story.
const LENGTH: usize = 5;

/// What a line of a story says of its picture.
const LINES: [&str; 4] = ["{a}", "here {is} {a}", "{this is} {a}", "a picture of {a}"];

/// The file.
#[derive(Debug, Serialize)]
pub(super) struct File {
    images: Vec<Image>,
    annotations: Vec<[Line; 1]>,
}

impl File {
    /// How many stories it holds.
    pub(super) fn len(&self) -> usize {
        self.annotations.len() / LENGTH
    }
}

#[derive(Debug, Serialize)]
struct Image {
    id: String,
    url_o: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Line {
    story_id: String,
    album_id: String,
    photo_flickr_id: String,
    worker_arranged_photo_order: usize,
    storylet_id: String,
    tier: &'static str,
    setting: &'static str,
    original_text: String,
    text: String,
}

/// The id of the picture at a place in the rows, of digits alone as the official ones are.
pub(super) fn id(place: usize) -> String {
    (1_000_000 + place).to_string()
}

/// One story a held-out picture that four others can lead to, and the places of all pictures that they show.
pub(super) fn stories(material: Material<'_>, rng: &mut ChaCha8Rng) -> (File, BTreeSet<usize>) {
    let (mut annotations, mut shown) = (Vec::new(), BTreeSet::new());
    let mut story = 0;
    for (place, row) in material.held() {
        let Some(pictures) = leading_to(material, place, row, rng) else { continue };
        story += 1;
        for (order, (place, subject)) in pictures.into_iter().enumerate() {
            shown.insert(place);
            let text = line(subject, rng);
            annotations.push([Line {
                story_id: story.to_string(),
                album_id: subject.subgroup.clone(),
                photo_flickr_id: id(place),
                worker_arranged_photo_order: order,
                storylet_id: (story * LENGTH + order).to_string(),
                tier: "story-in-sequence",
                setting: "first-2-pick-and-tell",
                original_text: text.clone(),
                text,
            }]);
        }
    }
    let image = |place: &usize| {
        let row = &material.rows[*place];
        let title = material.things[row.thing].name.clone();
        Image { id: id(*place), url_o: format!("https://images.invalid/{}.png", id(*place)), title }
    };
    (File { images: shown.iter().map(image).collect(), annotations }, shown)
}

/// The held-out picture, and before it the four things nearest to it in its subgroup in the same style.
fn leading_to<'a>(
    material: Material<'a>,
    last: usize,
    row: &Row,
    rng: &mut ChaCha8Rng,
) -> Option<Vec<(usize, &'a Subject)>> {
    let subject = material.subject(row.thing)?;
    let mut kin: Vec<_> = material
        .rows
        .iter()
        .enumerate()
        .filter(|(place, other)| other.style == row.style && *place != last)
        .filter_map(|(place, other)| Some((place, material.subject(other.thing)?)))
        .filter(|(_, other)| other.subgroup == subject.subgroup)
        .collect();
    kin.sort_by_key(|(place, _)| place.abs_diff(last));
    kin.truncate(LENGTH - 1);
    kin.sort_by_key(|(place, _)| *place);
    if rng.random_bool(0.5) {
        kin.reverse();
    }
    kin.push((last, subject));
    (kin.len() == LENGTH).then_some(kin)
}

fn line(subject: &Subject, rng: &mut ChaCha8Rng) -> String {
    let noun = &subject.noun;
    let line = LINES.choose(rng).copied().unwrap_or_default();
    line.replace("{a}", &noun.a()).replace("{is}", noun.is()).replace("{this is}", noun.this_is())
}
