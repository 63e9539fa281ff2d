//! `fondue-corpus`. People type `fondue corpus …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_corpus::main()
}
