//! `fondue-index`: makes the index of pictures. People type `fondue index …`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_embed::main()
}
