//! `fondue-bench`: run by `fondue bench` and `cargo xtask bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_bench::main()
}
