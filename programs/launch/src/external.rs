//! `fondue NAME`: becomes the program `fondue-NAME` beside this one, as git does.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, anyhow};

use crate::{cli::BUILT_IN, exit};

/// The programs that people run, and what for.
const KNOWN: [(&str, &str); 7] = [
    ("index", "Build, import, search, change and check indexes of pictures"),
    ("model", "Check, convert and describe a model's files"),
    ("train", "Fit a model's mapping layers"),
    ("evaluate", "Measure a model and an index"),
    ("drawings", "Draw a gallery of pictures to begin with"),
    ("corpus", "Make a captioned corpus of drawings and texts"),
    ("bench", "Measure the services beside other implementations"),
];

/// The known programs that lie beside this one.
pub(crate) fn programs() -> Vec<(&'static str, &'static str)> {
    let Ok(folder) = beside() else { return Vec::new() };
    KNOWN.into_iter().filter(|(name, _)| is_program(&folder.join(program_name(OsStr::new(name))))).collect()
}

/// Whether a word of the command line names another program than this.
pub(crate) fn is_meant(word: &OsStr) -> bool {
    !word.as_encoded_bytes().starts_with(b"-") && !BUILT_IN.iter().any(|name| *name == word)
}

/// Turns this process into `fondue-NAME` with the remaining words; comes back only on failure.
pub(crate) fn exec(words: &[OsString]) -> Result<()> {
    let (name, rest) = words.split_first().context("no command is named; see `fondue --help`")?;
    let folder = beside()?;
    let program = folder.join(program_name(name));
    let plain = Path::new(name).file_name() == Some(name); // no way to other folders
    if !plain || !is_program(&program) {
        return Err(exit::wrong(anyhow!(unknown(name, &folder))));
    }
    let error = Command::new(&program).args(rest).exec();
    Err(anyhow!(error).context(format!("running {}", program.display())))
}

/// The folder that this program lies in, where its companions are looked for.
pub(crate) fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program's own place")?;
    Ok(own.parent().context("this program lies in no folder")?.to_owned())
}

/// Whether a file is there that may be run.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn program_name(name: &OsStr) -> OsString {
    let mut program = OsString::from("fondue-");
    program.push(name);
    program
}

fn unknown(name: &OsStr, folder: &Path) -> String {
    let others = companions(folder);
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    format!(
        "there is no command `{}`: it is not built in ({}), and fondue-{} is not in {}, which holds: {others}",
        name.display(),
        BUILT_IN.join(", "),
        name.display(),
        folder.display(),
    )
}

/// Names of the programs `fondue-NAME` in `folder`, sorted.
fn companions(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| is_program(path));
    let mut names: Vec<_> = paths
        .filter_map(|path| Some(path.file_name()?.to_str()?.strip_prefix("fondue-")?.to_owned()))
        .filter(|name| !name.contains('.'))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_programs_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("fondue-index", 0o755), ("fondue-index.d", 0o644), ("cargo", 0o755)] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(companions(folder.path()), ["index"]);
        let text = unknown(OsStr::new("tarin"), folder.path());
        assert!(text.contains("`tarin`") && text.contains("chat") && text.contains("index"), "{text}");
    }

    #[test]
    fn built_in_names_and_flags_are_not_other_programs() {
        assert!(is_meant(OsStr::new("index")) && is_meant(OsStr::new("tarin")));
        assert!(
            !is_meant(OsStr::new("chat")) && !is_meant(OsStr::new("help")) && !is_meant(OsStr::new("--help"))
        );
    }

    #[test]
    fn never_leaves_its_folder() {
        let error = exec(&["../index".into()]).unwrap_err();
        assert!(error.to_string().contains("no command `../index`"), "{error}");
    }
}
