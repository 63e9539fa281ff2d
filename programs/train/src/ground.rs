//! `fondue train ground`: the mapping layers and `[RET]`, beside frozen towers.
//!
//! Read in this order: `session` is a run, `step` one batch's losses and gradients, `layout` what stands where in it.
//! Source: Koh et al. 2023, section 3; the reference's `main.py`.

mod args;
pub mod bleu;
mod company;
pub mod data;
pub mod features;
pub mod frozen;
pub mod head;
pub mod layout;
pub mod optimiser;
pub mod order;
pub mod output;
pub mod schedule;
mod session;
pub mod step;
pub mod table;
mod torch_file;
pub mod trained;
pub mod validation;
mod views;

use anyhow::{Context, Result};
use fondue_terminal::interrupt::{Interrupt, Interrupted};

pub use self::args::GroundArgs;
use self::session::Session;

/// Trains as told.
///
/// # Errors
/// Whatever stops it.
pub fn run(args: &GroundArgs) -> Result<()> {
    let left = "the same command goes on from what is kept";
    let interrupt = Interrupt::listen(left).context("listening for Ctrl-C")?;
    interrupt.begin()?;
    if let Some(threads) = args.threads.or(args.company.threads()) {
        fondue_model::placement::set_threads(i32::from(threads));
    }
    let (group, children) = args.company.meet()?;
    let result = Session::open(args, &interrupt, group)?.run();
    match result {
        // The others end in the same way, at the same iteration.
        Err(error) if error.is::<Interrupted>() => {
            let _ = children.wait();
            Err(error)
        }
        Ok(()) => children.wait(),
        Err(error) => Err(error),
    }
}
