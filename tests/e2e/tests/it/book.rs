//! The examples of the book (`docs/`) are run against real services, in the order of each page, in a folder for each page.
//!
//! Ports 7400 to 7403 in them become those of the cluster. In the folder are `assets/`, `cat.png`, `a.png`, `b.png`, `photos/`
//! with captions, and `more/`. The programs are those that `cargo build --release --bins` makes.

mod blocks;

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use fondue_harness::{Cluster, Flags, pictures};
use tokio::process::Command;

use self::blocks::{Block, blocks, missing};

/// Where Python's packages are: OpenAI's client, the client of `clients/python`, and what that stands on. `cargo xtask test` makes
/// them, and so does `cargo xtask clients`.
const PYTHON: [&str; 3] = [".fondue/clients/installed", ".http-clients", ".python-client"];

/// For one example.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn examples_do_what_the_book_says() -> Result<()> {
    let cluster = Cluster::start(Flags { gateway: &["--gallery-writable"], ..Flags::default() }).await?;
    let (mut faults, mut n_run) = (Vec::new(), 0);
    for page in pages(&root().join("docs"))? {
        let text = fs::read_to_string(&page)?;
        let all = blocks(&text);
        if all.is_empty() {
            continue;
        }
        let folder = tempfile::tempdir()?;
        furnish(folder.path())?;
        for block in &all {
            n_run += 1;
            if let Err(error) = run(block, folder.path(), &cluster).await {
                faults.push(format!("{}:{}: {error:#}", page.display(), block.line));
            }
        }
    }
    cluster.language_idle().await?;
    ensure!(faults.is_empty(), "examples of the book fail:\n{}", faults.join("\n"));
    ensure!(n_run > 10, "only {n_run} examples were found");
    Ok(())
}

/// Runs an example; what it prints must hold what it should.
async fn run(block: &Block, folder: &Path, cluster: &Cluster) -> Result<()> {
    let servers = [&cluster.gateway, &cluster.vision, &cluster.language, &cluster.retrieval];
    let code = (7400..).zip(servers).fold(block.code.clone(), |code, (port, server)| {
        code.replace(&format!("127.0.0.1:{port}"), &server.address)
    });
    let mut command = match block.language.as_str() {
        "sh" => Command::new("bash"),
        "python" => Command::new("python3"),
        other => bail!("nothing here runs {other}"),
    };
    if block.language == "sh" {
        command.args(["-euo", "pipefail"]);
    }
    let programs = programs()?;
    #[allow(clippy::disallowed_methods)] // the tests' own environment
    let path = env::var("PATH")?;
    command
        .args(["-c", &code])
        .current_dir(folder)
        .env("PATH", format!("{}:{}:{path}", folder.join(".bin").display(), programs.display()))
        .env("PYTHONPATH", env::join_paths(PYTHON.map(|folder| root().join(folder)))?)
        .env("FONDUE_GATEWAY", format!("http://{}", cluster.gateway.address))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.context("it does not end")??;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{out}{err}", output.status);
    if let Some(line) = missing(&block.expected, &out) {
        bail!("`{line}` is not in what it prints:\n{out}{err}");
    }
    Ok(())
}

/// What examples find in their folder.
fn furnish(folder: &Path) -> Result<()> {
    symlink(root().join("assets"), folder.join("assets"))?;
    pictures::write(&folder.join("photos"), 6)?;
    fs::create_dir(folder.join("more"))?;
    for (name, n) in [("cat.png", 1), ("a.png", 2), ("b.png", 3), ("more/new.png", 30)] {
        fs::write(folder.join(name), pictures::png(n)?)?;
    }
    fs::create_dir(folder.join(".bin"))?;
    Ok(symlink(env!("CARGO_BIN_EXE_grpcurl-stand-in"), folder.join(".bin/grpcurl"))?)
}

/// The folder of the built programs, which this test lies below.
pub(crate) fn programs() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.ancestors().nth(2).context("the test lies in no folder")?;
    for program in ["fondue", "fondue-index", "fondue-model"] {
        ensure!(
            folder.join(program).exists(),
            "{program} is not built; `cargo build --release --workspace --bins` does it"
        );
    }
    Ok(folder.to_owned())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

/// All pages, in the order of their names.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
