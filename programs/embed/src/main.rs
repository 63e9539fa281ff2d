//! `fondue-embed`: builds the index of pictures.

use std::process::ExitCode;

fn main() -> ExitCode {
    fondue_embed::main()
}
