//! Single cases: what was shown and asked, what was right, what came.

use std::path::PathBuf;

use serde::Serialize;

/// Cases of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Examples {
    /// For machines.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    /// How many there are in all, if not all are listed.
    pub(crate) of: usize,
    pub(crate) rows: Vec<Example>,
}

/// One case.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Example {
    /// What the model was given.
    pub(crate) given: Vec<Shown>,
    /// What is right.
    pub(crate) right: Vec<Shown>,
    /// What the model said or found, the best first.
    pub(crate) got: Vec<Shown>,
    /// Where the right one stood, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<usize>,
}

/// A text or a picture.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shown {
    Text(String),
    Picture {
        /// Below the folder of pictures.
        path: PathBuf,
        /// What it shows.
        name: String,
    },
}

impl Shown {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// For where no pictures can be shown.
    pub(crate) fn words(shown: &[Self]) -> String {
        let words = |shown: &Self| match shown {
            Self::Text(text) => text.replace('\n', " ⏎ "),
            Self::Picture { path, name } => match path.parent().and_then(|folder| folder.file_name()) {
                Some(folder) => format!("[{name}, {}]", folder.display()),
                None => format!("[{name}]"),
            },
        };
        shown.iter().map(words).collect::<Vec<_>>().join("; ")
    }
}
