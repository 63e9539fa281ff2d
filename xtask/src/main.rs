//! Tasks of the whole project: `cargo xtask demo`, `up`, `bench`, `test`. Needs no libtorch itself, so that it can fetch it.

mod boundaries;
mod browser;
mod cache;
mod clients;
mod docs;
mod k8s;
mod libtorch;
mod model;
mod monitoring;
mod python;
mod run;
mod services;
mod supply;
mod tidy;

use std::{path::PathBuf, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use crate::services::Services;

/// Tasks of the Fondue project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set everything up, hold a scripted dialogue with pictures over the four services, stop them.
    Demo {
        /// Further flags for `fondue demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Set everything up and keep the four services running on ports 7400 to 7403 until Ctrl-C.
    Up {
        /// Further flags for `fondue up`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Set everything up and measure the services beside their peers; `cargo xtask bench --help` tells what there is.
    #[command(disable_help_flag = true)]
    Bench {
        /// What `fondue bench` takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<String>,
    },
    /// Make the book of docs/: write its generated pages, check links and messages, build it with mdBook.
    Docs {
        /// Write and build nothing; fail if a generated page is not what the sources give. Needs the programs to be built.
        #[arg(long)]
        check: bool,
    },
    /// Make the small model from nothing, in `.fondue/model`: some two hours on two cores. The same command goes on where it
    /// was ended.
    Model {
        /// Threads that train.
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
    /// Fetch libtorch, and what tests need of Python, once into the user's cache, and link `.libtorch`, `.milvus-lite`,
    /// `.http-clients` and `.python-client` to them.
    Setup,
    /// Everything that continuous integration checks: fmt, clippy, build, the book, tests, doc tests, tidy, manifests, dashboard
    /// and alarms, dependencies, the browser chat, the clients.
    Test,
    /// The browser chat's part of that: in Chromium against a stand-in, and against the services.
    TestBrowser,
    /// The client libraries alone: built, checked, and tested against running services.
    Clients {
        /// Services that run already, HOST:PORT, instead of starting them.
        #[arg(long, value_name = "ADDRESS")]
        gateway: Option<String>,
    },
    /// Check what the programs are made of against `deny.toml`: licences, bans, sources, and advisories where they can be fetched.
    Deny,
    /// List what the programs are made of, as CycloneDX JSON.
    Sbom {
        /// The file.
        #[arg(long, value_name = "FILE", default_value = supply::SBOM)]
        out: PathBuf,
    },
    /// Render the manifests of `k8s/` and check them, and the Dockerfiles, without a cluster.
    K8s,
    /// Ask a real Prometheus, which scrapes running services, everything that the dashboard and the alarms of `k8s/` ask.
    Monitoring,
    /// Check the rules of the tree: boundaries, doorplates, lengths, nothing unfinished or bound to one machine.
    Tidy,
}

fn main() -> Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    match Args::parse().task {
        Task::Demo { flags } => run::fondue(&root, "demo", &flags),
        Task::Up { flags } => run::fondue(&root, "up", &flags),
        Task::Bench { flags } => run::bench(&root, &flags),
        Task::Docs { check: true } => docs::check(&root),
        Task::Docs { check: false } => libtorch::set_up(&root).and_then(|()| docs::make(&root)),
        Task::Model { threads } => model::make(&root, threads),
        Task::Setup => libtorch::set_up(&root).and_then(|()| python::set_up(&root)),
        Task::Deny => supply::deny(&root),
        Task::Sbom { out } => supply::sbom(&root, &root.join(out)),
        Task::K8s => k8s::check(&root),
        Task::Monitoring => monitoring::check(&root),
        Task::Tidy => tidy::check(&root).and_then(|()| boundaries::check(&root)),
        Task::Test => test(&root),
        Task::TestBrowser => {
            browser::set_up(&root)?;
            browser::test(&root, &Services::start(&root)?.url)
        }
        Task::Clients { gateway } => {
            python::set_up(&root)?;
            clients::install(&root)?;
            match gateway {
                Some(gateway) => clients::test(&root, &gateway),
                None => clients::test(&root, Services::start(&root)?.address()),
            }
        }
    }
}

fn test(root: &std::path::Path) -> Result<()> {
    libtorch::set_up(root)?;
    python::set_up(root)?;
    browser::set_up(root)?;
    tidy::check(root)?;
    boundaries::check(root)?;
    k8s::check(root)?;
    supply::deny(root)?;
    supply::sbom(root, &root.join(supply::SBOM))?;
    let cargo = |words: &str| -> Result<()> {
        let start = Instant::now();
        println!("── cargo {words}");
        let status = run::cargo(root).args(words.split(' ')).status();
        ensure!(status.context("cargo could not be started")?.success(), "`cargo {words}` failed");
        println!("── cargo {words}: {:.1} s", start.elapsed().as_secs_f32());
        Ok(())
    };
    cargo("fmt --all --check")?;
    cargo("clippy --release --workspace --all-targets -- -D warnings")?;
    // The book's pages are asked of the programs, and its examples run them.
    cargo("build --release --workspace --bins")?;
    docs::check(root)?;
    clients::install(root)?;
    cargo("test --release --workspace --doc")?;
    let nextest = Command::new("cargo").args(["nextest", "--version"]).output();
    if nextest.is_ok_and(|output| output.status.success()) {
        cargo("nextest run --release --workspace")?;
    } else {
        println!("cargo-nextest is not installed: the tests run with cargo test");
        cargo("test --release --workspace --lib --bins --tests")?;
    }
    let services = Services::start(root)?;
    monitoring::with(root, &services)?;
    browser::test(root, &services.url)?;
    clients::test(root, services.address())
}
