//! `model`: a small model like the one that ships, made from nothing. Each step keeps what it has done, so the same command goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

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
    let mut maker = Maker { bin, work, told: Vec::new() };
    for (name, words) in STEPS {
        maker.step(name, &words.replace("THREADS", &threads.to_string()))?;
    }
    // What is served is the towers with the mapping layers.
    for file in ["model_args.json", "mapping.safetensors"] {
        copy(&maker.work.join("ground/fromage").join(file), &maker.work.join("small/fromage").join(file))?;
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

/// What is done, in order; everything is named as it lies in the folder.
///
/// The language tower reads what the vision tower makes of drawings from its first update on, and learns to find what it
/// spoke of at each `[RET]`. So little is left to fit for the mapping layers, and `[RET]`'s own row stays. More of it finds
/// and names the drawings that were trained on better, and others worse.
const STEPS: [(&str, &str); 5] = [
    ("corpus", "corpus --palette-variants 4 corpus"),
    ("tokenizer", "train towers tokenizer --corpus corpus --out small"),
    (
        "vision",
        "train towers vision --corpus corpus --out small --steps 8600 --fall linear --whole 0.16 --plain 0.13 \
         --threads THREADS",
    ),
    (
        "language",
        "train towers language --corpus corpus --out small --features small/vision-features.safetensors --steps 1900 \
         --rate 2e-3 --fall linear --batch 80 --naming 224 --finding 96 --threads THREADS",
    ),
    (
        "ground",
        "train ground small --train corpus/captions/grounding.tsv --images corpus --out ground --init small/start/fromage \
         --iterations 150 --batch 180 --max-len 32 --views 3 --freeze-ret --ret-lm-weight 0 --learning-rate 3e-4 \
         --warmup 20 --concat-prob 0 --checkpoint-every 50 --threads THREADS",
    ),
];

/// What glibc's allocator is told where something is trained: to keep what is freed. A step frees all that it took; giving
/// that back and taking it anew, page by page, costs a quarter of the time.
const KEEP_FREED: [(&str, &str); 4] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_MAX_", "0"),
    ("MALLOC_TOP_PAD_", "268435456"),
    ("MALLOC_TRIM_THRESHOLD_", "17179869184"),
];

/// How often it is noted how long a step has been running.
const NOTED_EVERY: Duration = Duration::from_secs(5);

fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

struct Maker {
    bin: PathBuf,
    work: PathBuf,
    /// Commands that were run, each with its seconds.
    told: Vec<(String, f32)>,
}

impl Maker {
    /// Runs `fondue WORDS` in the folder, unless the same has been run to its end before. A step that was ended goes on, and what
    /// it took before counts.
    fn step(&mut self, name: &str, words: &str) -> Result<()> {
        let command = format!("fondue {words}");
        let done = self.work.join(format!("{name}.done"));
        if let Some(seconds) = self.noted(&done, &command)? {
            println!("── {name}: done before");
            self.told.push((command, seconds));
            return Ok(());
        }
        println!("── {command}");
        let spent = self.work.join(format!("{name}.spent"));
        let before = self.noted(&spent, &command)?.unwrap_or(0.0);
        let start = Instant::now();
        let note = |file: &Path| {
            let seconds = before + start.elapsed().as_secs_f32();
            // Whole or not at all: half a note is another command's.
            let beside = file.with_extension("part");
            fs::write(&beside, format!("{command}\n{seconds:.1} s\n"))
                .and_then(|()| fs::rename(&beside, file))
                .with_context(|| format!("writing {}", file.display()))
                .map(|()| seconds)
        };
        let mut words = words.split_whitespace();
        let program = words.next().context("a step runs a program")?;
        let mut call = Command::new(self.bin.join(format!("fondue-{program}")));
        call.args(words).current_dir(&self.work);
        if program == "train" {
            call.envs(KEEP_FREED);
        }
        note(&spent)?;
        // Ctrl-C ends this program, too: what is noted by then is kept.
        run::call_noting(&mut call, NOTED_EVERY, || note(&spent).map(drop))?;
        let seconds = note(&done)?;
        fs::remove_file(&spent).with_context(|| format!("removing {}", spent.display()))?;
        println!("── {name}: {:.1} min", seconds / 60.0);
        self.told.push((command, seconds));
        Ok(())
    }

    /// The seconds in a note of this command, if there is one.
    ///
    /// # Errors
    /// If the note is another command's: what lies in the folder is not what this one would make.
    fn noted(&self, file: &Path, command: &str) -> Result<Option<f32>> {
        let Ok(text) = fs::read_to_string(file) else { return Ok(None) };
        let (was, took) = text.split_once('\n').unwrap_or((&text, ""));
        ensure!(
            was == command,
            "{} was made by other steps (`{was}`, not `{command}`): remove the folder, and begin anew",
            self.work.display()
        );
        Ok(took.trim().strip_suffix(" s").and_then(|seconds| seconds.parse().ok()))
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
        MADE.replace("MINUTES", &format!("{all:.0}")).replace("STEPS", &lines.join("\n"))
    }
}

/// That text, but for what a run's own is.
const MADE: &str = "## How it was made

From nothing, by `cargo xtask model`, on what `fondue corpus` makes of packages with permissive licences, with the programs' own
seeds; in MINUTES minutes, which do not count building the programs, nor measuring the model. A CLIP-layout vision tower (6 layers, width 256,
72 px in patches of 12), an OPT-layout language model (4 layers, width 256, 512 positions, 4,000 tokens), k = 1, q = 256; stored in
bfloat16.

```text
STEPS
```

The mapping layers in `ground/fromage` go into `small/fromage` before the last of these.

Settings were chosen by looking at the held-out drawings, so figures on them are a little flattering; those on held-out things had no part in it.
";
