//! What loading takes of memory: the final weights and one tensor more. A test binary of its own, since the peak of a
//! process's memory is shared by all of its tests.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::{fs, path::Path, process::Command};

use fondue_domain::TokenId;
use fondue_forms::{Values, safetensors, shapes, sharded};
use fondue_model::{
    Dtype, LanguageModel, Placement, mapping::Mapping, opt::Opt, placement::set_threads, weights::unwatched,
};
use tempfile::TempDir;

const OPT: shapes::Opt = shapes::Opt {
    hidden_size: 1024,
    num_hidden_layers: 3,
    num_attention_heads: 16,
    ffn_dim: 4096,
    vocab_size: 8000,
    max_position_embeddings: 512,
};
/// Bytes of the largest tensor of it in f32: the token table.
const LARGEST: u64 = 8000 * 1024 * 4;
/// What libtorch and the allocator take beside tensors.
const BESIDE: u64 = 12 << 20;

/// Bytes, by a line of Linux's account of this process.
fn account(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// What a call adds to the process's memory at its peak.
fn added<T>(call: impl FnOnce() -> T) -> (u64, T) {
    // Makes the peak what is in use now. Where that is not allowed, the peak so far stands in the way.
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = account(if reset { "VmRSS" } else { "VmHWM" });
    let result = call();
    (account("VmHWM").saturating_sub(before), result)
}

fn fill(tensors: Vec<Values>) -> Vec<Values> {
    // Data, not holes: a map of a hole costs the same, but files as published are what is measured.
    let filled = tensors.into_iter().map(|tensor| {
        let bytes = vec![0x11; tensor.len() as usize];
        Values { bytes: Some(bytes), ..tensor }
    });
    filled.collect()
}

fn write(form: &str, dtype: &'static str) -> (TempDir, u64) {
    let folder = tempfile::tempdir().unwrap();
    let (opt, fromage) = (folder.path().join("opt"), folder.path().join("fromage"));
    fs::create_dir(&opt).unwrap();
    fs::create_dir(&fromage).unwrap();
    fs::write(opt.join("config.json"), OPT.config().to_string()).unwrap();
    fs::write(fromage.join("model_args.json"), shapes::model_args(1, 256).to_string()).unwrap();
    let mapping = fill(shapes::mapping(1024, 1, 256, 1024, "BF16"));
    safetensors::write(&fromage.join("mapping.safetensors"), &mapping).unwrap();
    let tensors = fill(OPT.tensors(dtype));
    let elements = tensors.iter().chain(&mapping).map(|tensor| tensor.shape.iter().product::<u64>()).sum();
    let thirds: Vec<_> = tensors.chunks(tensors.len().div_ceil(3)).collect();
    sharded(&opt, if form == "bin" { "pytorch_model" } else { "model" }, form, &thirds).unwrap();
    (folder, elements)
}

/// What loading adds at its peak, measured in a process of its own: what was freed before would hide it.
fn load(folder: &Path, dtype: Dtype) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap());
    // Words that are no test's name are what the child is told.
    child.args([NAME, "--exact", "--nocapture", TOLD, &dtype.to_string()]).arg(folder);
    let output = child.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}{errors}");
    let line = text.lines().find_map(|line| line.split_once(TOLD));
    line.unwrap().1.trim().parse().unwrap()
}

/// The child's part.
fn told(dtype: &str, folder: &Path) {
    set_threads(1);
    let at = Placement { dtype: dtype.parse().unwrap(), ..Placement::CPU_F32 };
    let (opt, fromage) = (folder.join("opt"), folder.join("fromage"));
    let (peak, model) = added(|| LanguageModel::load(&opt, &fromage, TokenId(7990), at, &unwatched).unwrap());
    assert_eq!(model.ret(), TokenId(7990));
    println!("\n{TOLD} {peak}");
}

const NAME: &str = "loading_takes_the_weights_and_one_tensor_and_looking_takes_nothing";
const TOLD: &str = "load:";

#[test]
fn loading_takes_the_weights_and_one_tensor_and_looking_takes_nothing() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == TOLD) {
        return told(&words[at + 1], Path::new(&words[at + 2]));
    }
    for (form, stored) in [("safetensors", "F32"), ("safetensors", "F16"), ("bin", "F16")] {
        let (folder, elements) = write(form, stored);
        let (opt, fromage) = (folder.path().join("opt"), folder.path().join("fromage"));
        let (looked, survey) = added(|| Opt::survey(&opt).unwrap());
        assert!(survey.is_complete());
        assert!(looked < BESIDE, "a look took {looked} bytes");
        for (dtype, size) in [(Dtype::F32, 4), (Dtype::Bf16, 2)] {
            let weights = elements * size;
            let peak = load(folder.path(), dtype);
            println!("{form} {stored} as {dtype}: {weights} bytes of weights, {peak} at the peak");
            assert!(peak > weights * 9 / 10, "the weights are not even there: {peak} for {weights}");
            // Less than a second copy of the token table.
            assert!(peak < weights + LARGEST * 3 / 4, "{form} {stored} as {dtype}: {peak} for {weights}");
        }
        let (looked, survey) = added(|| Mapping::survey(&fromage, None, None).unwrap());
        assert!(survey.is_complete());
        assert!(looked < BESIDE, "a look took {looked} bytes");
    }
    hostile();
}

/// Files that are nothing but description, in the densest ways; the worst takes some tens of bytes for each of theirs.
fn hostile() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), OPT.config().to_string()).unwrap();
    let dims =
        |n: usize| format!(r#"{{"a":{{"dtype":"F32","shape":[{}1],"data_offsets":[0,4]}}}}"#, "1,".repeat(n));
    let empty = |n: usize| {
        let tensors =
            (0..n).map(|n| format!(r#""{n}":{{"dtype":"U8","shape":[],"data_offsets":[{n},{}]}}"#, n + 1));
        format!("{{{}}}", tensors.collect::<Vec<_>>().join(","))
    };
    for (name, header, data) in [
        ("many dimensions", dims(2 << 20), 4),
        ("many tensors", empty(60_000), 60_000),
        ("a header beyond what is read", dims(9 << 20), 4),
    ] {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        let length = bytes.len() as u64;
        fs::write(folder.path().join("model.safetensors"), &bytes).unwrap();
        drop((bytes, header));
        let (peak, result) = added(|| Opt::survey(folder.path()).map(|survey| survey.is_complete()));
        println!("{name}: {length} bytes, {peak} at the peak: {result:?}");
        assert!(!matches!(result, Ok(true)));
        assert!(peak < 64 * length.min(17 << 20) + BESIDE, "{name}: {peak} for {length}");
    }
}
