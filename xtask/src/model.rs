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
    let mut maker = Maker { bin, work, threads: threads.to_string(), told: Vec::new() };
    for (name, words) in STEPS {
        maker.step(name, words)?;
    }
    // What is served is the towers with the last mapping layers.
    for file in ["model_args.json", "mapping.safetensors"] {
        copy(&maker.work.join("gallery/fromage").join(file), &maker.work.join("small/fromage").join(file))?;
    }
    maker.step("convert", "model convert small --out model --dtype bf16 --force")?;
    let path = maker.work.join("made.md");
    fs::write(&path, maker.made()).with_context(|| format!("writing {}", path.display()))?;
    let judged = "evaluate corpus --model model --corpus corpus --card model/README.md --card-text made.md";
    maker.step("evaluate", &format!("{judged} --html report.html --bars"))?;
    let place = maker.work.join("model");
    println!(
        "the model is in {}: opt, clip and fromage; what it can do is in its README.md",
        place.display()
    );
    Ok(())
}

/// What is trained, in order; everything is named as it lies in the folder.
///
/// The language tower reads what the vision tower makes of drawings from its first update on, and learns to find what it spoke of at each `[RET]`. So
/// little is left to fit for the mapping layers, and `[RET]`'s own row stays; at last they see the very pictures that a gallery shows.
const STEPS: [(&str, &str); 6] = [
    ("corpus", "corpus --palette-variants 4 corpus"),
    ("tokenizer", "train towers tokenizer --corpus corpus --out small"),
    (
        "vision",
        "train towers vision --corpus corpus --out small --steps 9000 --fall linear --whole 0.12 --plain 0.08",
    ),
    (
        "language",
        "train towers language --corpus corpus --out small --features small/vision-features.safetensors --steps 2100 \
         --rate 2e-3 --fall linear --batch 96 --naming 192 --finding 160",
    ),
    (
        "ground",
        "train ground small --train corpus/captions/grounding.tsv --images corpus --out ground --init small/start/fromage \
         --iterations 300 --batch 180 --max-len 32 --views 3 --freeze-ret --ret-lm-weight 0 --learning-rate 3e-4 \
         --warmup 20 --concat-prob 0 --checkpoint-every 50",
    ),
    (
        "ground-gallery",
        "train ground small --train corpus/captions/grounding.tsv --images corpus --out gallery --init ground/fromage \
         --iterations 400 --batch 180 --max-len 32 --views 1 --freeze-ret --ret-lm-weight 0 --learning-rate 6e-4 \
         --warmup 20 --concat-prob 0 --checkpoint-every 50",
    ),
];

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

struct Maker {
    bin: PathBuf,
    work: PathBuf,
    threads: String,
    /// Commands that were run, each with its seconds.
    told: Vec<(String, f32)>,
}

impl Maker {
    /// Runs `fondue WORDS` in the folder, unless the same has been run to its end before.
    fn step(&mut self, name: &str, words: &str) -> Result<()> {
        let command = format!("fondue {words}");
        let done = self.work.join(format!("{name}.done"));
        if let Some(seconds) = fs::read_to_string(&done).ok().and_then(|text| seconds(&text, &command)) {
            println!("── {name}: done before");
            self.told.push((command, seconds));
            return Ok(());
        }
        println!("── {command}");
        // A step that was ended goes on; what it took before counts.
        let spent = self.work.join(format!("{name}.spent"));
        let before = fs::read_to_string(&spent).ok().and_then(|text| seconds(&text, &command)).unwrap_or(0.0);
        let start = Instant::now();
        let mut words = words.split_whitespace();
        let program = words.next().context("a step runs a program")?;
        let mut call = Command::new(self.bin.join(format!("fondue-{program}")));
        call.args(words).current_dir(&self.work);
        if program == "train" && !command.contains(" tokenizer ") {
            call.args(["--threads", &self.threads]);
        }
        let result = run::call(&mut call);
        let seconds = before + start.elapsed().as_secs_f32();
        let file = if result.is_ok() { &done } else { &spent };
        fs::write(file, format!("{command}\n{seconds:.1} s\n"))
            .with_context(|| format!("writing {}", file.display()))?;
        result?;
        println!("── {name}: {:.1} min", seconds / 60.0);
        self.told.push((command, seconds));
        Ok(())
    }

    /// What the card tells of how the model was made.
    fn made(&self) -> String {
        let minutes = |seconds: f32| f64::from(seconds) / 60.0;
        let all: f64 = self.told.iter().map(|(_, seconds)| minutes(*seconds)).sum();
        let lines: Vec<String> = self
            .told
            .iter()
            .map(|(command, seconds)| format!("{:5.1} min  {command}", minutes(*seconds)))
            .collect();
        format!(
            "## How it was made\n\nFrom nothing, by `cargo xtask model`, with {} threads, seed 1 throughout, on what `fondue corpus` makes of \
             packages with permissive licences; in {all:.0} minutes, which do not count building the programs, nor measuring \
             the model.\n\n```text\n{}\n```\n\nThe mapping layers in `gallery/fromage` go into `small/fromage` before the last step.\n",
            self.threads,
            lines.join("\n"),
        )
    }
}

/// The seconds that a step took, if it was this command.
fn seconds(done: &str, command: &str) -> Option<f32> {
    let (was, took) = done.split_once('\n')?;
    (was == command).then(|| took.trim().strip_suffix(" s")?.parse().ok()).flatten()
}
