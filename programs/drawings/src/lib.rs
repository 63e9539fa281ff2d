//! Draws the gallery: emoji as captioned PNG files.
//!
//! The drawings are Twemoji's, which a crate carries as SVG, so the gallery needs no download. The folder is made
//! beside its place and renamed into it, so a half-made one is never mistaken for a whole one.

mod captions;
mod emoji;
mod folder;
mod picture;

use std::{
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};

pub use crate::emoji::{Drawing, gallery};
pub use crate::folder::Place;
pub use crate::picture::{pixels, render};

/// How to draw the gallery.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Width and height of a drawing in pixels.
    pub size: u32,
    /// Whether flags are drawn too.
    pub flags: bool,
    /// Whether drawings that are there are replaced.
    pub force: bool,
    /// Threads that draw; 0 counts as 1.
    pub threads: usize,
}

/// What became of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds this many new drawings.
    Drawn(usize),
    /// It held drawings before and was left as it was.
    ThereAlready,
}

/// Makes the folder `out` with one PNG a drawing, `captions.tsv` and `LICENSES.txt`.
///
/// # Errors
/// If `out` holds something else than drawings, if an SVG cannot be drawn, or if the disk refuses.
pub fn draw(out: &Path, wanted: &Wanted) -> Result<Outcome> {
    let place = Place::new(out, "captions.tsv", "drawings", wanted.force)?;
    let Some(place) = place else { return Ok(Outcome::ThereAlready) };
    let drawings = gallery(wanted.flags);
    let work = place.work();
    pictures(&drawings, &work, wanted)?;
    fs::write(work.join("LICENSES.txt"), captions::LICENSES).context("writing LICENSES.txt")?;
    fs::write(work.join("captions.tsv"), captions::table(&drawings)).context("writing captions.tsv")?;
    place.publish()?;
    Ok(Outcome::Drawn(drawings.len()))
}

/// Draws all of them into `work`; the threads take the next drawing as they come free.
fn pictures(drawings: &[Drawing], work: &Path, wanted: &Wanted) -> Result<()> {
    let style = ProgressStyle::with_template("Drawing {wide_bar} {pos}/{len} ({eta})")?;
    let bar = ProgressBar::new(drawings.len() as u64).with_style(style);
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while let Some(drawing) = drawings.get(next.fetch_add(1, Ordering::Relaxed)) {
            let png =
                render(drawing.svg, wanted.size).with_context(|| format!("drawing {}", drawing.name))?;
            let path = work.join(drawing.file_name());
            fs::write(&path, png).with_context(|| format!("writing {}", path.display()))?;
            bar.inc(1);
        }
        Ok(())
    };
    let threads = NonZeroUsize::new(wanted.threads).map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a thread that draws has panicked; its message stands above"))?
        })
    })?;
    bar.finish_and_clear();
    Ok(())
}
