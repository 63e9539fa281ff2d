//! Whole runs: what they write, what is left out, how they go on, how several processes share one.

use std::{
    fs,
    io::Read,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use fondue_domain::TokenId;
use fondue_model::{
    LanguageModel, Placement, Tokenizer,
    mapping::Mapping,
    weights::{Weights, unwatched},
};
use fondue_train::ground::trained::NAMES;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::scene::{Scene, ends_well};

const TEN: &[&str] = &["--iterations", "10", "--steps-per-epoch", "4", "--checkpoint-every", "3", "--quiet"];

fn losses(metrics: &str) -> Vec<f64> {
    let lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line["train/loss"].as_f64()).collect()
}

#[test]
fn a_run_learns_and_writes_the_published_layout() {
    let scene = Scene::new();
    let words = ["--iterations", "40", "--steps-per-epoch", "20", "--quiet", "--batch", "8"];
    let mut command = scene.ground("train.tsv", "run", &words);
    command.arg("--validation").arg(scene.path("train.tsv"));
    ends_well(command);
    let metrics = scene.metrics("run");
    let losses = losses(&metrics);
    assert_eq!(losses.len(), 40);
    assert!(losses[39] < losses[0] - 3.0, "{losses:?}");
    assert_eq!(metrics.matches("validation/bleu4").count(), 3, "before the first epoch and after each");
    // The services read it.
    let opt = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
    let ret: TokenId = Tokenizer::load(&opt).unwrap().ret();
    let fromage = scene.path("run/fromage");
    LanguageModel::load(&opt, &fromage, ret, Placement::CPU_F32, &unwatched).unwrap();
    for file in fs::read_dir(&fromage).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644, "{file:?}");
    }
    // The published form holds the same.
    let torch = scene.path("torch");
    fs::create_dir(&torch).unwrap();
    for name in ["model_args.json", "pretrained_ckpt.pth.tar"] {
        fs::copy(fromage.join(name), torch.join(name)).unwrap();
    }
    let [ours, theirs] = [&fromage, &torch].map(|folder| Weights::open_mapping(folder, &unwatched).unwrap());
    for name in NAMES {
        let tensor = |weights: &Weights<'_>| {
            weights.tensor(name, weights.shape(name).unwrap(), Placement::CPU_F32).unwrap().flatten(0, -1)
        };
        assert!(tensor(&ours) == tensor(&theirs), "{name}");
    }
    // And a run begins with it.
    ends_well({
        let mut command = scene.ground("train.tsv", "tuned", &words);
        command.arg("--init").arg(&fromage);
        command
    });
    assert!(self::losses(&scene.metrics("tuned"))[0] < losses[0] - 3.0);
}

#[test]
fn bad_rows_are_listed_and_left_out() {
    let scene = Scene::new();
    let mut table = fs::read_to_string(scene.path("train.tsv")).unwrap();
    table += "a ghost\tnowhere.png\nbroken\tbroken.png\n\tred-cross.png\n";
    fs::write(scene.path("some.tsv"), &table).unwrap();
    fs::write(scene.path("broken.png"), "no picture").unwrap();
    ends_well(scene.ground("some.tsv", "run", &["--iterations", "2"]));
    let list = fs::read_to_string(scene.path("run/bad-rows.tsv")).unwrap();
    let told: Vec<&str> = list.lines().skip(1).map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(told, ["10", "11", "12"], "{list}");

    fs::write(scene.path("few.tsv"), "caption\timage\na\tred-cross.png\nb\tnowhere.png\n").unwrap();
    let output = scene.ground("few.tsv", "few", &["--iterations", "2"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("1 rows are left"), "{error}");
}

/// Waits until a run has written this many lines of metrics.
fn until(scene: &Scene, out: &str, lines: usize, child: &mut Child) {
    let begun = Instant::now();
    let path = scene.path(out).join("metrics.jsonl");
    while fs::read_to_string(&path).unwrap_or_default().lines().count() < lines {
        assert!(begun.elapsed() < Duration::from_secs(120), "it does not begin");
        if let Some(status) = child.try_wait().unwrap() {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("it ended with {status}: {error}");
        }
        std::thread::sleep(Duration::from_millis(5)); // between looks
    }
}

#[test]
fn after_kill_9_the_curve_and_the_weights_are_those_of_an_undisturbed_run() {
    let scene = Scene::new();
    // Updates of three batches, so that a checkpoint falls between two.
    let words =
        ["--iterations", "60", "--steps-per-epoch", "22", "--checkpoint-every", "5", "--accumulate", "3"];
    let words = [&words[..], &["--quiet", "--views", "2"]].concat();
    ends_well(scene.ground("train.tsv", "whole", &words));
    for lines in [8, 31] {
        let mut child = scene.ground("train.tsv", "killed", &words).stderr(Stdio::piped()).spawn().unwrap();
        until(&scene, "killed", lines, &mut child);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it had ended before");
    }
    ends_well(scene.ground("train.tsv", "killed", &words));
    assert_eq!(scene.metrics("killed"), scene.metrics("whole"));
    let weights = |out: &str| fs::read(scene.path(out).join("fromage/mapping.safetensors")).unwrap();
    assert!(weights("killed") == weights("whole"));
}

#[test]
fn ctrl_c_keeps_what_was_done_and_another_run_is_not_taken_up() {
    let scene = Scene::new();
    let words = ["--iterations", "60", "--checkpoint-every", "1000"];
    ends_well(scene.ground("train.tsv", "whole", &words));
    let mut child = scene.ground("train.tsv", "cut", &words).stderr(Stdio::piped()).spawn().unwrap();
    until(&scene, "cut", 5, &mut child);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{error}");
    assert!(error.contains("of 60 iterations are kept"), "{error}");

    let other = scene.ground("train.tsv", "cut", &[&words[..], &["--seed", "5"]].concat()).output().unwrap();
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && error.contains("seed: 0 there, 5 now"), "{error}");

    ends_well(scene.ground("train.tsv", "cut", &words));
    assert_eq!(scene.metrics("cut"), scene.metrics("whole"));
}

