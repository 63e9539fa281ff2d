//! A server's command line, and the reference that is made of it: each flag, its key in the file, its default, its meaning.

use std::{env, fmt::Write, process};

use clap::{Arg, Command};

/// Asks a server for its part of the reference. For the book of `docs/`, not for people.
const FLAG: &str = "--print-config-reference";

/// The command line that this process was given. It ends here if it is wrong, or asks for help or for the reference.
pub fn arguments<A: clap::Parser>() -> A {
    if env::args_os().nth(1).is_some_and(|word| word == FLAG) {
        print!("{}", reference(&A::command()));
        process::exit(0);
    }
    A::parse()
}

/// The settings of a server as a table in Markdown.
fn reference(command: &Command) -> String {
    let mut out = format!("## {}\n\n", command.get_name());
    if let Some(about) = command.get_about() {
        let _ = writeln!(out, "{about}.\n");
    }
    out += "| flag | key in the file | default | meaning |\n|---|---|---|---|\n";
    let settings = command.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "config");
    for arg in settings {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let (meaning, default) = split(&help);
        let key = arg.get_id().as_str();
        let _ = writeln!(out, "| `{}` | `{key}` | {} | {} |", flag(arg), cell(default), cell(meaning));
    }
    out
}

fn flag(arg: &Arg) -> String {
    let mut flag = format!("--{}", arg.get_long().unwrap_or_default());
    let value = arg.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
    let may_lack = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    match value {
        Some(value) if may_lack => flag += &format!("[={value}]"),
        Some(value) => flag += &format!(" {value}"),
        None => {}
    }
    cell(&flag)
}

/// The help, and the default that it tells at its end.
fn split(help: &str) -> (&str, &str) {
    let told =
        help.rsplit_once(" [default: ").and_then(|(meaning, rest)| Some((meaning, rest.strip_suffix(']')?)));
    told.unwrap_or((help, ""))
}

/// A text within one cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::settings::ServingSettings;

    /// Serves tests.
    #[derive(clap::Parser)]
    #[command(name = "fondue-test")]
    struct Args {
        /// The file.
        #[arg(long)]
        config: Option<String>,
        #[command(flatten)]
        serving: ServingSettings,
        /// Off or on [default: off].
        #[arg(long, value_name = "off|on")]
        ret_mode: Option<String>,
    }

    #[test]
    fn each_setting_is_a_row_and_the_file_itself_is_none() {
        let text = reference(&Args::command());
        assert!(text.starts_with("## fondue-test\n\nServes tests.\n\n| flag |"), "{text}");
        assert!(text.contains("| `--ret-mode off\\|on` | `ret_mode` | off | Off or on |\n"), "{text}");
        assert!(text.contains("| `--stop-with-stdin[=BOOL]` | `stop_with_stdin` |"), "{text}");
        assert!(
            text.contains("| `--max-message-bytes BYTES` | `max_message_bytes` | 33554432 | Bytes"),
            "{text}"
        );
        assert!(!text.contains("--config"), "{text}");
    }
}
