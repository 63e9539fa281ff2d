//! `fondue-embed`: builds the index of pictures.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    fondue_embed::run(&fondue_embed::Args::parse())
}
