//! `fondue`: the one command for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_launch::run()
}
