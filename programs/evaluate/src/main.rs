//! `fondue-evaluate`. People type `fondue evaluate …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_evaluate::main()
}
