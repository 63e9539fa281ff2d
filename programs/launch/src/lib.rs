//! The fondue command: starts the services, talks to them.
//!
//! Knows the gateway's contract and the services' flags; links no model. Read `cli` first, then the command that
//! you came for: `up`, `demo`, `say`, `chat`. Any other `fondue NAME` runs the program `fondue-NAME` beside it.

mod chat;
mod cli;
mod conversation;
mod demo;
mod external;
mod failure;
mod gateway;
mod generation;
mod picture;
mod printer;
mod say;
mod services;
mod terminal;
mod up;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Cli, Command};

/// Runs the command line that this process was given; failures are told on stderr.
pub fn run() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    if let Command::External(words) = command {
        return external::exec(&words);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("starting the threads that talk to the network")?;
    runtime.block_on(async {
        match command {
            Command::Up(args) => up::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Say(args) => say::run(args).await,
            Command::Chat(args) => chat::run(args).await,
            Command::External(_) => Ok(()), // handed over above
        }
    })
}
