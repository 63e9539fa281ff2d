//! What to start: programs, flags, addresses.

use std::{ffi::OsString, path::PathBuf, str::FromStr};

use anyhow::{Result, ensure};

use super::ServiceArgs;
use crate::external;

const NAMES: [&str; 4] = ["gateway", "vision", "language", "retrieval"];
const FIRST_PORT: u16 = 7400;

/// One service as it will be started.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// `vision`, `language`, `retrieval` or `gateway`.
    pub(crate) name: &'static str,
    /// Its executable.
    pub(crate) program: PathBuf,
    /// `HOST:PORT`; port 0 takes a free one.
    pub(crate) listen: String,
    /// Its flags but for `--listen`.
    pub(crate) flags: Vec<OsString>,
    /// Where its stderr goes.
    pub(crate) log: PathBuf,
}

impl Plan {
    /// Every flag that a person gives it too.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec!["--listen".into(), OsString::from(&self.listen)];
        arguments.extend(self.flags.iter().cloned());
        arguments
    }

    /// The command that a person starts it with, quoted for a shell.
    pub(crate) fn command_line(&self) -> String {
        let program = self.program.display().to_string();
        let flags = self.arguments().into_iter().map(|flag| flag.display().to_string());
        let words: Vec<_> = std::iter::once(program).chain(flags).map(|word| quoted(&word)).collect();
        words.join(" ")
    }
}

/// Plans vision, language and retrieval, which need no other service.
pub(crate) fn leaves(args: &ServiceArgs, free_ports: bool) -> Result<Vec<Plan>> {
    let flags = [
        ("vision", "--model", args.model.join("clip")),
        ("language", "--model", args.model.clone()),
        ("retrieval", "--index", args.index()),
    ];
    let plan = |(name, flag, path): (_, &str, PathBuf)| {
        plan(args, name, vec![flag.into(), path.into_os_string()], free_ports)
    };
    flags.into_iter().map(plan).collect()
}

/// Plans the gateway, given the addresses (`HOST:PORT`) of vision, language and retrieval.
pub(crate) fn gateway(args: &ServiceArgs, leaves: &[String], free_ports: bool) -> Result<Plan> {
    let flags = ["--vision", "--language", "--retrieval"].into_iter().zip(leaves);
    let flags = flags.flat_map(|(flag, address)| [flag.into(), format!("http://{address}").into()]);
    plan(args, "gateway", flags.collect(), free_ports)
}

fn plan(args: &ServiceArgs, name: &'static str, mut flags: Vec<OsString>, free_ports: bool) -> Result<Plan> {
    let program = external::beside()?.join(format!("fondue-{name}"));
    ensure!(
        external::is_program(&program),
        "{} is not there; build it with `cargo build --release -p fondue-{name}`",
        program.display()
    );
    let place = (0..).zip(NAMES).find(|(_, each)| *each == name).map_or(0, |(place, _)| place);
    let port = if free_ports { 0 } else { FIRST_PORT + place };
    flags.extend(args.pass.iter().filter(|extra| extra.service == name).map(|extra| extra.flag.clone()));
    let log = logs(args).join(format!("{name}.log"));
    Ok(Plan { name, program, listen: format!("127.0.0.1:{port}"), flags, log })
}

/// A flag that is passed on to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extra {
    service: &'static str,
    flag: OsString,
}

impl FromStr for Extra {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, flag) = text.split_once('=').ok_or("must be SERVICE=FLAG")?;
        let service = NAMES.into_iter().find(|name| *name == service);
        let service = service.ok_or_else(|| format!("the services are {}", NAMES.join(", ")))?;
        Ok(Self { service, flag: flag.into() })
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The folder of the logs.
pub(crate) fn logs(args: &ServiceArgs) -> PathBuf {
    args.data.join("logs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_can_be_pasted() {
        let plan = Plan {
            name: "vision",
            program: "bin/fondue-vision".into(),
            listen: "127.0.0.1:7401".into(),
            flags: vec!["--model".into(), "it's here/clip".into()],
            log: PathBuf::new(),
        };
        assert_eq!(
            plan.command_line(),
            r"bin/fondue-vision --listen 127.0.0.1:7401 --model 'it'\''s here/clip'"
        );
    }

    #[test]
    fn extras_name_a_service() {
        let extra: Extra = "language=--weights=bf16".parse().unwrap();
        assert_eq!(extra, Extra { service: "language", flag: "--weights=bf16".into() });
        assert!("speech=--loud".parse::<Extra>().unwrap_err().contains("vision"));
        assert!("language".parse::<Extra>().is_err());
    }
}
