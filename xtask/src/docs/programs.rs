//! The references of configuration and command line: what the built programs themselves say of their flags.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};

use super::Page;

const SERVERS: [&str; 4] = ["gateway", "vision", "language", "retrieval"];

/// Programs for people, as their names are typed, and what of them is told elsewhere.
const PROGRAMS: [(&str, &str, &[&str]); 8] = [
    ("fondue", "fondue", &[]),
    ("fondue index", "fondue-index", &["bench"]),
    ("fondue model", "fondue-model", &[]),
    ("fondue drawings", "fondue-drawings", &[]),
    ("fondue corpus", "fondue-corpus", &[]),
    ("fondue train", "fondue-train", &[]),
    ("fondue evaluate", "fondue-evaluate", &[]),
    ("fondue bench", "fondue-bench", &[]),
];

const CONFIGURATION: &str = "\
# Configuration

Each server takes flags, or a TOML file with the same names (`--config FILE`), or both: flags win. In the file a name has \
underscores where the flag has dashes; what can be given again is a list there. A key that does not exist, or a value of the wrong type or out of its range, ends the \
server at once with a message that names it. A server reads its settings once, when it starts.

```toml
# gateway.toml, for: fondue-gateway --config gateway.toml
listen = \"0.0.0.0:7400\"
api_keys = \"keys.toml\"
language = \"http://gpu-1:7402\"
ret_bias = 2.0
```

This page is made from the programs themselves. [Tuning](../tuning.md) tells which settings matter, and when.

";

const COMMANDS: &str = "\
# Command line

What `--help` prints, of every program for people. This page is made from the programs themselves; \
[Command line](../guides/command-line.md) tells how they are used, and [Configuration](configuration.md) has the servers' flags.

";

/// The pages, asked of the programs in `bin`.
pub(super) fn pages(bin: &Path) -> Result<Vec<Page>> {
    let mut configuration = CONFIGURATION.to_owned();
    for server in SERVERS {
        configuration += &said(bin, &format!("fondue-{server}"), &["--print-config-reference"])?;
        configuration += "\n";
    }
    let mut commands = COMMANDS.to_owned();
    for (typed, program, elsewhere) in PROGRAMS {
        command(bin, typed, program, &mut Vec::new(), elsewhere, &mut commands)?;
    }
    command(
        bin,
        "fondue-retrieval load",
        "fondue-retrieval",
        &mut vec!["load".to_owned()],
        &[],
        &mut commands,
    )?;
    let page =
        |name: &str, text: String| Page { name: name.to_owned(), text: text.trim_end().to_owned() + "\n" };
    Ok(vec![page("reference/configuration.md", configuration), page("reference/command-line.md", commands)])
}

/// Adds the help of a command and of all its subcommands.
fn command(
    bin: &Path,
    typed: &str,
    program: &str,
    words: &mut Vec<String>,
    elsewhere: &[&str],
    out: &mut String,
) -> Result<()> {
    let flags: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = said(bin, program, &flags)?;
    let level = if words.is_empty() { "##" } else { "###" };
    *out += &format!("{level} {typed}\n\n```text\n{}\n```\n\n", help.trim_end());
    for name in subcommands(&help) {
        let typed = format!("{typed} {name}");
        // A program of its own has its own part of the page.
        let own = PROGRAMS.iter().any(|(whole, ..)| *whole == typed);
        if !own && !elsewhere.contains(&name.as_str()) {
            words.push(name);
            command(bin, &typed, program, words, &[], out)?;
            words.pop();
        }
    }
    Ok(())
}

/// The names below `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        // Deeper lines go on with what was said before.
        let name = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?;
        name.split(' ').next().map(str::to_owned)
    });
    names.filter(|name| name != "help").collect()
}

/// What a program prints: as wide on every machine, and whatever the environment says.
fn said(bin: &Path, program: &str, words: &[&str]) -> Result<String> {
    let mut command = Command::new(bin.join(program));
    command.args(words).env_clear().env("COLUMNS", "100");
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("{program} could not be started; is it built?"))?;
    ensure!(status.success(), "{program} {} failed: {}", words.join(" "), String::from_utf8_lossy(&stderr));
    // Blanks at the ends of lines are nothing that a page should have.
    let text = String::from_utf8(stdout)?;
    Ok(text.lines().map(|line| line.trim_end().to_owned() + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subcommands_are_those_of_their_list() {
        let help = "About.\n\nCommands:\n  up    Start\n          more\n  say   Ask\n  help  This\n\nOptions:\n  -h  Help\n";
        assert_eq!(subcommands(help), ["up", "say"]);
        assert_eq!(subcommands("Usage: x\n"), [""; 0]);
    }
}
