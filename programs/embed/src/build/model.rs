//! The vision tower and the mapping layers, in this process; the language model itself is not needed.

use std::path::Path;

use anyhow::{Result, bail};
use fondue_domain::Embedding;
use fondue_imaging::Preprocess;
use fondue_model::{
    Placement, Tokenizer, VisionTower, fingerprint, mapping::Mapping, opt::OptConfig, weights::unwatched,
};

/// Which model, and where it runs.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model folder: holds clip/, opt/ and fromage/.
    #[arg(long, value_name = "DIR", default_value = "assets/model")]
    pub(crate) model: std::path::PathBuf,
    /// Where the model runs: cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
    /// Precision of the model: f32, f16 or bf16.
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: String,
}

/// Pixels to embeddings.
pub(crate) struct Model {
    tower: VisionTower,
    mapping: Mapping,
}

/// Which model it is.
pub(crate) struct Identity {
    pub(crate) language: String,
    pub(crate) vision: String,
}

impl ModelArgs {
    pub(crate) fn identity(&self) -> Result<Identity> {
        let language = fingerprint::language(&self.model.join("opt"), &self.model.join("fromage"))?;
        Ok(Identity { language, vision: fingerprint::vision(&self.model.join("clip"))? })
    }

    pub(crate) fn preprocess(&self) -> Result<Preprocess> {
        Ok(Preprocess::from_file(&self.model.join("clip/preprocessor_config.json"))?)
    }

    pub(crate) fn placement(&self) -> Result<Placement> {
        Ok(Placement::on(Placement::device_from(&self.device)?, self.dtype.parse()?))
    }

    pub(crate) fn load(&self) -> Result<Model> {
        let placement = self.placement()?;
        let tower = VisionTower::load(&self.model.join("clip"), placement, &unwatched)?;
        let mapping = mapping(&self.model, placement)?;
        if mapping.feature_dim() != tower.feature_dim() {
            let (tower, mapping) = (tower.feature_dim(), mapping.feature_dim());
            bail!(
                "the vision tower gives {tower} features, the mapping layers take {mapping}: not of one model"
            );
        }
        Ok(Model { tower, mapping })
    }
}

fn mapping(model: &Path, placement: Placement) -> Result<Mapping> {
    let opt = model.join("opt");
    let (word_dim, ret) = (OptConfig::load(&opt)?.word_dim(), Tokenizer::load(&opt)?.ret());
    Ok(Mapping::load(&model.join("fromage"), word_dim, ret, placement, &unwatched)?)
}

impl Model {
    /// `pixels`: for each picture `[3, size, size]` → an embedding for each.
    pub(crate) fn embed(&self, pixels: &[Vec<f32>]) -> Result<Vec<Embedding>> {
        let features = self.tower.encode(pixels)?;
        // One by one: libtorch's results depend on the company, and which pictures come together is chance.
        let embeddings = features.chunks(1).map(|features| Ok(self.mapping.project(features)?));
        embeddings.collect::<Result<Vec<_>>>().map(|embeddings| embeddings.into_iter().flatten().collect())
    }
}
