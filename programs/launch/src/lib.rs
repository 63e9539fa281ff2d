//! The fondue command: starts the services, talks to them.
//!
//! Knows the gateway's contract and the services' flags; links no model. Read `cli` first, then the command that
//! you came for: `up`, `demo`, `say`, `chat`, `key`, `pages`. Any other `fondue NAME` runs the program `fondue-NAME` beside it.

mod chat;
mod cli;
mod conversation;
mod demo;
mod exit;
mod external;
mod failure;
mod filter;
mod gateway;
mod generation;
mod key;
mod pages;
mod picture;
mod printer;
mod say;
mod services;
mod settings;
mod terminal;
mod transcript;
mod up;

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Context, Result};

use crate::cli::{Cli, Command};

/// Runs the command line that this process was given; failures are told on stderr.
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match words.first() {
        Some(word) if external::is_meant(word) => external::exec(&words).map(|()| 0),
        _ => dispatch(Cli::read().command),
    };
    match outcome {
        Ok(code) => code.into(),
        Err(error) if exit::is_unread(&error) => ExitCode::SUCCESS, // as `… | head -1` expects
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::code(&error).into()
        }
    }
}

/// Does it; gives the exit code.
fn dispatch(command: Command) -> Result<u8> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("starting the threads that talk to the network")?;
    runtime.block_on(async {
        match command {
            Command::Up(args) => up::run(args).await.map(|()| 0),
            Command::Demo(args) => demo::run(args).await.map(|()| 0),
            Command::Say(args) => say::run(args).await.map(|()| 0),
            Command::Chat(args) => chat::run(args).await,
            Command::Key(args) => key::run(&args).map(|()| 0),
            Command::Completions(args) => pages::completions(&args).map(|()| 0),
            Command::Man(args) => pages::man(&args).map(|()| 0),
        }
    })
}
