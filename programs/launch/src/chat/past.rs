//! Where what was typed is kept, so that the arrow keys find it again.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// Whether and where; the XDG base directory specification names the folder.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct PastArgs {
    /// Keep nothing of what is typed (else: fondue/chat_history in XDG_STATE_HOME, for the owner's eyes alone).
    #[arg(long)]
    no_history_file: bool,
    #[arg(long, hide = true, env = "XDG_STATE_HOME")]
    xdg_state_home: Option<PathBuf>,
    #[arg(long, hide = true, env = "HOME")]
    home: Option<PathBuf>,
}

impl PastArgs {
    /// The home folder, which `~/` stands for in paths.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    /// The file; its folder is made. None if there is no place for it.
    pub(super) fn file(&self) -> Option<PathBuf> {
        if self.no_history_file {
            return None;
        }
        let given = self.xdg_state_home.as_deref().filter(|folder| folder.is_absolute());
        let usual =
            || self.home.as_deref().filter(|home| home.is_absolute()).map(|home| home.join(".local/state"));
        let folder = given.map(Path::to_owned).or_else(usual)?.join("fondue");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
        Some(folder.join("chat_history"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lies_in_the_state_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| Some(root.path().join(name));
        let args = PastArgs { home: path("me"), ..PastArgs::default() };
        assert_eq!(args.file(), path("me/.local/state/fondue/chat_history"));
        let args = PastArgs { xdg_state_home: path("state"), ..args };
        assert_eq!(args.file(), path("state/fondue/chat_history"));
        let args = PastArgs { xdg_state_home: Some("relative".into()), ..args };
        assert_eq!(args.file(), path("me/.local/state/fondue/chat_history"));
        assert_eq!(PastArgs { no_history_file: true, ..args }.file(), None);
        assert_eq!(PastArgs::default().file(), None);
    }
}
