//! Reference vectors: where they lie, how they are read, how near is near enough.

mod forms;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use fondue_domain::TokenId;
use fondue_model::{LanguageModel, Placement, VisionTower, placement::set_threads, weights::unwatched};
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
        // Several tests run at once; more threads than cores only wait for each other.
        set_threads(1);
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

    /// Names of all tensors that are expected.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let all = SafeTensors::deserialize(&self.expected)?;
        Ok(all.names().into_iter().map(String::from).collect())
    }

    /// The language model of this folder from each form that its files are there in, and from each that they are published
    /// in, written anew: OPT whole and sharded, mapping layers compact, pruned and as training leaves them. Once more by
    /// libtorch.
    ///
    /// # Errors
    /// If one does not load.
    pub fn languages(&self) -> Result<Vec<LanguageModel>> {
        let made = forms::write(self)?;
        let ret = self.token("ret_token")?;
        let mut models = Vec::new();
        // Each form of one part with the first of the other: what is read does not depend on the other's form.
        let first = |folders: &[PathBuf]| folders.first().cloned();
        let (Some(opt), Some(mapping)) = (first(&made.opt), first(&made.mapping)) else {
            bail!("{} holds no language model", self.folder.display());
        };
        let others = made.mapping.iter().skip(1).map(|mapping| (&opt, mapping));
        let native = made.opt.iter().map(|opt| (opt, &mapping)).chain(others);
        let native = native.map(|(opt, mapping)| (opt, mapping, Placement::CPU_F32));
        // The other backend reads the same files by the same code.
        for (opt, mapping, at) in native.chain([(&opt, &mapping, Placement::TORCH_F32)]) {
            let model = LanguageModel::load(opt, mapping, ret, at, &unwatched);
            models.push(model.with_context(|| format!("{} with {}", opt.display(), mapping.display()))?);
        }
        Ok(models)
    }

    /// The language model of this folder from its files as they are there.
    ///
    /// # Errors
    /// If it does not load.
    pub fn language(&self, at: Placement) -> Result<LanguageModel> {
        let (opt, mapping) = (self.folder.join("opt"), self.folder.join("fromage"));
        Ok(LanguageModel::load(&opt, &mapping, self.token("ret_token")?, at, &unwatched)?)
    }

    /// The vision tower of this folder, from its file as it is there and from the other forms that it is published in. Once
    /// more by libtorch.
    ///
    /// # Errors
    /// If one does not load.
    pub fn visions(&self) -> Result<Vec<VisionTower>> {
        let made = forms::write(self)?;
        let load = |(folder, at): (&PathBuf, Placement)| {
            let tower = VisionTower::load(folder, at, &unwatched);
            tower.with_context(|| folder.display().to_string())
        };
        let native = made.clip.iter().map(|folder| (folder, Placement::CPU_F32));
        let torch = made.clip.iter().take(1).map(|folder| (folder, Placement::TORCH_F32));
        native.chain(torch).map(load).collect()
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
