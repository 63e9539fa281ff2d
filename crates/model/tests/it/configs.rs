//! Configurations that ask for too much, or for nothing.

use std::{fs, path::Path, process::Command};

use fondue_domain::TokenId;
use fondue_forms::{safetensors, shapes};
use fondue_model::{
    Placement, VisionTower,
    mapping::{Mapping, ModelArgs},
    opt::{Opt, OptConfig},
    vision::VisionConfig,
    weights::unwatched,
};
use serde_json::{Value, json};

use crate::{refused, shipped};

fn shipped_json(path: &str) -> Value {
    serde_json::from_slice(&fs::read(shipped(path)).unwrap()).unwrap()
}

/// The values that a size must not have.
fn bad_sizes() -> Vec<Value> {
    let mut bad = vec![json!(0), json!(-1), json!(i64::MIN), json!(i64::MAX), json!(u64::MAX), json!(1e300)];
    bad.extend([json!("64"), json!(null), json!([64]), json!({}), json!(true), json!(64.5)]);
    bad
}

/// Files that are no configuration at all.
fn bad_files() -> Vec<Vec<u8>> {
    let mut bad: Vec<Vec<u8>> = ["", "{", "[]", "null", "\u{feff}{}", "{}"].map(|text| text.into()).to_vec();
    bad.push(vec![0xff; 100]);
    bad.push("[".repeat(1_000_000).into());
    bad.push(format!("{{\"a\":{}", "{\"a\":".repeat(100_000)).into());
    bad.push(vec![b' '; 3 << 20]);
    bad.push(format!("{{\"hidden_size\": \"{}\"}}", "x".repeat(900_000)).into());
    bad
}

#[test]
fn sizes_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let opt = ["hidden_size", "num_hidden_layers", "num_attention_heads", "ffn_dim", "vocab_size"];
    for key in opt.iter().chain(&["max_position_embeddings"]) {
        for value in bad_sizes() {
            let mut config = shipped_json("opt/config.json");
            config[key] = value;
            fs::write(&path, config.to_string()).unwrap();
            refused("config.json", || OptConfig::load(folder.path()));
        }
    }
    let clip = ["hidden_size", "intermediate_size", "num_attention_heads", "image_size", "patch_size"];
    for key in clip {
        for value in bad_sizes() {
            let mut config = shipped_json("clip/config.json");
            config[key] = value;
            fs::write(&path, config.to_string()).unwrap();
            refused("config.json", || VisionConfig::load(folder.path()));
        }
    }
    let path = folder.path().join("model_args.json");
    for key in ["n_visual_tokens", "shared_emb_dim", "text_emb_layers"] {
        for value in bad_sizes() {
            let mut args = shipped_json("fromage/model_args.json");
            args[key] = value;
            fs::write(&path, args.to_string()).unwrap();
            refused("model_args.json", || ModelArgs::load(folder.path()));
        }
    }
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in bad_files() {
        for name in ["config.json", "model_args.json"] {
            fs::write(folder.path().join(name), &bytes).unwrap();
        }
        refused("config.json", || OptConfig::load(folder.path()));
        refused("config.json", || VisionConfig::load(folder.path()));
        refused("model_args.json", || ModelArgs::load(folder.path()));
    }
}

#[test]
fn pipes_folders_and_devices_are_refused_without_waiting() {
    let check = |make: &dyn Fn(&Path)| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model_args.json"] {
            make(&folder.path().join(name));
        }
        refused("config.json", || OptConfig::load(folder.path()));
        refused("config.json", || VisionConfig::load(folder.path()));
        refused("model_args.json", || ModelArgs::load(folder.path()));
    };
    check(&|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()));
    check(&|path| fs::create_dir(path).unwrap());
    check(&|path| std::os::unix::fs::symlink("/dev/zero", path).unwrap());
    check(&|path| std::os::unix::fs::symlink("absent", path).unwrap());
}

#[test]
fn other_models_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for (key, value) in [
        ("model_type", json!("llama")),
        ("activation_function", json!("gelu")),
        ("layer_norm_elementwise_affine", json!(false)),
        ("tie_word_embeddings", json!(false)),
        ("num_attention_heads", json!(7)),
    ] {
        let mut config = shipped_json("opt/config.json");
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        refused("config.json", || OptConfig::load(folder.path()));
    }
    for (key, value) in [
        ("model_type", json!("siglip")),
        ("hidden_act", json!("relu")),
        ("num_channels", json!(1)),
        ("patch_size", json!(15)),
        ("layer_norm_eps", json!(-1)),
    ] {
        let mut config = shipped_json("clip/config.json");
        config[key] = value;
        fs::write(&path, config.to_string()).unwrap();
        refused("config.json", || VisionConfig::load(folder.path()));
    }
}

#[test]
fn nothing_is_set_aside_for_sizes_that_the_files_do_not_have() {
    // Weights of one small layer under a configuration that stands for 2⁴⁸ parameters in each matrix.
    let folder = tempfile::tempdir().unwrap();
    let small = shapes::Opt {
        hidden_size: 8,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        ffn_dim: 16,
        vocab_size: 1 << 24,
        max_position_embeddings: 16,
    };
    let mut tensors = small.tensors("F16");
    let large = shapes::Opt { hidden_size: 1 << 24, num_hidden_layers: 1024, ffn_dim: 1 << 24, ..small };
    fs::write(folder.path().join("config.json"), large.config().to_string()).unwrap();
    safetensors::write(&folder.path().join("model.safetensors"), &tensors).unwrap();
    let load = || Opt::load(folder.path(), Placement::CPU_F32, &unwatched);
    assert!(refused("model.safetensors", load).contains("embed_tokens.weight"));
    let survey = Opt::survey(folder.path()).unwrap();
    assert_eq!(survey.faults.len(), 2 + 1024 * 16 + 2);

    // The table and the positions are as they should be, and then a layer's three matrices are not.
    let medium = shapes::Opt { vocab_size: 16, ..small };
    tensors = medium.tensors("F16");
    tensors.retain(|tensor| !tensor.name.ends_with("k_proj.weight"));
    fs::write(folder.path().join("config.json"), medium.config().to_string()).unwrap();
    safetensors::write(&folder.path().join("model.safetensors"), &tensors).unwrap();
    assert!(refused("model.safetensors", load).contains("k_proj.weight` [8, 8] is missing"));

    let mapping = tempfile::tempdir().unwrap();
    fs::write(mapping.path().join("model_args.json"), shapes::model_args(1024, 1 << 16).to_string()).unwrap();
    safetensors::write(&mapping.path().join("mapping.safetensors"), &shapes::mapping(8, 1, 4, 6, "F16"))
        .unwrap();
    let load = || Mapping::load(mapping.path(), 1 << 24, TokenId(9), Placement::CPU_F32, &unwatched);
    refused("mapping.safetensors", load);
    assert!(!Mapping::survey(mapping.path(), None, None).unwrap().is_complete());

    let clip = crate::config_of("clip");
    let mut config = shipped_json("clip/config.json");
    (config["hidden_size"], config["image_size"], config["patch_size"]) =
        (json!(1 << 20), json!(1 << 20), json!(1));
    config["num_attention_heads"] = json!(1);
    fs::write(clip.path().join("config.json"), config.to_string()).unwrap();
    fs::copy(shipped("clip").join("model.safetensors"), clip.path().join("model.safetensors")).unwrap();
    refused("model.safetensors", || VisionTower::load(clip.path(), Placement::CPU_F32, &unwatched));
}
