//! `fondue completions` and `fondue man`: what shells and `man` read of the command line.

use std::{
    fs,
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{cli, exit};

const COMPLETIONS: &str = "\
Examples:
  fondue completions bash > ~/.local/share/bash-completion/completions/fondue
  fondue completions zsh > ~/.zfunc/_fondue           with `fpath+=~/.zfunc` before compinit
  fondue completions fish > ~/.config/fish/completions/fondue.fish
  fondue completions powershell >> $PROFILE
  source <(fondue completions bash)                   for this shell alone";

const MAN: &str = "\
Examples:
  fondue man | man -l -                               the first page
  fondue man chat | man -l -                          that of a command
  fondue man --out ~/.local/share/man/man1            all pages; then `man fondue-chat`";

/// Options of `fondue completions`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Options of `fondue man`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MAN)]
pub(crate) struct ManArgs {
    /// The command whose page to print [default: fondue itself].
    command: Option<String>,
    /// Write all pages into this folder, which is made, instead of printing one.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out: Option<PathBuf>,
}

/// Prints a shell's completions.
pub(crate) fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new(); // for the generator panics where stdout does
    clap_complete::generate(args.shell, &mut cli::whole(), "fondue", &mut script);
    stdout().write_all(&script).context("printing")
}

/// Prints or writes manual pages.
pub(crate) fn man(args: &ManArgs) -> Result<()> {
    if let Some(folder) = &args.out {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        return clap_mangen::generate_to(cli::whole(), folder)
            .with_context(|| format!("writing pages into {}", folder.display()));
    }
    let mut whole = cli::whole();
    whole.build();
    let command = match &args.command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            let full = format!("fondue-{name}");
            found.ok_or_else(|| exit::wrong(anyhow!("there is no command `{name}`")))?.display_name(full)
        }
    };
    let mut page = Vec::new();
    Man::new(command).render(&mut page).context("making the page")?;
    stdout().write_all(&page).context("printing")
}
