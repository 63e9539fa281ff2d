//! The whole corpus, step by step.

use std::time::Instant;

use anyhow::{Context, Result};
use fondue_drawings::Place;
use fondue_terminal::interrupt::Interrupt;

use crate::{
    Args,
    cache::Cache,
    drawn::Drawn,
    evaluation::{self, Material},
    licences,
    manifest::{self, Counts, MANIFEST},
    pictures::{self, Variants},
    sources,
    split::{Part, Split},
    tables::{self, Tables},
    texts::{self, Spoken},
    things,
};

/// Makes the folder and tells what is in it.
pub(crate) fn make(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let start = Instant::now();
    let place = Place::new(&args.out, MANIFEST, "a corpus", args.force)?;
    let Some(place) = place else {
        println!("{} holds a corpus already; --force makes it anew", args.out.display());
        return Ok(());
    };
    let threads = rayon::ThreadPoolBuilder::new().num_threads(args.threads.into()).build();
    let counts = threads.context("starting threads")?.install(|| fill(args, &place, interrupt))?;
    place.publish()?;
    println!("{counts} in {} ({:.0} s)", args.out.display(), start.elapsed().as_secs_f32());
    Ok(())
}

/// Writes all files; the manifest is the last.
fn fill(args: &Args, place: &Place, interrupt: &Interrupt) -> Result<String> {
    let sources = sources::read(&Cache::open(args.cache.as_deref())?, interrupt)?;
    let things = things::things(&sources);
    let drawn = Drawn::draw(&things, args.size, interrupt)?;
    let split = Split::new(&things, &drawn, args.seed)?;
    let out = place.work();
    let rows = pictures::write(&out, &things, &drawn, &split)?;
    let mut tables = Tables::new(&out);
    tables.write("things.tsv", &tables::things(&things, &split))?;
    tables.write("pictures.tsv", &tables::pictures(&rows, &things))?;
    let wanted = Variants { count: args.palette_variants, seed: args.seed, size: args.size };
    if wanted.count > 0 {
        let variants = pictures::write_variants(&out, &things, &rows, wanted, interrupt)?;
        tables.write("variants.tsv", &tables::variants(&variants, &things))?;
        tables.write("captions/variants.tsv", &texts::captions(variants.iter(), &things))?;
    }
    for (name, part) in [("train", Part::Train), ("validation", Part::HeldPicture)] {
        let rows = rows.iter().filter(|row| row.part == part);
        tables.write(&format!("captions/{name}.tsv"), &texts::captions(rows, &things))?;
    }
    let spoken = Spoken::new(&things, &split, &sources.wordnet)?;
    let trained = rows.iter().filter(|row| row.part == Part::Train);
    tables.write("captions/grounding.tsv", &texts::grounding(trained, &things, &spoken, args.seed))?;
    let (train, validation) = texts::documents(&spoken, &sources.wordnet, args.seed, interrupt)?;
    tables.write("text/train.jsonl", &texts::lines(&train)?)?;
    tables.write("text/validation.jsonl", &texts::lines(&validation)?)?;
    let material = Material { things: &things, rows: &rows, subjects: &spoken.subjects };
    let sets = evaluation::write(&mut tables, material, args.seed)?;
    tables.write("LICENSES.txt", &licences::text(&sources.wordnet_licence))?;
    let counts = Counts {
        things: things.len(),
        pictures: rows.len(),
        documents: train.len(),
        validation_documents: validation.len(),
        ..sets
    };
    let told =
        format!("{} things, {} pictures, {} documents", counts.things, counts.pictures, counts.documents);
    let manifest = manifest::text(args, counts, tables.sums())?;
    tables.write(MANIFEST, &manifest)?;
    interrupt.check()?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use fondue_terminal::interrupt::Interrupted;

    #[test]
    fn what_is_interrupted_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let (out, cache) = (root.path().join("deep/out"), root.path().join("cache"));
        let words = ["fondue-corpus".as_ref(), "--cache".as_ref(), cache.as_os_str(), out.as_os_str()];
        let error = make(&Args::parse_from(words), &Interrupt::at_once("")).unwrap_err();
        assert!(error.is::<Interrupted>(), "{error:#}");
        assert_eq!(std::fs::read_dir(root.path().join("deep")).unwrap().count(), 0);
    }
}
