//! `model`: a small model like the one that ships, made from nothing. Each step keeps what it has done, so the same command goes on.

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
    let maker = Maker { bin, work };
    let place = |name: &str| maker.work.join(name).to_string_lossy().into_owned();
    let [corpus, words, small, ground, gallery, model] =
        ["corpus", "words", "small", "ground", "gallery", "model"].map(place);
    let (threads, features) = (threads.to_string(), format!("{small}/vision-features.safetensors"));
    let threads = ["--threads", &threads];
    let towers = |tower, out| ["towers", tower, "--corpus", &corpus, "--out", out].map(str::to_owned);

    maker.step("corpus", &[&["corpus", "--palette-variants", "4", &corpus]])?;
    maker.step("tokenizer", &[&["train"], &refs(&towers("tokenizer", &words))])?;
    let course = ["--steps", "11700", "--whole", "0.1"];
    maker.step("vision", &[&["train"], &refs(&towers("vision", &small)), &course, &threads])?;
    let course = ["--steps", "1500", "--rate", "2e-3"];
    maker.step("language", &[&["train"], &refs(&towers("language", &words)), &course, &threads])?;
    // The same model goes on, now with what the vision tower makes of pictures.
    copy(&maker.work.join("words/opt/tokenizer.json"), &maker.work.join("small/opt/tokenizer.json"))?;
    let seeing = ["--features", &features, "--init", &words, "--naming", "192", "--finding", "160"];
    let course = ["--steps", "1900", "--rate", "1.5e-3", "--warmup", "50", "--batch", "96"];
    maker.step(
        "language-seeing",
        &[&["train"], &refs(&towers("language", &small)), &seeing, &course, &threads],
    )?;
    let table = format!("{corpus}/captions/grounding.tsv");
    let (start, first) = (format!("{small}/start/fromage"), format!("{ground}/fromage"));
    let data = ["ground", &small, "--train", &table, "--images", &corpus];
    let course = ["--iterations", "300", "--learning-rate", "3e-4", "--views", "3"];
    let places = ["--out", &ground, "--init", &start];
    maker.step("ground", &[&["train"], &data, &places, &course, &GROUND, &threads])?;
    // Then on the very pictures, which the gallery shows.
    let course = ["--iterations", "400", "--learning-rate", "6e-4", "--views", "1"];
    let places = ["--out", &gallery, "--init", &first];
    maker.step("ground-gallery", &[&["train"], &data, &places, &course, &GROUND, &threads])?;
    for file in ["model_args.json", "mapping.safetensors"] {
        copy(&maker.work.join("gallery/fromage").join(file), &maker.work.join("small/fromage").join(file))?;
    }
    maker.step("convert", &[&["model", "convert", &small, "--out", &model, "--dtype", "bf16", "--force"]])?;
    let (card, html) = (format!("{model}/README.md"), place("report.html"));
    let told = ["--model", &model, "--corpus", &corpus, "--card", &card, "--html", &html, "--bars"];
    maker.step("evaluate", &[&["evaluate", "corpus"], &told])?;
    println!("the model is in {model}: opt, clip and fromage; what it can do is in its README.md");
    Ok(())
}

/// How the mapping layers are fitted. The language tower has learnt already when `[RET]` is due, so its row stays;
/// and has learnt to find what it spoke of there, so little is left to fit.
const GROUND: [&str; 13] = [
    "--batch",
    "180",
    "--max-len",
    "32",
    "--freeze-ret",
    "--ret-lm-weight",
    "0",
    "--warmup",
    "20",
    "--concat-prob",
    "0",
    "--checkpoint-every",
    "50",
];

fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

struct Maker {
    bin: PathBuf,
    work: PathBuf,
}

impl Maker {
    /// Runs `fondue WORDS`, unless the same has been run to its end before.
    fn step(&self, name: &str, words: &[&[&str]]) -> Result<()> {
        let words = words.concat();
        let (program, flags) = words.split_first().context("a step runs a program")?;
        let command = format!("fondue {}", words.join(" "));
        let done = self.work.join(format!("{name}.done"));
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
