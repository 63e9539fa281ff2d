//! `manifest.json`: what the corpus was made of, and what is in it. A folder that has one is a whole corpus.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::{
    Args,
    sources::{Kind, PACKAGES, Package},
};

/// The name of the file.
pub(crate) const MANIFEST: &str = "manifest.json";

/// The version of the layout; another one is another number.
const FORMAT: u32 = 1;

/// How much there is of each.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Counts {
    pub(crate) things: usize,
    pub(crate) pictures: usize,
    pub(crate) documents: usize,
    pub(crate) validation_documents: usize,
    pub(crate) stories: usize,
    pub(crate) dialogs: usize,
}

#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    seed: u64,
    size: u32,
    palette_variants: u32,
    sources: Vec<Source>,
    counts: Counts,
    sha256: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Source {
    name: &'static str,
    version: &'static str,
    licence: &'static str,
    kind: Kind,
    #[serde(skip_serializing_if = "str::is_empty")]
    style: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sha256: &'static str,
}

/// The file's text.
pub(crate) fn text(args: &Args, counts: Counts, sha256: &BTreeMap<String, String>) -> Result<String> {
    let source = |package: &&Package| Source {
        name: package.name,
        version: package.version,
        licence: package.licence,
        kind: package.kind,
        style: package.style,
        sha256: package.sha256,
    };
    let manifest = Manifest {
        format: FORMAT,
        seed: args.seed,
        size: args.size,
        palette_variants: args.palette_variants,
        sources: PACKAGES.iter().map(source).collect(),
        counts,
        sha256,
    };
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}
