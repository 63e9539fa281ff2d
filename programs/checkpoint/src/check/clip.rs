//! CLIP's vision tower: configuration, tensors, preprocessing.

use fondue_imaging::Preprocess;
use fondue_model::{VisionTower, fingerprint, vision::VisionConfig, weights::Weights};
use serde_json::Value;

use super::{Checked, tensors};
use crate::{parts::Place, report::Facts};

const AGAIN: &str = "download the folder of CLIP again, whole, from where it is published";
const PREPROCESSING: &str = "preprocessor_config.json";

pub(super) fn check(place: &Place, quick: bool) -> Checked {
    let mut checked = Checked::new(place);
    let folder = &place.folder;
    checked.file("config.json", "json");
    checked.file(PREPROCESSING, "json");
    let mut image_size = None;
    match VisionConfig::load(folder) {
        Ok(config) => {
            describe(&mut checked, &config);
            tensors::tell(&mut checked, VisionTower::survey(folder), AGAIN);
            checked.facts.feature_dim = Some(config.hidden_size);
            image_size = Some(config.image_size);
        }
        Err(error) => {
            checked.model_fault(&error, AGAIN);
            tensors::tell_opened(&mut checked, Weights::look(folder), AGAIN);
        }
    }
    preprocessing(&mut checked, image_size);
    if quick {
        checked.part.remarks.push("--quick: no fingerprint, which is one of all its files' bytes".to_owned());
    } else {
        checked.part.fingerprint = fingerprint::vision(folder).ok();
    }
    checked
}

fn describe(checked: &mut Checked, config: &VisionConfig) {
    let facts = &mut checked.part.architecture;
    facts.add("layers", config.num_hidden_layers);
    facts.add("width", config.hidden_size);
    facts.add("heads", config.num_attention_heads);
    facts.add("feed-forward width", config.intermediate_size);
    facts.add("image", config.image_size);
    facts.add("patch", config.patch_size);
    facts.add("positions", config.n_positions());
    facts.add("activation", config.hidden_act.as_str());
}

fn preprocessing(checked: &mut Checked, image_size: Option<i64>) {
    let path = checked.part.folder.join(PREPROCESSING);
    // To open a pipe would be to wait for its writer.
    if !path.is_file() {
        return checked.fault(&path, "it is missing", "put CLIP's own preprocessor_config.json there");
    }
    match Preprocess::from_file(&path) {
        Ok(found) => {
            let mut facts = Facts::default();
            facts.add("size", found.size);
            facts.add("mean", short(found.mean));
            facts.add("std", short(found.std));
            checked.part.preprocessing = Some(facts);
            if let Some(image) = image_size.filter(|&image| image != i64::from(found.size)) {
                let what = format!("pictures are made {} pixels wide, the tower takes {image}", found.size);
                checked.fault(&path, what, "config.json and preprocessor_config.json are of two models");
            }
        }
        Err(error) => checked.fault(&path, error, "put CLIP's own preprocessor_config.json there"),
    }
}

/// Numbers of 32 bits as they are written, not with the digits that they have in 64.
fn short(values: [f32; 3]) -> Vec<Value> {
    values.iter().map(|value| value.to_string().parse::<f64>().unwrap_or(f64::NAN).into()).collect()
}
