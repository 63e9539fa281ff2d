//! Writes a model as safetensors: tensor by tensor, beside the place where it is to be, and there at once when whole.

mod configs;
mod dtype;
mod plan;
mod publish;
mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use fondue_domain::TokenId;
use fondue_model::{
    ModelError, Tokenizer, VisionTower, fingerprint,
    mapping::Mapping,
    opt::Opt,
    weights::{Survey, Weights},
};
use fondue_terminal::{interrupt::Interrupt, output, progress};

use self::{dtype::Target, write::Writing};
use crate::{
    check,
    parts::{self, Kind, Place},
    print,
};

const EXAMPLES: &str = "\
Examples:
  fondue model convert my-model --out compact --dtype bf16
  fondue model convert opt-6.7b clip-vit-large-patch14 fromage_model --out fromage-6.7b
  fondue model convert opt-6.7b --out opt-f16 --dtype f16 --shard-bytes 2000000000

OUT gets opt/, clip/ and fromage/, those of them that there are parts for. Of CLIP only the vision tower is written, of \
a training checkpoint only the mapping layers and the row of [RET]. The mapping layers' bytes are part of what an index \
knows its model by: build indexes anew for a converted model.";

/// Convert a model.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// A model folder, or folders of its parts.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Folder to write; it must not be there yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Precision of all tensors; `keep` is what each has.
    #[arg(long, value_enum, default_value_t = Target::Keep)]
    dtype: Target,
    /// Write shards of at most this many bytes where a part is larger.
    #[arg(long, value_name = "BYTES", default_value_t = 5_000_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    shard_bytes: u64,
    /// Replace OUT, if it holds nothing but such a model.
    #[arg(long)]
    force: bool,
}

/// Converts, or leaves everything as it was.
pub(crate) fn run(args: &ConvertArgs) -> Result<()> {
    let interrupt = Interrupt::listen("nothing was written").context("listening for Ctrl-C")?;
    interrupt.begin()?;
    let places = checked(&args.folders)?;
    publish::may_write(&args.out, args.force, &places)?;
    let stage = publish::stage(&args.out)?;
    let mut surveys = Vec::with_capacity(places.len());
    let ret = places.iter().find(|place| place.kind == Kind::Opt);
    let ret = ret.map(|place| Tokenizer::load(&place.folder)).transpose()?.map(|tokenizer| tokenizer.ret());
    for place in &places {
        surveys.push(survey(place.kind, &place.folder, ret)?);
    }
    let total = surveys.iter().flat_map(|survey| &survey.found).map(|found| found.stored.bytes).sum();
    let bar = progress::bytes(total, "writing");
    for (place, survey) in places.iter().zip(&surveys) {
        let part = stage.path().join(place.kind.folder());
        fs::create_dir(&part)?;
        let weights = match place.kind {
            Kind::Fromage => Weights::look_mapping(&place.folder),
            Kind::Opt | Kind::Clip => Weights::look(&place.folder),
        }?;
        configs::write(place, &part, args.dtype)?;
        let shard_bytes = if place.kind == Kind::Fromage { u64::MAX } else { args.shard_bytes };
        let plan = plan::plan(place.kind, survey, args.dtype, shard_bytes);
        let from = &place.folder;
        Writing { weights: &weights, from, interrupt: &interrupt, bar: &bar }.all(&part, &plan)?;
        // What was written is looked at as the services will.
        let result = self::survey(place.kind, &part, ret)?;
        ensure!(
            result.is_complete() && result.found.len() == survey.found.len(),
            "what was written is not whole"
        );
    }
    bar.finish_and_clear();
    interrupt.check()?; // the last time
    publish::publish(stage, &args.out, args.force)?;
    tell(args, &places, &surveys)
}

/// The parts, each of them known to be good, and at most one of a kind.
fn checked(folders: &[PathBuf]) -> Result<Vec<Place>> {
    let (places, _) = parts::find(folders);
    for pair in places.windows(2) {
        if pair[0].kind == pair[1].kind {
            let (one, other) = (pair[0].folder.display(), pair[1].folder.display());
            bail!("{one} and {other} are both {}; name one of each kind", pair[0].kind);
        }
    }
    let report = check::check(folders, true);
    if !report.ok {
        eprint!("{}", print::text(&report, false));
        bail!("what has faults is not converted");
    }
    Ok(places)
}

fn survey(kind: Kind, folder: &Path, ret: Option<TokenId>) -> Result<Survey, ModelError> {
    match kind {
        Kind::Opt => Opt::survey(folder),
        Kind::Clip => VisionTower::survey(folder),
        Kind::Fromage => Mapping::survey(folder, None, ret),
    }
}

fn tell(args: &ConvertArgs, places: &[Place], surveys: &[Survey]) -> Result<()> {
    let mut text = String::new();
    for (place, before) in places.iter().zip(surveys) {
        let folder = args.out.join(place.kind.folder());
        let after = survey(place.kind, &folder, None)?;
        let bytes = |survey: &Survey| print::size(survey.files.iter().map(|file| file.bytes).sum());
        text += &format!(
            "{}: {} tensors, {} in {} → {} in {}\n",
            place.kind,
            after.found.len(),
            bytes(before),
            place.folder.display(),
            bytes(&after),
            folder.display()
        );
    }
    let of = |kind: Kind| places.iter().any(|place| place.kind == kind);
    if of(Kind::Opt) && of(Kind::Fromage) {
        let fingerprint = fingerprint::language(&args.out.join("opt"), &args.out.join("fromage"))?;
        text += &format!(
            "fingerprint {fingerprint}: indexes that were built with the original are not this model's\n"
        );
    }
    output::print(&text).with_context(|| format!("{} is written", args.out.display()))
}
