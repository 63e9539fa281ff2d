//! What a look at a model's files found, without reading them.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use super::source::Entry;

/// The outcome of a look.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The files that were opened.
    pub files: Vec<PathBuf>,
    /// Tensors that the model has and the files hold in the right shape.
    pub good: usize,
    /// What is missing or of the wrong shape.
    pub faults: Vec<String>,
    /// Tensors of the files that the model does not have, sorted.
    pub unexpected: Vec<String>,
    /// Elements of the good ones.
    pub parameters: u64,
    wanted: BTreeSet<String>,
    wrong: BTreeSet<String>,
}

impl Survey {
    pub(super) fn note(&mut self, name: String, fault: Option<String>) {
        if let Some(fault) = fault {
            self.wrong.insert(name.clone());
            self.faults.push(fault);
        }
        self.wanted.insert(name);
    }

    pub(super) fn complete(mut self, files: Vec<PathBuf>, entries: &HashMap<String, Entry>) -> Self {
        self.files = files;
        let good = self.wanted.difference(&self.wrong).filter_map(|name| entries.get(name));
        let sizes: Vec<u64> = good.map(|entry| entry.shape.iter().map(|&n| n as u64).product()).collect();
        (self.good, self.parameters) = (sizes.len(), sizes.iter().sum());
        self.unexpected = entries.keys().filter(|name| !self.wanted.contains(*name)).cloned().collect();
        self.unexpected.sort();
        self
    }
}
