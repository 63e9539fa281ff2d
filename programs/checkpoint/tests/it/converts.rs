//! `convert`: the same numbers from every form, all of it or nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fondue_domain::TokenId;
use fondue_forms::{Values, safetensors, shapes, sharded, torch};
use fondue_model::{
    LanguageModel, Placement, VisionTower, layers::values, placement::set_threads, weights::unwatched,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{copy, program, report, run, shipped};

/// The shipped model in other forms: OPT in three pickled shards without Hugging Face's prefix and with a head, CLIP as
/// a part of a whole model, the mapping layers within a training checkpoint.
fn published() -> TempDir {
    let folder = copy();
    let path = |name: &str| folder.path().join(name);
    let opt = safetensors::read(&path("opt/model.safetensors")).unwrap();
    let mut opt: Vec<Values> = opt
        .into_iter()
        .map(|tensor| tensor.clone().named(tensor.name.strip_prefix("model.").unwrap_or(&tensor.name)))
        .collect();
    let table = opt.iter().find(|tensor| tensor.name == "decoder.embed_tokens.weight").unwrap();
    opt.push(table.clone().named("lm_head.weight"));
    fs::remove_file(path("opt/model.safetensors")).unwrap();
    let thirds: Vec<_> = opt.chunks(opt.len().div_ceil(3)).collect();
    sharded(&path("opt"), "pytorch_model", "bin", &thirds).unwrap();

    let clip = safetensors::read(&path("clip/model.safetensors")).unwrap().into_iter();
    let mut clip: Vec<Values> = clip.map(within_clip).collect();
    clip.push(Values::zeros("text_model.final_layer_norm.bias", "F32", &[4]));
    clip.push(Values::zeros("vision_model.embeddings.position_ids", "I64", &[1, 17]));
    fs::remove_file(path("clip/model.safetensors")).unwrap();
    torch::write(&path("clip/pytorch_model.bin"), &clip).unwrap();
    let tower: Value = serde_json::from_slice(&fs::read(path("clip/config.json")).unwrap()).unwrap();
    let whole =
        json!({"model_type": "clip", "torch_dtype": "bfloat16", "text_config": {}, "vision_config": tower});
    fs::write(path("clip/config.json"), whole.to_string()).unwrap();

    let mapping = safetensors::read(&path("fromage/mapping.safetensors")).unwrap();
    let (row, mut mapping): (Vec<_>, Vec<_>) =
        mapping.into_iter().partition(|tensor| tensor.name == "ret_input_embeddings.weight");
    let row = row[0].bytes.clone().unwrap();
    let mut bytes = vec![0x11; row.len() * 3999];
    bytes.extend(row);
    let shape = vec![4000, 256];
    mapping.push(Values {
        name: "model.input_embeddings.weight".to_owned(),
        dtype: "BF16",
        shape,
        bytes: Some(bytes),
    });
    mapping.push(Values::zeros("model.lm.model.decoder.final_layer_norm.bias", "BF16", &[256]));
    let mapping: Vec<_> =
        mapping.into_iter().map(|tensor| tensor.clone().named(&format!("module.{}", tensor.name))).collect();
    fs::remove_file(path("fromage/mapping.safetensors")).unwrap();
    torch::write_checkpoint(&path("fromage/ckpt_best.pth.tar"), &mapping).unwrap();
    folder
}

/// Under the name that a whole CLIP has for it.
fn within_clip(tensor: Values) -> Values {
    let name = tensor.name.strip_prefix("vision_model.").unwrap_or(&tensor.name);
    tensor.clone().named(&format!("vision_model.{name}"))
}

/// All tensors of a converted part.
fn tensors(folder: &Path) -> Vec<Values> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    let mut all: Vec<Values> = files.iter().flat_map(|file| safetensors::read(file).unwrap()).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn convert(words: &[&str], from: &Path, out: &Path) -> (i32, String) {
    let words = [&["convert", "--out", out.to_str().unwrap()], words].concat();
    let (code, text, errors) = run(&words, &[from]);
    (code, text + &errors)
}

/// Names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

const PARTS: [(&str, &str); 3] =
    [("clip", "model.safetensors"), ("fromage", "mapping.safetensors"), ("opt", "model.safetensors")];

#[test]
fn every_form_becomes_the_same_files() {
    let (from, to) = (published(), tempfile::tempdir().unwrap());
    let template = r#"{"question_prefix": "User: ", "answer_prefix": "\nBot:", "turn_separator": ""}"#;
    fs::write(from.path().join("fromage/dialogue.json"), template).unwrap();
    let out = to.path().join("model");
    assert_eq!(convert(&[], from.path(), &out).0, 0);
    assert_eq!(names(to.path()), ["model"]);
    assert_eq!(fs::read_to_string(out.join("fromage/dialogue.json")).unwrap(), template);
    for (part, file) in PARTS {
        let mut expected = safetensors::read(&shipped().join(part).join(file)).unwrap();
        if part == "clip" {
            expected = expected.into_iter().map(within_clip).collect();
        }
        assert!(tensors(&out.join(part)) == expected, "{part}");
    }
    let config: Value = serde_json::from_slice(&fs::read(out.join("clip/config.json")).unwrap()).unwrap();
    assert_eq!((&config["model_type"], &config["hidden_size"]), (&json!("clip_vision_model"), &json!(256)));
    for file in ["opt/tokenizer.json", "clip/preprocessor_config.json", "fromage/model_args.json"] {
        assert_eq!(fs::read(out.join(file)).unwrap(), fs::read(shipped().join(file)).unwrap(), "{file}");
    }
    assert_eq!(report(&[&out])["ok"], true);
    // Converting it once more changes nothing.
    let again = to.path().join("again");
    assert_eq!(convert(&[], &out, &again).0, 0);
    for (part, file) in PARTS {
        let bytes = |folder: &Path| fs::read(folder.join(part).join(file)).unwrap();
        assert!(bytes(&out) == bytes(&again), "{part}");
    }
}

#[test]
fn the_result_gives_the_same_numbers_in_shards_and_other_precisions() {
    set_threads(1);
    let (from, to) = (published(), tempfile::tempdir().unwrap());
    let logits = |folder: &Path| {
        let (opt, fromage) = (folder.join("opt"), folder.join("fromage"));
        let model =
            LanguageModel::load(&opt, &fromage, TokenId(3999), Placement::CPU_F32, &unwatched).unwrap();
        let vectors = model.embed_tokens(&[2, 100, 3999, 7].map(TokenId)).unwrap();
        let hidden = model.run(vectors).unwrap();
        let tower = VisionTower::load(&folder.join("clip"), Placement::CPU_F32, &unwatched).unwrap();
        let pixels = vec![0.5; 3 * tower.image_size().pow(2)];
        let embedding = model.mapping().project(&tower.encode(&[pixels]).unwrap()).unwrap();
        (values(&hidden).unwrap(), model.logits(&hidden).unwrap(), embedding)
    };
    let expected = logits(from.path());
    for (dtype, same) in [("keep", true), ("f32", true), ("bf16", true), ("f16", false)] {
        let out = to.path().join(dtype);
        let (code, text) = convert(&["--dtype", dtype, "--shard-bytes", "3000000"], from.path(), &out);
        assert_eq!(code, 0, "{text}");
        let shards = names(&out.join("opt")).iter().filter(|name| name.ends_with(".safetensors")).count();
        assert!(shards >= 3 && out.join("opt/model.safetensors.index.json").exists(), "{shards}");
        for shard in names(&out.join("opt")).iter().filter(|name| name.ends_with(".safetensors")) {
            assert!(fs::metadata(out.join("opt").join(shard)).unwrap().len() < 3_100_000 || dtype == "f32");
        }
        assert_eq!(report(&[&out])["ok"], true);
        if same {
            assert!(logits(&out) == expected, "{dtype}");
        } else {
            let largest = |all: &[f32]| all.iter().fold(0f32, |most, value| most.max(value.abs()));
            let got = logits(&out);
            let differences: Vec<f32> = got.0.iter().zip(&expected.0).map(|(a, b)| a - b).collect();
            assert!(largest(&differences) < 1e-3 * largest(&expected.0), "{}", largest(&differences));
        }
    }
    let config: Value =
        serde_json::from_slice(&fs::read(to.path().join("f16/opt/config.json")).unwrap()).unwrap();
    assert!([&config["torch_dtype"], &config["dtype"]].contains(&&json!("float16")), "{config}");
    // Rounded as anyone rounds.
    let mapping = safetensors::read(&shipped().join("fromage/mapping.safetensors")).unwrap();
    let rounded: Vec<_> = mapping.iter().map(|tensor| tensor.rounded("F16").unwrap()).collect();
    assert!(tensors(&to.path().join("f16/fromage")) == rounded);
}

#[test]
fn what_is_there_is_not_replaced_by_accident() {
    let to = tempfile::tempdir().unwrap();
    let out = to.path().join("model");
    fs::create_dir(&out).unwrap();
    let (code, text) = convert(&[], &shipped(), &out);
    assert!(code == 1 && text.contains("--force"), "{text}");
    // With --force only what is a model itself.
    fs::write(out.join("letters.txt"), "dear").unwrap();
    let (code, text) = convert(&["--force"], &shipped(), &out);
    assert!(code == 1 && text.contains("letters.txt"), "{text}");
    fs::remove_file(out.join("letters.txt")).unwrap();
    fs::create_dir(out.join("opt")).unwrap();
    fs::write(out.join("opt/old"), "old").unwrap();
    let (code, text) = convert(&["--force"], &shipped(), &out);
    assert_eq!(code, 0, "{text}");
    assert_eq!((names(to.path()), out.join("opt/old").exists()), (vec!["model".to_owned()], false));
    // Not the model that is being read.
    let before = tensors(&out.join("opt"));
    let (code, text) = convert(&["--force", "--dtype", "f16"], &out, &out);
    assert!(code == 1 && text.contains("write beside it"), "{text}");
    assert!(tensors(&out.join("opt")) == before);
    // A file, and a folder that is not there.
    fs::write(to.path().join("file"), "").unwrap();
    assert_eq!(convert(&["--force"], &shipped(), &to.path().join("file")).0, 1);
    assert_eq!(convert(&[], &shipped(), &to.path().join("absent/model")).0, 1);
    assert_eq!(names(to.path()), ["file", "model"]);
}

#[test]
fn what_is_damaged_or_does_not_fit_is_not_written() {
    let to = tempfile::tempdir().unwrap();
    let out = to.path().join("model");
    let model = copy();
    let path = model.path().join("fromage/mapping.safetensors");
    let mut all = safetensors::read(&path).unwrap();
    let place = all.iter().position(|tensor| tensor.name == "model.visual_fc.bias").unwrap();
    let good = all[place].clone();
    let mut floats = good.to_floats().unwrap();
    // Too large for half precision, which ends at 65504.
    floats[3] = 1e6;
    all[place] = Values::floats(&good.name, &good.shape, &floats);
    safetensors::write(&path, &all).unwrap();
    let (code, text) = convert(&["--dtype", "f16"], model.path(), &out);
    assert!(code == 1 && text.contains("visual_fc.bias") && text.contains("too large for f16"), "{text}");
    assert_eq!(names(to.path()), [""; 0]);
    assert_eq!(convert(&["--dtype", "bf16"], model.path(), &out).0, 0);
    fs::remove_dir_all(&out).unwrap();
    floats[3] = f32::NAN;
    all[place] = Values::floats(&good.name, &good.shape, &floats);
    safetensors::write(&path, &all).unwrap();
    let (code, text) = convert(&[], model.path(), &out);
    assert!(code == 1 && text.contains("no finite numbers"), "{text}");
    fs::remove_file(model.path().join("opt/tokenizer.json")).unwrap();
    let (code, text) = convert(&[], model.path(), &out);
    assert!(code == 1 && text.contains("what has faults is not converted"), "{text}");
    // Two parts of one kind.
    let opt = shipped().join("opt");
    let (code, _, errors) = run(&["convert", "--out", out.to_str().unwrap()], &[&opt, &opt]);
    assert!(code == 1 && errors.contains("one of each kind"), "{errors}");
    assert_eq!(names(to.path()), [""; 0]);
}

#[test]
fn an_interrupted_conversion_leaves_nothing() {
    // Three gigabytes of holes: long enough to be interrupted, and nothing of it need be written before.
    let size = shapes::Opt { num_hidden_layers: 4, ..shapes::Opt::B6_7 };
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(from.path().join("config.json"), size.config().to_string()).unwrap();
    fs::copy(shipped().join("opt/tokenizer.json"), from.path().join("tokenizer.json")).unwrap();
    safetensors::write(&from.path().join("model.safetensors"), &size.tensors("F32")).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = program();
        command.args(["convert", "--dtype", "bf16", "--out"]).arg(to.path().join("out")).arg(from.path());
        let mut child = command.spawn().unwrap();
        let start = Instant::now();
        while !names(to.path()).iter().any(|name| to.path().join(name).join("opt/model.safetensors").exists())
        {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(names(to.path()), [""; 0]);
    }
}
