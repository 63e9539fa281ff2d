//! The command line as a whole.

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{chat, demo, external, key, pages, say, up};

const EXAMPLES: &str = "\
Start here:
  fondue up                                       start the four services; Ctrl-C stops them
  fondue chat                                     talk to them, in a second terminal
  fondue say --text 'Show me a red apple.'        one question, one answer
  fondue say --image cat.png --text 'Another like this?'

Without anything running:
  fondue demo --model assets/model --index .fondue/index --drawings .fondue/drawings

Any other `fondue NAME …` runs the program fondue-NAME that lies beside fondue:
  fondue drawings .fondue/drawings
  fondue index build --pictures .fondue/drawings --model assets/model --index .fondue/index
  fondue model check assets/model
  fondue bench --quick
`fondue COMMAND --help` has more examples.";

/// Talk with a model that reads pictures, writes text and finds pictures.
#[derive(Debug, Parser)]
#[command(name = "fondue", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start vision, language, retrieval and the gateway on this machine.
    Up(up::Args),
    /// Start the services, hold a scripted dialogue with pictures, stop them.
    Demo(demo::Args),
    /// One turn: ask, print the answer as it comes, leave.
    Say(say::Args),
    /// A conversation of many turns.
    Chat(chat::Args),
    /// Make keys for a gateway that asks who calls.
    Key(key::Args),
    /// Print a shell's completions.
    Completions(pages::CompletionsArgs),
    /// Print the manual, or write all its pages.
    Man(pages::ManArgs),
}

/// Names of the commands that are built in.
pub(crate) const BUILT_IN: [&str; 8] = ["up", "demo", "say", "chat", "key", "completions", "man", "help"];

impl Cli {
    /// Reads this process's command line; ends the process if it is wrong or asks for help.
    pub(crate) fn read() -> Self {
        let matches = whole().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command line with the programs beside this one, which appear in help, completions and manual as commands.
pub(crate) fn whole() -> clap::Command {
    let programs = external::programs().into_iter().map(|(name, about)| {
        let words = clap::Arg::new("words").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
        let words = words.value_name("…").help("As `--help` of the program tells");
        clap::Command::new(name).about(about).disable_help_flag(true).arg(words)
    });
    Cli::command().subcommands(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        whole().debug_assert();
        let names: Vec<_> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        assert_eq!([&*names, &["help".to_owned()]].concat(), BUILT_IN);
    }

    #[test]
    fn every_command_has_examples_in_its_long_help() {
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  fondue "), "{help}");
        }
    }

    #[test]
    fn the_old_name_of_a_flag_still_works() {
        assert!(Cli::try_parse_from(["fondue", "chat", "--show", "none"]).is_ok());
        assert!(Cli::try_parse_from(["fondue", "chat", "--pictures", "sixel"]).is_ok());
        assert!(Cli::try_parse_from(["fondue", "say", "x", "--filter", "year"]).is_err());
    }
}
