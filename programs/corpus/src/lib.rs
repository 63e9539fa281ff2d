//! `fondue corpus`: makes a captioned corpus of drawings, texts and dialogues from packages.

use std::process::ExitCode;

/// Runs the command line that this process was given.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
