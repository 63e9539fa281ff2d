//! The corpus's tables: things, their pictures, how they are spoken of.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result, bail, ensure};

use super::spoken::Spoken;
use crate::table::Table;

/// Styles of drawings that count; the others are to train on.
pub(crate) const STYLES: [&str; 3] = ["noto", "twemoji", "fluent"];

/// Something that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) spoken: Spoken,
}

/// Whether a picture was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Split {
    /// It was.
    Train,
    /// It was not, but the thing was, in other styles.
    HeldPicture,
    /// Nor was the thing, in any style.
    HeldThing,
}

impl Split {
    pub(crate) const ALL: [Self; 3] = [Self::Train, Self::HeldPicture, Self::HeldThing];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "trained on",
            Self::HeldPicture => "picture held out",
            Self::HeldThing => "thing held out",
        })
    }
}

impl FromStr for Split {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "train" => Ok(Self::Train),
            "held-picture" => Ok(Self::HeldPicture),
            "held-thing" => Ok(Self::HeldThing),
            _ => Err(()),
        }
    }
}

/// A drawing of a thing.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Below the corpus.
    pub(crate) path: PathBuf,
    /// Place of the thing.
    pub(crate) thing: usize,
    /// Place in [`STYLES`].
    pub(crate) style: usize,
    pub(crate) split: Split,
}

/// The tables, as far as they count.
pub(crate) struct Corpus {
    pub(crate) folder: PathBuf,
    pub(crate) things: Vec<Thing>,
    /// Of the styles that count.
    pub(crate) pictures: Vec<Picture>,
}

impl Corpus {
    /// Reads `things.tsv`, `pictures.tsv` and, for how things are spoken of, `captions/`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let missing = "a corpus as `fondue corpus OUT` makes it was expected";
        let path = folder.join("things.tsv");
        let rows = Table::read_whole(&path, &["thing", "name", "group", "keywords"]).context(missing)?;
        let (mut places, mut things) = (HashMap::new(), Vec::new());
        for (line, row) in rows {
            let [id, name, group, keywords] = &row[..] else { bail!("{}: line {line}", path.display()) };
            let twice = places.insert(id.clone(), things.len()).is_some();
            ensure!(!twice, "{}: line {line}: `{id}` is there twice", path.display());
            let keywords = keywords.split(';').map(str::trim).filter(|word| !word.is_empty());
            things.push(Thing {
                name: name.clone(),
                group: group.clone(),
                keywords: keywords.map(str::to_owned).collect(),
                spoken: Spoken::guessed(name),
            });
        }
        let (pictures, of) = pictures(&folder.join("pictures.tsv"), &places).context(missing)?;
        for name in ["train", "validation"] {
            spoken(&folder.join(format!("captions/{name}.tsv")), &of, &mut things)?;
        }
        ensure!(!pictures.is_empty(), "{}: no picture of {}", folder.display(), STYLES.join(", "));
        Ok(Self { folder: folder.to_owned(), things, pictures })
    }
}

/// The pictures that count, and of all pictures which thing they show.
fn pictures(path: &Path, things: &HashMap<String, usize>) -> Result<(Vec<Picture>, HashMap<String, usize>)> {
    let (mut pictures, mut of) = (Vec::new(), HashMap::new());
    for (line, row) in Table::read_whole(path, &["image", "thing", "style", "split"])? {
        let [image, thing, style, split] = &row[..] else { bail!("{}: line {line}", path.display()) };
        let thing = things.get(thing).with_context(|| {
            format!("{}: line {line}: the thing `{thing}` is not in things.tsv", path.display())
        })?;
        of.insert(image.clone(), *thing);
        let Some(style) = STYLES.iter().position(|known| known == style) else { continue };
        if split == "unused" {
            continue;
        }
        let split = split.parse().ok().with_context(|| {
            format!(
                "{}: line {line}: `{split}` is none of train, held-picture, held-thing, unused",
                path.display()
            )
        })?;
        pictures.push(Picture { path: image.into(), thing: *thing, style, split });
    }
    Ok((pictures, of))
}

/// Learns from captions which article a thing takes. A corpus without them is none the worse.
fn spoken(path: &Path, of: &HashMap<String, usize>, things: &mut [Thing]) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    for (_, row) in Table::read_whole(path, &["caption", "image"])? {
        let [caption, image] = &row[..] else { continue };
        if let Some(thing) = of.get(image).and_then(|&at| things.get_mut(at)) {
            thing.spoken.learn(&thing.name, caption);
        }
    }
    Ok(())
}
