//! Sets in the official formats to evaluate with: the corpus's own, for the official ones are no packages.

mod visdial;
mod vist;

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{
    manifest::Counts,
    pictures::{Row, file},
    split::Part,
    tables::Tables,
    texts::Subject,
    things::Thing,
};

/// What the sets are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material<'a> {
    pub(crate) things: &'a [Thing],
    pub(crate) rows: &'a [Row],
    /// Those things that texts may name, by their id.
    pub(crate) subjects: &'a [Subject],
}

impl<'a> Material<'a> {
    /// The pictures that are held out of things that are not, each with its place in the rows.
    fn held(&self) -> impl Iterator<Item = (usize, &'a Row)> {
        self.rows.iter().enumerate().filter(|(_, row)| row.part == Part::HeldPicture)
    }

    /// What texts say of a thing.
    fn subject(&self, thing: usize) -> Option<&'a Subject> {
        self.subjects.iter().find(|subject| subject.id == self.things[thing].id)
    }
}

/// Writes `evaluation/`: the files, and copies of the pictures by the names that the official sets give theirs.
pub(crate) fn write(tables: &mut Tables, material: Material<'_>, seed: u64) -> Result<Counts> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (stories, shown) = vist::stories(material, &mut rng);
    tables.write("evaluation/vist.json", &serde_json::to_string(&stories)?)?;
    copy(tables.out(), material, shown, |place| format!("evaluation/images/vist/{}.png", vist::id(place)))?;
    let (dialogs, dense, shown) = visdial::dialogs(material, &mut rng)?;
    tables.write("evaluation/visdial.json", &serde_json::to_string(&dialogs)?)?;
    tables.write("evaluation/visdial_dense.json", &serde_json::to_string(&dense)?)?;
    let counts = Counts { stories: stories.len(), dialogs: dense.len(), ..Counts::default() };
    let out = tables.out();
    copy(out, material, shown, |place| format!("evaluation/images/visdial/{}.png", visdial::stem(place)))?;
    Ok(counts)
}

fn copy(
    out: &Path,
    material: Material<'_>,
    places: impl IntoIterator<Item = usize>,
    name: impl Fn(usize) -> String,
) -> Result<()> {
    for place in places {
        let from = out.join(&material.rows[place].image);
        let png = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
        file(&out.join(name(place)), &png)?;
    }
    Ok(())
}
