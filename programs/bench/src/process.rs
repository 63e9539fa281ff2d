//! Processes that are measured: started, asked, and stopped with this one.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long one may be silent: models are read from a disk and converted, and the published loop takes its time.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long the system may take to end one that is killed.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A process that speaks in lines.
pub(crate) struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts it; its stderr goes to a file.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log).with_context(|| log.display().to_string())?;
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("starting {name}: {command:?}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("{name} has no pipes");
        };
        Ok(Self {
            name: name.to_owned(),
            log: log.to_owned(),
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The next line that begins with `start`, without that.
    pub(crate) async fn line(&mut self, start: &str) -> Result<String> {
        let wait = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some(rest) = line.strip_prefix(start) {
                    return Ok(rest.to_owned());
                }
            }
            bail!("{} ended; its last words:\n{}", self.name, last_words(&self.log))
        };
        let waited = timeout(PATIENCE, wait).await;
        waited.with_context(|| format!("{} said nothing for {} s", self.name, PATIENCE.as_secs()))?
    }

    /// Says a line.
    pub(crate) async fn say(&mut self, line: &str) -> Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.stdin.flush().await?)
    }

    /// Most memory that it has had, in bytes.
    pub(crate) fn peak(&self) -> Result<f64> {
        memory(&self.id()?, "VmHWM:")
    }

    /// Bytes of memory that it has now, mapped files included.
    pub(crate) fn resident(&self) -> Result<f64> {
        resident(&self.id()?)
    }

    fn id(&self) -> Result<String> {
        Ok(self.child.id().with_context(|| format!("{} has ended", self.name))?.to_string())
    }
}

/// Bytes of memory that a process has, mapped files included; by its number, or `self`.
pub(crate) fn resident(process: &str) -> Result<f64> {
    memory(process, "VmRSS:")
}

fn memory(process: &str, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
    Ok(kilobytes.context(field.to_owned())?.parse::<f64>()? * 1024.0)
}

impl Drop for Process {
    /// Nothing of it is left, not even its entry in the system's table.
    fn drop(&mut self) {
        let _ = self.child.start_kill(); // fails only if it has ended
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < LAST_WAIT {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The last lines of a log, without the backtrace that may follow them.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let text = text.split("Stack backtrace:").next().unwrap_or_default().trim_end();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// A service of ours; gives its URL too.
pub(crate) async fn service(name: &str, flags: &[String], logs: &Path) -> Result<(Process, String)> {
    let program = beside(&format!("fondue-{name}"))?;
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--stop-with-stdin"]).args(flags);
    let mut process = Process::start(name, &mut command, &logs.join(format!("{name}.log")))?;
    let address = process.line("listening ").await?;
    Ok((process, format!("http://{}", address.trim())))
}

/// A program in the folder of this one.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program's own place")?;
    let program = own.with_file_name(name);
    ensure!(
        program.is_file(),
        "{} is not there; build it with `cargo build --release -p {name}`",
        program.display()
    );
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_ends_too_early_has_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo noise; echo ready 1; echo why >&2; echo 'Stack backtrace:' >&2; echo at >&2"]);
        let mut process = Process::start("it", &mut command, &folder.path().join("log")).unwrap();
        assert_eq!(process.line("ready ").await.unwrap(), "1");
        let error = process.line("more ").await.unwrap_err().to_string();
        assert_eq!(error, "it ended; its last words:\nwhy");
    }

    #[tokio::test]
    async fn who_lives_can_be_asked() {
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            Process::start("cat", &mut Command::new("cat"), &folder.path().join("log")).unwrap();
        process.say("hello 7").await.unwrap();
        assert_eq!(process.line("hello ").await.unwrap(), "7");
        assert!(process.resident().unwrap() > 0.0);
        assert!(process.peak().unwrap() >= process.resident().unwrap());
        assert!(resident("self").unwrap() > 0.0 && resident("nobody").is_err());
    }
}
