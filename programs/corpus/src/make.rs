//! The whole corpus, step by step.

use std::time::Instant;

use anyhow::{Context, Result};
use fondue_drawings::Place;

use crate::{
    Args,
    cache::Cache,
    drawn::Drawn,
    interrupt::Interrupt,
    pictures::{self, Variants, file},
    sources,
    split::{Part, Split},
    tables, texts, things,
};

/// Makes the folder and tells what is in it.
pub(crate) fn make(args: &Args, interrupt: &Interrupt) -> Result<()> {
    let start = Instant::now();
    let place = Place::new(&args.out, "manifest.json", "a corpus", args.force)?;
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

fn fill(args: &Args, place: &Place, interrupt: &Interrupt) -> Result<String> {
    let out = place.work();
    let sources = sources::read(&Cache::open(args.cache.as_deref())?, interrupt)?;
    let things = things::things(&sources)?;
    let drawn = Drawn::draw(&things, args.size, interrupt)?;
    let split = Split::new(&things, &drawn, args.seed)?;
    let rows = pictures::write(&out, &things, &drawn, &split)?;
    file(&out.join("things.tsv"), tables::things(&things, &split).as_bytes())?;
    file(&out.join("pictures.tsv"), tables::pictures(&rows, &things).as_bytes())?;
    let wanted = Variants { count: args.palette_variants, seed: args.seed, size: args.size };
    if wanted.count > 0 {
        let variants = pictures::write_variants(&out, &things, &rows, wanted, interrupt)?;
        file(&out.join("variants.tsv"), tables::variants(&variants, &things).as_bytes())?;
        file(&out.join("captions/variants.tsv"), texts::captions(variants.iter(), &things).as_bytes())?;
    }
    for (name, part) in [("train", Part::Train), ("validation", Part::HeldPicture)] {
        let rows = rows.iter().filter(|row| row.part == part);
        file(&out.join(format!("captions/{name}.tsv")), texts::captions(rows, &things).as_bytes())?;
    }
    let (train, validation) = texts::documents(&things, &split, &sources.wordnet, args.seed, interrupt)?;
    file(&out.join("text/train.jsonl"), texts::lines(&train)?.as_bytes())?;
    file(&out.join("text/validation.jsonl"), texts::lines(&validation)?.as_bytes())?;
    file(&out.join("manifest.json"), b"{}\n")?;
    interrupt.check()?;
    Ok(format!("{} things, {} pictures", things.len(), rows.len()))
}
