//! `fondue-model`: checks and converts models' files.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_checkpoint::main()
}
