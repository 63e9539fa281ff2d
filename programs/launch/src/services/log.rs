//! A service's log file and its last lines.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::terminal::visible_line;

const ROTATE_AT: u64 = 16 << 20;
const TAIL_BYTES: u64 = 16 << 10;
const TAIL_LINES: usize = 15;

/// Where one run of a service logs.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    from: u64, // what lies before belongs to earlier runs
}

impl Log {
    /// Opens the file to append, making its folder; a large one is put aside as `<name>.log.old` first.
    pub(crate) fn open(path: &Path) -> Result<(Self, File)> {
        let open = || -> std::io::Result<(Self, File)> {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            if fs::metadata(path).is_ok_and(|data| data.len() > ROTATE_AT) {
                fs::rename(path, path.with_extension("log.old"))?;
            }
            let file = File::options().create(true).append(true).open(path)?;
            let from = file.metadata()?.len();
            Ok((Self { path: path.to_owned(), from }, file))
        };
        open().with_context(|| format!("opening the log {}", path.display()))
    }

    /// The last lines of this run, indented; says so if there are none.
    pub(crate) fn tail(&self) -> String {
        let text = self.read().unwrap_or_default();
        let lines: Vec<_> = text.lines().filter(|line| !is_backtrace(line)).collect();
        let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        if last.is_empty() {
            return format!("  ({} holds nothing of this run)", self.path.display());
        }
        // A log tells what clients sent.
        let lines: Vec<_> = last.iter().map(|line| format!("  | {}", visible_line(line))).collect();
        format!("  the end of {}:\n{}", self.path.display(), lines.join("\n"))
    }

    fn read(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.from.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether a line belongs to a backtrace, which would push the message out of sight: `  12: name`, `  at file:3:4`.
fn is_backtrace(line: &str) -> bool {
    let words = line.trim_start();
    let frame = |(number, _): (&str, &str)| number.parse::<u32>().is_ok();
    let indented = line.starts_with(' ');
    indented && (words.starts_with("at ") || words.split_once(": ").is_some_and(frame))
        || words.to_ascii_lowercase().starts_with("stack backtrace:")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_is_of_this_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let (log, mut file) = Log::open(&path).unwrap();
        assert!(log.tail().contains("nothing of this run"));
        for line in 0..40 {
            writeln!(file, "first {line}").unwrap();
        }
        assert_eq!(log.tail().lines().count(), 1 + TAIL_LINES);
        let (log, mut file) = Log::open(&path).unwrap();
        writeln!(file, "second").unwrap();
        assert!(log.tail().ends_with(":\n  | second"), "{}", log.tail());
    }

    #[test]
    fn the_tail_commands_no_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let (log, mut file) = Log::open(&folder.path().join("a.log")).unwrap();
        writeln!(file, "said \u{1b}[2J").unwrap();
        assert!(log.tail().ends_with("| said \u{fffd}[2J"), "{:?}", log.tail());
    }

    #[test]
    fn the_tail_passes_over_backtraces() {
        for frame in
            ["Stack backtrace:", "   0: a::b", "  12: <T as c::D>::e", "             at ./src/main.rs:3:4"]
        {
            assert!(is_backtrace(frame), "{frame}");
        }
        for line in
            ["Error: no such file", "Caused by:", "    0 pictures", "    reading: x", "at last", "12: x"]
        {
            assert!(!is_backtrace(line), "{line}");
        }
    }
}
