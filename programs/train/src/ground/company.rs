//! The other processes of a run: started here, or met at an address.

use std::{
    env,
    net::TcpListener,
    process::{Child, Command},
    thread::available_parallelism,
};

use anyhow::{Context, Result, bail, ensure};

use crate::run::group::Group;

/// How many processes train together, and which one this is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Company {
    /// Processes to train with on this machine, each with its share of every batch; with --device cuda, each on a GPU of its
    /// own.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    processes: u16,
    /// Which process of several machines' this is, from 0; each is started with the same settings.
    #[arg(long, value_name = "N", requires = "world", conflicts_with = "processes")]
    rank: Option<u16>,
    /// How many there are.
    #[arg(long, value_name = "N", requires = "rendezvous")]
    world: Option<u16>,
    /// Where the first one listens and the others come to. Whoever reaches it can take part: for a trusted network.
    #[arg(long, value_name = "HOST:PORT", requires = "rank")]
    rendezvous: Option<String>,
    /// Which GPU of this machine a process takes that was started by another.
    #[arg(long, value_name = "N", hide = true)]
    local: Option<u16>,
}

/// Processes that were started here; they end with it.
pub(super) struct Children(Vec<Child>);

impl Company {
    /// Starts the others, if it is this process that does, and meets them.
    ///
    /// # Errors
    /// If they cannot be started or do not come.
    pub(super) fn meet(&self) -> Result<(Group, Children)> {
        let mut children = Children(Vec::new());
        let group = match (self.rank, self.world, &self.rendezvous) {
            (Some(rank), Some(world), Some(address)) => {
                ensure!(rank < world, "--rank {rank}: --world is {world}, and ranks are counted from 0");
                if rank == 0 {
                    let listener =
                        TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
                    Group::first(listener, usize::from(world))?
                } else {
                    Group::join(address, usize::from(rank), usize::from(world))?
                }
            }
            _ if self.processes > 1 => {
                let listener =
                    TcpListener::bind("127.0.0.1:0").context("listening for the other processes")?;
                let address = listener.local_addr()?.to_string();
                for rank in 1..self.processes {
                    children.0.push(self.start(rank, &address)?);
                }
                Group::first(listener, usize::from(self.processes))?
            }
            _ => Group::alone(),
        };
        Ok((group, children))
    }

    /// This machine's GPU for this process.
    pub(super) fn local(&self) -> usize {
        usize::from(self.local.unwrap_or(0))
    }

    /// Threads for each process, where several share this machine.
    pub(super) fn threads(&self) -> Option<u16> {
        let here = match self.local {
            Some(_) => self.world.unwrap_or(1),
            None => self.processes,
        };
        let share = available_parallelism().map_or(1, |n| n.get()) / usize::from(here.max(1));
        (here > 1).then(|| u16::try_from(share.max(1)).unwrap_or(1))
    }

    /// This program with the same words, but for who it is.
    fn start(&self, rank: u16, address: &str) -> Result<Child> {
        let mut words = Vec::new();
        let mut given = env::args_os().skip(1);
        while let Some(word) = given.next() {
            if word == "--processes" {
                given.next();
            } else if !word.to_string_lossy().starts_with("--processes=") {
                words.push(word);
            }
        }
        let mut command = Command::new(env::current_exe()?);
        command.args(words).args(["--rendezvous", address]);
        command.args(["--rank", &rank.to_string(), "--local", &rank.to_string()]);
        command.args(["--world", &self.processes.to_string()]);
        command.spawn().with_context(|| format!("starting process {rank}"))
    }
}

impl Children {
    /// Waits for all.
    ///
    /// # Errors
    /// If one did not end well.
    pub(super) fn wait(mut self) -> Result<()> {
        for (rank, child) in (1..).zip(&mut self.0) {
            let status = child.wait().with_context(|| format!("waiting for process {rank}"))?;
            if !status.success() {
                bail!("process {rank} ended with {status}");
            }
        }
        self.0.clear();
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It sees that the first process is gone, if it has not ended already; nothing of it stays.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
