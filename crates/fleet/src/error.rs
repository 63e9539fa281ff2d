//! What can go wrong with processes and proxies.

use std::{io, path::PathBuf};

/// Why a fleet or one of its members does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// There is no such program.
    #[error("{} is not there; build it with `cargo build --release -p {}`", program.display(), name(program))]
    Missing {
        /// Where it was looked for.
        program: PathBuf,
    },
    /// It did not become ready.
    #[error("{name} {how}; the end of {}:\n{words}", log.display())]
    NotReady {
        /// `language-1` and so on.
        name: String,
        /// `ended`, or how long was waited.
        how: String,
        /// Where it logs.
        log: PathBuf,
        /// The last lines there.
        words: String,
    },
    /// It does not run.
    #[error("{name} does not run")]
    Down {
        /// `language-1` and so on.
        name: String,
    },
    /// The plan asks for no replica at all.
    #[error("a fleet needs 1 … 16 replicas of each service, not {got}")]
    Replicas {
        /// What it asks for.
        got: usize,
    },
    /// The system refused.
    #[error("{what}: {source}")]
    System {
        /// What was to be done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl FleetError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

fn name(program: &std::path::Path) -> String {
    program.file_name().unwrap_or_default().display().to_string()
}
