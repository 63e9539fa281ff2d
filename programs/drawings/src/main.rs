//! `fondue-drawings OUT`: draws the gallery of emoji that the demo finds its pictures in.

use std::{path::PathBuf, time::Instant};

use anyhow::Result;
use clap::Parser;
use fondue_drawings::{Outcome, Wanted, draw};

const EXAMPLES: &str = "\
Examples:
  fondue-drawings .fondue/drawings               about 1,640 drawings, 128 × 128 pixels on white
  fondue-drawings --size 256 .fondue/drawings-256
  fondue-drawings --force .fondue/drawings       draw them anew, for example in another size
  fondue index build --pictures .fondue/drawings --model assets/model --index .fondue/index

OUT receives one <id>.png a drawing (its code points: 1f34e.png is the red apple),
captions.tsv with the columns image, caption and group, and LICENSES.txt. It appears only
once everything in it is complete.";

/// Draw the gallery: every emoji of the Twemoji set, in its default skin tone, as a captioned PNG file.
#[derive(Parser)]
#[command(name = "fondue-drawings", version, after_help = EXAMPLES)]
struct Args {
    /// Folder to make. One that holds drawings already is left as it is.
    out: PathBuf,
    /// Width and height of a drawing in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=2048))]
    size: u32,
    /// Draw flags too: the small model knows none, and most look alike to it.
    #[arg(long)]
    flags: bool,
    /// Replace the drawings that OUT holds.
    #[arg(long)]
    force: bool,
    /// Threads that draw.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let start = Instant::now();
    let wanted =
        Wanted { size: args.size, flags: args.flags, force: args.force, threads: usize::from(args.threads) };
    match draw(&args.out, &wanted)? {
        Outcome::Drawn(count) => {
            println!("{count} drawings in {} ({:.1} s)", args.out.display(), start.elapsed().as_secs_f32());
        }
        Outcome::ThereAlready => {
            println!("{} holds drawings already; --force draws them anew", args.out.display());
        }
    }
    Ok(())
}
