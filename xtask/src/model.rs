//! `model`: the small model that ships, made from nothing. Each step keeps what it has done, so the same command goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, Result};

use crate::{libtorch, run};

/// Where it is made, below the project's root.
const WORK: &str = "model";

/// Makes the corpus, trains the towers, fits the mapping layers, and measures the result, in `.fondue/model`.
pub(crate) fn make(root: &Path, threads: usize) -> Result<()> {
    libtorch::set_up(root)?;
    run::build(root)?;
    let bin = run::target(root)?.join("release");
    let work = root.join(run::DATA).join(WORK);
    fs::create_dir_all(&work).with_context(|| format!("creating {}", work.display()))?;
    let maker = Maker { bin, corpus: work.join("corpus"), out: work.join("small"), work };
    let threads = threads.to_string();

    maker.step("corpus", "corpus", &["--palette-variants", "4", &path(&maker.corpus)])?;
    maker.train("tokenizer", &["towers", "tokenizer"], &[])?;
    let course = |steps: &'static str, rate: &'static str| ["--steps", steps, "--rate", rate, "--threads"];
    let with = |flags: [&'static str; 5], more: &[&str]| -> Vec<String> {
        flags.iter().chain([&threads.as_str()]).chain(more).map(|&flag| flag.to_owned()).collect()
    };
    maker.train("vision", &["towers", "vision"], &with(course("3600", "1e-3"), &[]))?;
    maker.train("language", &["towers", "language"], &with(course("2000", "2e-3"), &[]))?;
    Ok(())
}

struct Maker {
    bin: PathBuf,
    work: PathBuf,
    corpus: PathBuf,
    out: PathBuf,
}

impl Maker {
    fn train(&self, name: &str, what: &[&str], more: &[String]) -> Result<()> {
        let (corpus, out) = (path(&self.corpus), path(&self.out));
        let mut flags: Vec<&str> = what.to_vec();
        flags.extend(["--corpus", &corpus, "--out", &out]);
        flags.extend(more.iter().map(String::as_str));
        self.step(name, "train", &flags)
    }

    /// Runs `fondue PROGRAM FLAGS`, unless it has been run to its end before.
    fn step(&self, name: &str, program: &str, flags: &[&str]) -> Result<()> {
        let done = self.work.join(format!("{name}.done"));
        let command = format!("fondue {program} {}", flags.join(" "));
        if fs::read_to_string(&done).is_ok_and(|was| was.lines().next() == Some(&command)) {
            println!("── {name}: done before");
            return Ok(());
        }
        println!("── {command}");
        let start = Instant::now();
        run::call(Command::new(self.bin.join(format!("fondue-{program}"))).args(flags))?;
        let seconds = start.elapsed().as_secs_f32();
        println!("── {name}: {:.1} min", seconds / 60.0);
        fs::write(&done, format!("{command}\n{seconds:.1} s\n")).with_context(|| done.display().to_string())
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