#[test]
fn two_processes_have_the_losses_of_one() {
    let scene = Scene::new();
    // Pairs need even shares; the last row of a batch has no [RET], so that shares differ.
    let mut table = "caption\timage\tret\n".to_owned();
    let rows = fs::read_to_string(scene.path("train.tsv")).unwrap();
    table.extend(rows.lines().skip(1).enumerate().map(|(n, row)| format!("{row}\t{}\n", u8::from(n != 3))));
    fs::write(scene.path("mixed.tsv"), table).unwrap();
    ends_well(scene.ground("mixed.tsv", "one", TEN));
    ends_well(scene.ground("mixed.tsv", "two", &[TEN, &["--processes", "2"]].concat()));
    let (one, two) = (losses(&scene.metrics("one")), losses(&scene.metrics("two")));
    assert_eq!(one.len(), 10);
    assert_eq!(one.len(), two.len());
    for (one, two) in one.iter().zip(&two) {
        assert!((one - two).abs() < 1e-5 * one.abs(), "{one} is not {two}");
    }
    // Each by its own command, as on two machines.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let start = |rank| {
        let words = ["--rank", rank, "--world", "2", "--rendezvous", &address];
        scene.ground("mixed.tsv", "met", &[TEN, &words].concat()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for child in [start("1"), start("0")] {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(scene.metrics("met"), scene.metrics("two"));
}

#[test]
fn the_row_of_ret_has_the_mean_length_of_the_others() {
    let scene = Scene::new();
    ends_well(scene.ground("train.tsv", "run", TEN));
    let opt = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model/opt");
    let ret = Tokenizer::load(&opt).unwrap().ret();
    let net = fondue_train::nets::opt::OptNet::load(&opt, Placement::TORCH_F32, &unwatched).unwrap();
    let others = net.table().narrow(0, 0, ret.as_i64());
    let mean =
        others.norm_scalaropt_dim(2, [1i64].as_slice(), false).mean(tch::Kind::Float).double_value(&[]);
    let mapping = Mapping::load(
        &scene.path("run/fromage"),
        net.config().word_dim(),
        ret,
        Placement::TORCH_F32,
        &unwatched,
    );
    let length = mapping.unwrap().ret_row().norm().double_value(&[]);
    assert!((length - mean).abs() < 1e-5 * mean, "{length} is not {mean}");
}

/// The row of `[RET]` that a run has written.
fn ret_row(scene: &Scene, out: &str) -> Vec<f32> {
    let file = scene.path(out).join("fromage/mapping.safetensors");
    let named = Tensor::read_safetensors(file).unwrap();
    let (_, row) = named.iter().find(|(name, _)| name == "ret_input_embeddings.weight").unwrap();
    Vec::try_from(row.to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

#[test]
fn the_row_of_ret_stays_where_that_is_wished() {
    let scene = Scene::new();
    let words = |n: &'static str| ["--iterations", n, "--quiet"];
    for (out, n, freeze) in [("first", "1", false), ("frozen", "6", true), ("free", "6", false)] {
        let mut command = scene.ground("train.tsv", out, &words(n));
        if out != "first" {
            command.arg("--init").arg(scene.path("first/fromage"));
        }
        if freeze {
            command.arg("--freeze-ret");
        }
        ends_well(command);
    }
    let [first, frozen, free] = ["first", "frozen", "free"].map(|out| ret_row(&scene, out));
    assert_eq!(frozen, first);
    assert_ne!(free, first);
}

/// The most memory, in bytes, that a run held, and the bytes of what it trained.
fn held(scene: &Scene, dim: &str) -> (f64, f64) {
    let out = format!("run-{dim}");
    let words = ["--iterations", "4", "--shared-dim", dim, "--captioning-weight", "0", "--quiet"];
    let mut child = scene.ground("train.tsv", &out, &words).spawn().unwrap();
    let mut most = 0.0f64;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        most = most.max(kib.unwrap_or_default() * 1024.0);
        std::thread::sleep(Duration::from_millis(1)); // between looks
    }
    assert!(child.wait().unwrap().success());
    let written = fs::metadata(scene.path(&out).join("fromage/mapping.safetensors")).unwrap().len();
    (most, written as f64)
}

#[test]
fn training_holds_at_most_six_times_what_is_trained() {
    let scene = Scene::new();
    // Weights, activations and libtorch itself are the same in both; what differs is what is trained.
    let (small, large) = (held(&scene, "256"), held(&scene, "65000"));
    let times = (large.0 - small.0) / (large.1 - small.1);
    println!("{times:.2} times the trained parameters");
    assert!(times <= 6.0, "{times:.2} times the trained parameters: {small:?}, {large:?}");
    assert!(
        times >= 3.0,
        "parameters, gradients and two moments cannot take {times:.2} times: {small:?}, {large:?}"
    );
}

#[test]
fn bf16_trains_too() {
    let scene = Scene::new();
    let words = ["--iterations", "30", "--quiet", "--preset", "reference"];
    ends_well(scene.ground("train.tsv", "run", &words));
    let losses = losses(&scene.metrics("run"));
    assert!(losses[29] < losses[0] - 2.0, "{losses:?}");
}
