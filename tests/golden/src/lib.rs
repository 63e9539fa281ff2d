//! Reference vectors: where they lie, how they are read, how near is near enough.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use fondue_domain::TokenId;
use fondue_model::{LanguageModel, Placement, VisionTower, weights::unwatched};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// One folder of reference vectors.
pub struct Golden {
    /// Where it lies.
    pub folder: PathBuf,
    expected: Vec<u8>,
    facts: Value,
}

impl Golden {
    /// Every subfolder of `FONDUE_GOLDEN`, or of the project's own copies.
    ///
    /// # Errors
    /// If there is none, or one cannot be read: a check of nothing must not pass.
    pub fn all() -> Result<Vec<Self>> {
        // The environment is how a test runner is told anything.
        #[allow(clippy::disallowed_methods)]
        let root = env::var_os("FONDUE_GOLDEN")
            .map(PathBuf::from)
            .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("data"));
        let mut folders = Vec::new();
        for entry in
            fs::read_dir(&root).with_context(|| format!("reference vectors in {}", root.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(Self::open(path)?);
            }
        }
        ensure!(!folders.is_empty(), "{} holds no folder of reference vectors", root.display());
        Ok(folders)
    }

    fn open(folder: PathBuf) -> Result<Self> {
        let expected = folder.join("expected.safetensors");
        let facts = folder.join("expected.json");
        Ok(Self {
            expected: fs::read(&expected).with_context(|| expected.display().to_string())?,
            facts: serde_json::from_slice(&fs::read(&facts).with_context(|| facts.display().to_string())?)?,
            folder,
        })
    }

    /// A number of `expected.json`.
    ///
    /// # Errors
    /// If it is missing.
    pub fn fact(&self, name: &str) -> Result<u64> {
        self.facts[name].as_u64().with_context(|| format!("{}: no number `{name}`", self.folder.display()))
    }

    /// A token of `expected.json`.
    ///
    /// # Errors
    /// If it is missing.
    pub fn token(&self, name: &str) -> Result<TokenId> {
        Ok(TokenId(u32::try_from(self.fact(name)?)?))
    }

    /// The pictures that the vectors were made from, in order.
    pub fn pictures(&self) -> Vec<PathBuf> {
        let names = self.facts["images"].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(|name| self.folder.join("images").join(name)).collect()
    }

    /// Whether a tensor is among the expected.
    pub fn has(&self, name: &str) -> bool {
        SafeTensors::deserialize(&self.expected).is_ok_and(|all| all.tensor(name).is_ok())
    }

    /// An expected f32 tensor, flat.
    ///
    /// # Errors
    /// If it is missing or of another type.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let (dtype, data) = self.tensor(name)?;
        ensure!(dtype == Dtype::F32, "`{name}` is {dtype:?}, expected F32");
        Ok(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// An expected i64 tensor, flat.
    ///
    /// # Errors
    /// If it is missing or of another type.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let (dtype, data) = self.tensor(name)?;
        ensure!(dtype == Dtype::I64, "`{name}` is {dtype:?}, expected I64");
        Ok(data
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
            .collect())
    }

    fn tensor(&self, name: &str) -> Result<(Dtype, Vec<u8>)> {
        let all = SafeTensors::deserialize(&self.expected)?;
        let view = all.tensor(name).with_context(|| format!("{}: `{name}`", self.folder.display()))?;
        Ok((view.dtype(), view.data().to_vec()))
    }

    /// The language model of this folder, once from each form that its files are there in.
    ///
    /// # Errors
    /// If one does not load.
    pub fn languages(&self) -> Result<Vec<LanguageModel>> {
        let ret = self.token("ret_token")?;
        let fromage = self.folder.join("fromage");
        let mut models = Vec::new();
        for opt in ["opt", "opt_bin"].map(|name| self.folder.join(name)) {
            for mapping in ["mapping.safetensors", "pretrained_ckpt.pth.tar"] {
                if !opt.exists() || !fromage.join(mapping).exists() {
                    continue;
                }
                // A folder of its own, so that this form is the one that is found.
                let alone = tempfile::tempdir()?;
                for name in [mapping, "model_args.json"] {
                    fs::copy(fromage.join(name), alone.path().join(name))?;
                }
                let model = LanguageModel::load(&opt, alone.path(), ret, Placement::CPU_F32, &unwatched);
                models.push(model.with_context(|| format!("{} with {mapping}", opt.display()))?);
            }
        }
        ensure!(!models.is_empty(), "{} holds no language model", self.folder.display());
        Ok(models)
    }

    /// The vision tower of this folder.
    ///
    /// # Errors
    /// If it does not load.
    pub fn vision(&self) -> Result<VisionTower> {
        Ok(VisionTower::load(&self.folder.join("clip"), Placement::CPU_F32, &unwatched)?)
    }

    /// Compares with an expected f32 tensor: the largest difference is at most 1e-4 of its largest value.
    ///
    /// # Errors
    /// If lengths differ, or values by more.
    pub fn near(&self, name: &str, got: &[f32]) -> Result<()> {
        let expected = self.floats(name)?;
        ensure!(got.len() == expected.len(), "{name}: {} values, expected {}", got.len(), expected.len());
        let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
        for (n, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let difference = (got - expected).abs();
            if difference > 1e-4 * largest || difference.is_nan() {
                bail!("{}: {name}[{n}] is {got}, expected {expected}", self.folder.display());
            }
        }
        Ok(())
    }
}
