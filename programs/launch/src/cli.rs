//! The command line as a whole.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use crate::{chat, demo, say, up};

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
    /// A program beside this one.
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

/// Names of the commands that are built in.
pub(crate) const BUILT_IN: [&str; 4] = ["up", "demo", "say", "chat"];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let names: Vec<_> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        assert_eq!(names, BUILT_IN);
    }

    #[test]
    fn unknown_names_keep_their_words() {
        let cli = Cli::try_parse_from(["fondue", "index", "build", "--pictures", "x"]).unwrap();
        let Command::External(words) = cli.command else { panic!("{:?}", cli.command) };
        assert_eq!(words, ["index", "build", "--pictures", "x"]);
    }
}
