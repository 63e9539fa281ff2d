//! `fondue-train`: trains what a model is made of. People type `fondue train …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_train::main()
}
