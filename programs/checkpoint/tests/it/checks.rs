//! `check`: what it tells of good models, and that it tells every fault of bad ones.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fondue_forms::{Values, safetensors, shapes, sharded, torch};
use serde_json::{Value, json};

use crate::{copy, faults, program, report, run, shipped};

#[test]
fn the_shipped_model_is_whole() {
    let (code, text, _) = run(&["check"], &[&shipped()]);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("\nok\n") && text.contains("all are finite numbers"), "{text}");
    let report = report(&[&shipped()]);
    let parts = report["parts"].as_array().unwrap();
    assert_eq!(
        parts.iter().map(|part| part["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["opt", "clip", "fromage"]
    );
    assert_eq!(parts[0]["tokenizer"]["[RET]"], 3999);
    assert_eq!(parts[0]["tokenizer"]["</s> (BOS, EOS)"], 2);
    assert_eq!(parts[1]["preprocessing"]["size"], parts[1]["architecture"]["image"]);
    assert_eq!(parts[2]["architecture"]["prefix vectors (k)"], 1);
    for part in parts {
        assert_eq!(part["tensors"]["dtypes"][0]["dtype"], "bf16");
        assert_eq!(part["tensors"]["missing"], json!([]));
        assert_eq!(part["values"]["not_finite"], json!([]));
    }
    assert_eq!(report["whole"]["trained parameters"], parts[2]["tensors"]["parameters"]);
    assert_eq!(parts[2]["fingerprint"].as_str().unwrap().len(), 64);
    // Its parts by themselves, in any order, are the same model.
    let folders = ["fromage", "opt", "clip"].map(|part| shipped().join(part));
    let apart = crate::report(&[&folders[0], &folders[1], &folders[2]]);
    assert_eq!((&apart["whole"], &apart["ok"]), (&report["whole"], &json!(true)));
}

#[test]
fn a_template_is_told_or_refused_with_what_would_be_right() {
    let model = copy();
    let path = model.path().join("fromage/dialogue.json");
    let write = |last: &str| {
        let text = format!(
            r#"{{"question_prefix": "User: ", "answer_prefix": "\nBot:", "turn_separator": {last}}}"#
        );
        fs::write(&path, text).unwrap();
        crate::report(&[&model.path().join("fromage")])
    };
    let whole = write(r#""</s>""#);
    let told = &whole["parts"][0]["architecture"];
    assert_eq!((&told["question prefix"], &told["answer prefix"]), (&json!("User: "), &json!("\nBot:")));
    assert_eq!((&told["turn separator"], &whole["ok"]), (&json!("</s>"), &json!(true)));
    let long = format!("{:?}", "x".repeat(65));
    for (last, what) in [(r#""", "style": "plain""#, "style"), (long.as_str(), "65 bytes"), ("7", "integer")]
    {
        let faults = faults(&write(last));
        assert!(faults.len() == 1 && faults[0].contains("dialogue.json: "), "{faults:?}");
        assert!(faults[0].contains(what), "{faults:?}");
    }
    let (code, text, _) = run(&["check"], &[&model.path().join("fromage")]);
    assert!(code == 1 && text.contains("remove the file"), "{text}");
}

#[test]
fn a_part_alone_is_checked_without_the_others() {
    for part in ["opt", "clip", "fromage"] {
        let folder = shipped().join(part);
        let report = report(&[&folder]);
        assert_eq!((&report["ok"], &report["parts"][0]["kind"]), (&json!(true), &json!(part)), "{report}");
    }
}

#[test]
fn a_fault_in_one_part_does_not_hide_those_of_others() {
    let model = copy();
    let opt = model.path().join("opt");
    let all = safetensors::read(&opt.join("model.safetensors")).unwrap();
    fs::remove_file(opt.join("model.safetensors")).unwrap();
    let thirds: Vec<_> = all.chunks(all.len().div_ceil(3)).collect();
    sharded(&opt, "pytorch_model", "bin", &thirds).unwrap();
    fs::write(opt.join("pytorch_model-00002-of-00003.bin"), "gone").unwrap();
    fs::write(opt.join("tokenizer.json"), "{").unwrap();
    fs::remove_file(model.path().join("clip/preprocessor_config.json")).unwrap();
    fs::write(model.path().join("fromage/model_args.json"), r#"{"n_visual_tokens": "one"}"#).unwrap();
    let report = report(&[model.path()]);
    let faults = faults(&report);
    let told = |word: &str| faults.iter().filter(|fault| fault.contains(word)).count();
    assert_eq!(faults.len(), 5, "{faults:#?}");
    for word in
        ["00002-of-00003.bin", "tensors are missing", "tokenizer.json", "preprocessor", "model_args.json"]
    {
        assert_eq!(told(word), 1, "{word}: {faults:#?}");
    }
    let missing = report["parts"][0]["tensors"]["missing"].as_array().unwrap();
    assert_eq!(missing.len(), thirds[1].len());
    // The tower's tensors were read all the same.
    assert!(report["parts"][1]["values"]["read"].as_u64().unwrap() > 0);
    let (code, text, _) = run(&["check"], &[model.path()]);
    assert_eq!(code, 1);
    assert!(text.contains("5 faults:") && text.contains("more (--verbose"), "{text}");
    let (_, verbose, _) = run(&["check", "--verbose", "--quick"], &[model.path()]);
    for tensor in thirds[1] {
        assert!(verbose.contains(&tensor.name), "{verbose}");
    }
}

#[test]
fn tensors_that_are_wrong_are_told_by_name_and_shape() {
    let model = copy();
    let path = model.path().join("clip/model.safetensors");
    let mut all = safetensors::read(&path).unwrap();
    let end = |name: &str, all: &[Values]| all.iter().position(|tensor| tensor.name.ends_with(name)).unwrap();
    all.remove(end("layers.0.mlp.fc1.bias", &all));
    let place = end("layers.1.mlp.fc1.bias", &all);
    all[place].shape = vec![2, all[place].shape[0] / 2];
    let place = end("layers.2.mlp.fc1.bias", &all);
    all[place] = Values::zeros(&all[place].name, "I64", &[1024]);
    all.push(Values::zeros("vision_model.encoder.layers.77.mlp.fc1.bias", "F16", &[4]));
    all.push(Values::zeros("text_model.final_layer_norm.bias", "F16", &[4]));
    // An infinite number in one, none in another.
    let place = end("layers.3.mlp.fc1.bias", &all);
    all[place].bytes.as_mut().unwrap()[..4].copy_from_slice(&[0x80, 0x7f, 0xc0, 0x7f]);
    safetensors::write(&path, &all).unwrap();
    let report = report(&[&model.path().join("clip")]);
    let part = &report["parts"][0];
    let tensors = &part["tensors"];
    assert!(tensors["missing"][0]["name"].as_str().unwrap().ends_with("layers.0.mlp.fc1.bias"));
    assert_eq!(tensors["missing"][0]["shape"], json!([1024]));
    let why = |n: usize| tensors["wrong"][n]["why"].as_str().unwrap();
    assert!(why(0).contains("has shape [2, 512], expected [1024]"), "{}", why(0));
    assert!(why(1).contains("stored as I64"), "{}", why(1));
    assert_eq!(tensors["unexpected"][0]["name"], "vision_model.encoder.layers.77.mlp.fc1.bias");
    assert_eq!(tensors["ignored"][0]["name"], "text_model.final_layer_norm.bias");
    let not_finite = part["values"]["not_finite"].as_array().unwrap();
    assert_eq!((not_finite.len(), &not_finite[0]["values"]), (1, &json!(2)), "{not_finite:?}");
    assert_eq!(faults(&report).len(), 4);
    // The values are not looked at where that is not wanted.
    let (code, quick, _) = run(&["check", "--quick", "--json"], &[&model.path().join("clip")]);
    let quick: Value = serde_json::from_str(&quick).unwrap();
    assert_eq!((code, faults(&quick).len(), &quick["parts"][0]["values"]), (1, 3, &Value::Null));
}

#[test]
fn parts_of_two_models_are_told() {
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("model_args.json"), shapes::model_args(1, 256).to_string()).unwrap();
    let layers = shapes::mapping(64, 1, 256, 48, "F32");
    torch::write_checkpoint(&other.path().join("pretrained_ckpt.pth.tar"), &layers).unwrap();
    assert_eq!(report(&[other.path()])["ok"], true, "by itself it is whole");
    let (opt, clip) = (shipped().join("opt"), shipped().join("clip"));
    let faults = faults(&report(&[&opt, &clip, other.path()]));
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].contains("tokens are 256 wide, the mapping layers are for 64"), "{faults:#?}");
    assert!(faults[1].contains("gives 256 features, the mapping layers take 48"), "{faults:#?}");

    // A tokenizer of more entries than the table has rows, and preprocessing for another tower.
    let model = copy();
    let edit = |path: &str, key: &str, value: Value| {
        let path = model.path().join(path);
        let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        json[key] = value;
        fs::write(path, json.to_string()).unwrap();
    };
    let path = model.path().join("opt/model.safetensors");
    let mut all = safetensors::read(&path).unwrap();
    for tensor in all.iter_mut().filter(|tensor| tensor.name.ends_with("embed_tokens.weight")) {
        *tensor = Values::zeros(&tensor.name, "F32", &[1000, 256]);
    }
    safetensors::write(&path, &all).unwrap();
    edit("opt/config.json", "vocab_size", json!(1000));
    edit("opt/config.json", "eos_token_id", json!(7));
    edit("clip/preprocessor_config.json", "size", json!({"shortest_edge": 224}));
    edit("clip/preprocessor_config.json", "crop_size", json!({"height": 224, "width": 224}));
    let faults = crate::faults(&report(&[model.path()]));
    assert_eq!(faults.len(), 3, "{faults:#?}");
    assert!(faults[0].contains("[RET] has id 3999, the token embedding has 1000 rows"), "{faults:#?}");
    assert!(faults[1].contains("eos_token_id is 7"), "{faults:#?}");
    assert!(faults[2].contains("224 pixels wide, the tower takes 72"), "{faults:#?}");
}

#[test]
fn a_head_of_its_own_is_told() {
    let model = copy();
    let path = model.path().join("opt/model.safetensors");
    let mut all = safetensors::read(&path).unwrap();
    let table = all.iter().find(|tensor| tensor.name.ends_with("embed_tokens.weight")).unwrap().clone();
    all.push(table.clone().named("lm_head.weight"));
    safetensors::write(&path, &all).unwrap();
    assert_eq!(report(&[model.path()])["ok"], true);
    all.pop();
    all.push(Values { bytes: None, ..table }.named("lm_head.weight"));
    safetensors::write(&path, &all).unwrap();
    let faults = faults(&report(&[model.path()]));
    assert!(faults.len() == 1 && faults[0].contains("lm_head.weight"), "{faults:#?}");
}

#[test]
fn what_is_no_model_is_told_soon() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path| -> String {
        let start = Instant::now();
        let faults = faults(&report(&[path]));
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        faults[0].clone()
    };
    assert!(check(&folder.path().join("absent")).contains("cannot be read as a folder"));
    assert!(check(folder.path()).contains("config.json"));
    let config = folder.path().join("config.json");
    fs::write(&config, r#"{"model_type": "llama"}"#).unwrap();
    assert!(check(folder.path()).contains("llama"));
    fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    assert!(check(folder.path()).contains("no regular file"));
    // A model folder that lacks a part, which may be named by itself.
    let model = copy();
    fs::remove_dir_all(model.path().join("clip")).unwrap();
    assert!(check(model.path()).contains("lacks its part clip"));
    assert_eq!(report(&[model.path(), &shipped().join("clip")])["ok"], true);
    // No word of a command line is taken for a folder.
    assert_eq!(run(&["check"], &[]).0, 2);
}

#[test]
fn an_output_that_nobody_reads_is_no_failure_and_a_full_disk_is_one() {
    for words in [&["check", "--quick"][..], &["check", "--quick", "--json"]] {
        let check = |out: Stdio| {
            let mut child =
                program().args(words).arg(shipped()).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        assert_eq!(check(Stdio::piped()), (Some(0), String::new()));
        let (code, text) = check(fs::File::options().write(true).open("/dev/full").unwrap().into());
        assert_eq!(code, Some(1), "{text}");
        assert!(text.starts_with("error: writing to stdout: No space left"), "{text}");
    }
}
