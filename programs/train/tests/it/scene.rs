//! A few pictures with captions, and the small model.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// A folder with `train.tsv` and pictures.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
}

const COLOURS: [(&str, [u8; 3]); 4] =
    [("red", [220, 30, 30]), ("green", [30, 180, 40]), ("blue", [40, 60, 220]), ("black", [10, 10, 10])];

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut table = "caption\timage\n".to_owned();
        for (colour, rgb) in COLOURS {
            for (shape, inside) in [("square", square as fn(u32, u32) -> bool), ("cross", cross)] {
                let name = format!("{colour}-{shape}.png");
                let pixel = |x, y| if inside(x, y) { Rgb(rgb) } else { Rgb([255; 3]) };
                RgbImage::from_fn(64, 64, pixel).save(folder.path().join(&name)).unwrap();
                table += &format!("a {colour} {shape}\t{name}\n");
            }
        }
        fs::write(folder.path().join("train.tsv"), table).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ground` on the small model, with a table, a folder of the run and more words.
    pub(crate) fn ground(&self, table: &str, out: &str, words: &[&str]) -> Command {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-train"));
        command.arg("ground").arg(model).arg("--train").arg(self.path(table));
        command.arg("--out").arg(self.path(out)).arg("--features").arg(self.path("features"));
        command.args(["--warmup", "2", "--learning-rate", "1e-3", "--threads", "1"]).args(words);
        if !words.contains(&"--batch") {
            command.args(["--batch", "4"]);
        }
        command
    }

    /// What `fondue corpus` would make of the pictures, as far as towers need it: each shape is a thing with two
    /// drawings that are trained on, one that is held out, and one in another palette.
    pub(crate) fn corpus(&self) -> PathBuf {
        let mut things = "thing\tname\tgroup\tkeywords\theld_out\n".to_owned();
        let mut pictures = "image\tthing\tstyle\tsplit\n".to_owned();
        let mut variants = "image\tthing\tstyle\n".to_owned();
        for shape in ["square", "cross"] {
            things += &format!("{shape}\ta {shape}\tSymbols\tshape;figure\t0\n");
            for ((colour, _), (style, split)) in
                COLOURS.iter().zip([("noto", "train"), ("fluent", "train"), ("noto", "held-picture")])
            {
                pictures += &format!("{colour}-{shape}.png\t{shape}\t{style}\t{split}\n");
            }
            variants += &format!("black-{shape}.png\t{shape}\tnoto\n");
        }
        for (file, text) in [("things.tsv", things), ("pictures.tsv", pictures), ("variants.tsv", variants)] {
            fs::write(self.path(file), text).unwrap();
        }
        fs::create_dir_all(self.path("text")).unwrap();
        let texts: String = ["square", "cross"].iter().flat_map(|shape| texts(shape)).collect();
        for file in ["train.jsonl", "validation.jsonl"] {
            fs::write(self.path("text").join(file), &texts).unwrap();
        }
        self.folder.path().to_owned()
    }

    /// `towers vision` on that corpus, a tower of the smallest, with a folder of the run and more words.
    pub(crate) fn vision(&self, out: &str, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-train"));
        command.args(["towers", "vision", "--corpus"]).arg(self.corpus()).arg("--out").arg(self.path(out));
        let size = "--image-size 24 --width 32 --layers 1 --heads 2 --ffn 64 --batch 4 --variants 0.25";
        let course = "--warmup 2 --threads 1 --judge-every 8 --save-every 3";
        command.args(size.split(' ')).args(course.split(' '));
        in_f32_or(words, &mut command);
        command
    }

    /// `towers language` behind [`Scene::vision`] in its folder, with the small model's vocabulary and more words.
    pub(crate) fn language(&self, out: &str, words: &[&str]) -> Command {
        let vocabulary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt/tokenizer.json");
        fs::create_dir_all(self.path(out).join("opt")).unwrap();
        fs::copy(vocabulary, self.path(out).join("opt/tokenizer.json")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-train"));
        command.args(["towers", "language", "--corpus"]).arg(self.corpus()).arg("--out").arg(self.path(out));
        command.arg("--features").arg(self.path(out).join("vision-features.safetensors"));
        let size = "--width 32 --layers 1 --heads 2 --ffn 64 --positions 64 --max-len 32";
        let course = "--warmup 2 --threads 1 --judge-every 100 --save-every 50";
        command.args(size.split(' ')).args(course.split(' '));
        in_f32_or(words, &mut command);
        command
    }

    pub(crate) fn metrics(&self, out: &str) -> String {
        fs::read_to_string(self.path(out).join("metrics.jsonl")).unwrap()
    }
}

/// Adds the words, and f32 unless they say what is computed in.
fn in_f32_or(words: &[&str], command: &mut Command) {
    command.args(words);
    if !words.contains(&"--dtype") {
        command.args(["--dtype", "f32"]);
    }
}

/// A dialogue, a caption and a gloss about a shape.
fn texts(shape: &str) -> [String; 3] {
    [
        format!(
            r#"{{"text":"<pic>Q: What is this?\nA: This is a {shape}.\n","kind":"dialogue","pics":["{shape}"]}}"#
        ),
        format!(r#"{{"text":"a {shape}[RET]","kind":"caption"}}"#),
        format!(r#"{{"text":"A {shape} is a shape.","kind":"gloss"}}"#),
    ]
    .map(|line| line + "\n")
}

fn square(x: u32, y: u32) -> bool {
    (16..48).contains(&x) && (16..48).contains(&y)
}

fn cross(x: u32, y: u32) -> bool {
    (26..38).contains(&x) || (26..38).contains(&y)
}

/// Runs it, which must end well.
pub(crate) fn ends_well(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}
