//! Which parts of a model a folder holds, told by what lies in it.

use std::{
    fmt,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::report::Fault;

/// A part of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Opt,
    Clip,
    Fromage,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Opt, Self::Clip, Self::Fromage];

    /// Its folder in a model folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Opt => "opt",
            Self::Clip => "clip",
            Self::Fromage => "fromage",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder())
    }
}

/// A part and where it lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) folder: PathBuf,
}

/// Files that only a folder of mapping layers has.
const FROMAGE: [&str; 5] = [
    "model_args.json",
    "mapping.safetensors",
    "pretrained_ckpt.pth.tar",
    "ckpt_best.pth.tar",
    "ckpt.pth.tar",
];

/// Finds the parts in the folders, in the order OPT, CLIP, mapping layers.
pub(crate) fn find(folders: &[PathBuf]) -> (Vec<Place>, Vec<Fault>) {
    let (mut places, mut faults) = (Vec::new(), Vec::new());
    for folder in folders {
        if let Err(error) = fs::read_dir(folder) {
            let what = format!("it cannot be read as a folder: {error}");
            faults.push(Fault::new(folder, what, "name a folder that holds a model, or one of its parts"));
            continue;
        }
        let inside: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| folder.join(kind.folder()).is_dir()).collect();
        if !inside.is_empty() {
            for kind in Kind::ALL {
                let part = folder.join(kind.folder());
                if inside.contains(&kind) {
                    places.push(Place { kind, folder: part });
                } else {
                    let remedy = "a model folder holds opt/, clip/ and fromage/; put the missing one there, or name \
                                  its own folder beside the others";
                    if !named(folders, kind) {
                        faults.push(Fault::new(
                            &part,
                            format!("the model folder lacks its part {kind}"),
                            remedy,
                        ));
                    }
                }
            }
        } else {
            match kind(folder) {
                Ok(kind) => places.push(Place { kind, folder: folder.clone() }),
                Err(fault) => faults.push(fault),
            }
        }
    }
    places.sort_by_key(|place| place.kind);
    (places, faults)
}

/// Whether one of the folders is by itself such a part.
fn named(folders: &[PathBuf], wanted: Kind) -> bool {
    folders.iter().any(|folder| {
        !Kind::ALL.iter().any(|kind| folder.join(kind.folder()).is_dir()) && kind(folder).ok() == Some(wanted)
    })
}

/// What tells configurations apart.
#[derive(Deserialize)]
struct Head {
    model_type: Option<serde_json::Value>,
    vision_config: Option<serde::de::IgnoredAny>,
    patch_size: Option<serde::de::IgnoredAny>,
    ffn_dim: Option<serde::de::IgnoredAny>,
}

fn kind(folder: &Path) -> Result<Kind, Fault> {
    if FROMAGE.iter().any(|name| folder.join(name).exists()) {
        return Ok(Kind::Fromage);
    }
    let path = folder.join("config.json");
    let remedy = "name Hugging Face's folder of OPT or CLIP, or one with model_args.json and mapping layers";
    let fault = |what: String| Fault::new(&path, what, remedy);
    let text =
        read_config(&path).map_err(|error| fault(format!("no part of a model is told by it: {error}")))?;
    let head: Head =
        serde_json::from_slice(&text).map_err(|error| fault(format!("no configuration: {error}")))?;
    match head.model_type.as_ref().and_then(|kind| kind.as_str()) {
        Some("opt") => Ok(Kind::Opt),
        Some(name) if name.starts_with("clip") => Ok(Kind::Clip),
        Some(name) => Err(fault(format!("model_type is `{name:.40}`, neither opt nor clip"))),
        None if head.vision_config.is_some() || head.patch_size.is_some() => Ok(Kind::Clip),
        None if head.ffn_dim.is_some() => Ok(Kind::Opt),
        None => Err(fault("it has no model_type, and is neither OPT's nor CLIP's by its keys".to_owned())),
    }
}

/// The text of a configuration, which has a few kilobytes.
pub(crate) fn read_config(path: &Path) -> std::io::Result<Vec<u8>> {
    const MAX: u64 = 1 << 20;
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX {
        return Err(std::io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}
