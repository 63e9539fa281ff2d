//! The layouts that models are published in: names, prefixes, precisions, spare tensors.

use std::{fs, path::Path};

use fondue_domain::TokenId;
use fondue_forms::{
    Values, safetensors,
    torch::{self, View},
};
use fondue_model::{
    Dtype, Placement, VisionTower, layers::values, mapping::Mapping, opt::Opt, placement::set_threads,
    weights::unwatched,
};
use tempfile::TempDir;

use crate::{config_of, shipped};

/// The last states of the shipped OPT, or one like it.
fn states(folder: &Path, dtype: Dtype) -> Vec<f32> {
    set_threads(1);
    let at = Placement { dtype, ..Placement::CPU_F32 };
    let (opt, table) = Opt::load(folder, at, &unwatched).unwrap();
    let vectors = table.vectors(&[5, 6, 7, 8].map(TokenId)).unwrap();
    values(&opt.run(vectors).unwrap()).unwrap()
}

fn features(folder: &Path) -> Vec<f32> {
    set_threads(1);
    let tower = VisionTower::load(folder, Placement::CPU_F32, &unwatched).unwrap();
    let pixels: Vec<f32> = (0..3 * tower.image_size().pow(2)).map(|n| (n % 13) as f32 / 13.0).collect();
    tower.encode(&[pixels]).unwrap().concat()
}

fn tensors(part: &str) -> Vec<Values> {
    safetensors::read(&shipped(part).join("model.safetensors")).unwrap()
}

/// The tensors of a shipped part under another prefix.
fn renamed(part: &str, old: &str, new: &str) -> Vec<Values> {
    let rename = |tensor: Values| {
        let name = tensor.name.strip_prefix(old).map(|rest| format!("{new}{rest}"));
        tensor.clone().named(&name.unwrap_or(tensor.name))
    };
    tensors(part).into_iter().map(rename).collect()
}

fn whole(part: &str, tensors: &[Values]) -> TempDir {
    let folder = config_of(part);
    safetensors::write(&folder.path().join("model.safetensors"), tensors).unwrap();
    folder
}

#[test]
fn opt_under_each_prefix_with_its_head_or_without() {
    let expected = states(&shipped("opt"), Dtype::F32);
    for prefix in ["model.decoder.", "decoder.", "", "model."] {
        let mut all = renamed("opt", "model.decoder.", prefix);
        all.retain(|tensor| tensor.name != "lm_head.weight");
        let table = all.iter().find(|tensor| tensor.name.ends_with("embed_tokens.weight")).unwrap().clone();
        for head in [false, true] {
            if head {
                all.push(table.clone().named("lm_head.weight"));
            }
            let folder = whole("opt", &all);
            let survey = Opt::survey(folder.path()).unwrap();
            assert!(survey.is_complete() && survey.unexpected.iter().all(|tensor| tensor.known.is_some()));
            assert_eq!(survey.unexpected.len(), usize::from(head));
            assert!(states(folder.path(), Dtype::F32) == expected, "{prefix} {head}");
        }
    }
}

#[test]
fn opt_in_each_precision() {
    // Values that no half precision has exactly.
    let all: Vec<Values> = tensors("opt")
        .iter()
        .map(|tensor| {
            let floats: Vec<f32> = tensor.to_floats().unwrap().iter().map(|value| value * 1.0003).collect();
            Values::floats(&tensor.name, &tensor.shape, &floats)
        })
        .collect();
    let exact = whole("opt", &all);
    let folders = ["F16", "BF16", "F64"].map(|dtype| {
        let rounded: Vec<_> = all.iter().map(|tensor| tensor.rounded(dtype).unwrap()).collect();
        let pickled = config_of("opt");
        torch::write(&pickled.path().join("pytorch_model.bin"), &rounded).unwrap();
        let folder = whole("opt", &rounded);
        assert!(states(folder.path(), Dtype::F32) == states(pickled.path(), Dtype::F32), "{dtype}");
        folder
    });
    let expected = states(exact.path(), Dtype::F32);
    assert!(states(folders[2].path(), Dtype::F32) == expected);
    // What was stored in half precision is kept as it is, and computed with in f32 in any case.
    for (folder, dtype) in folders.iter().zip([Dtype::F16, Dtype::Bf16]) {
        assert!(states(folder.path(), dtype) == states(folder.path(), Dtype::F32), "{dtype}");
        assert!(states(exact.path(), dtype) != expected, "{dtype}: it was rounded");
        assert!(states(folder.path(), Dtype::F32) != expected, "{dtype}: it was rounded");
    }
}

#[test]
fn a_bias_that_is_missing_is_a_fault() {
    let mut all = tensors("opt");
    all.retain(|tensor| !tensor.name.ends_with("layers.0.fc1.bias"));
    let folder = whole("opt", &all);
    let error =
        crate::refused("model.safetensors", || Opt::load(folder.path(), Placement::CPU_F32, &unwatched));
    assert!(error.contains("layers.0.fc1.bias") && error.contains("missing"), "{error}");
}

#[test]
fn clip_whole_or_its_vision_part() {
    let expected = features(&shipped("clip"));
    let old = if tensors("clip")[0].name.starts_with("vision_model.") { "vision_model." } else { "" };
    for prefix in ["vision_model.", "", "model.vision_model."] {
        let mut all = renamed("clip", old, prefix);
        assert!(features(whole("clip", &all).path()) == expected, "{prefix}");
        // A whole model of older days: its text part, its projections, the numbers of the positions.
        all.push(Values::zeros("text_model.embeddings.token_embedding.weight", "F32", &[9, 7]));
        all.push(Values::zeros("text_projection.weight", "F32", &[5, 7]));
        all.push(Values::zeros("visual_projection.weight", "F32", &[5, 7]));
        all.push(Values::zeros("logit_scale", "F32", &[]));
        all.push(Values::zeros("text_model.embeddings.position_ids", "I64", &[1, 77]));
        all.push(Values::zeros(&format!("{prefix}embeddings.position_ids"), "I64", &[1, 17]));
        let folder = whole("clip", &all);
        let tower = fs::read_to_string(shipped("clip").join("config.json")).unwrap();
        let config = format!(r#"{{"model_type": "clip", "text_config": {{}}, "vision_config": {tower}}}"#);
        fs::write(folder.path().join("config.json"), config).unwrap();
        let survey = VisionTower::survey(folder.path()).unwrap();
        assert!(survey.is_complete(), "{:?}", survey.faults);
        assert_eq!(survey.unexpected.iter().filter(|tensor| tensor.known.is_some()).count(), 6);
        assert_eq!(survey.unexpected.len(), 6);
        assert!(features(folder.path()) == expected, "{prefix}");
    }
}

#[test]
fn a_whole_clip_may_leave_out_what_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"{"model_type": "clip", "vision_config": {"patch_size": 14}}"#;
    fs::write(folder.path().join("config.json"), text).unwrap();
    let config = fondue_model::vision::VisionConfig::load(folder.path()).unwrap();
    assert_eq!((config.image_size, config.num_hidden_layers, config.n_positions()), (224, 12, 257));
}

#[test]
fn mapping_layers_in_each_form() {
    let shipped = shipped("fromage");
    let (d, ret) = (256, TokenId(4097));
    let load = |folder: &Path| {
        let mapping = Mapping::load(folder, d, ret, Placement::CPU_F32, &unwatched).unwrap();
        let row = values(mapping.ret_row()).unwrap();
        (row, mapping.project(&[vec![0.25; mapping.feature_dim()]]).unwrap()[0].clone())
    };
    let expected = load(&shipped);
    let all = safetensors::read(&shipped.join("mapping.safetensors")).unwrap();
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(shipped.join("model_args.json"), folder.path().join("model_args.json")).unwrap();
        folder
    };
    let published = fresh();
    torch::write_checkpoint(&published.path().join("pretrained_ckpt.pth.tar"), &all).unwrap();
    assert_eq!(load(published.path()), expected);

    // As the trainer leaves it: every name under `module.`, the frozen parts, and the row within the whole table.
    let (rows, width) = (u64::from(ret.0) + 1, d as u64);
    let mut table: Vec<f32> = vec![0.5; (rows * width) as usize];
    let at = (ret.0 as usize) * d as usize;
    table[at..].copy_from_slice(&expected.0);
    let mut trained: Vec<Values> = all.iter().filter(|t| !t.name.starts_with("ret_input")).cloned().collect();
    trained.push(Values::floats("model.input_embeddings.weight", &[rows, width], &table));
    trained.push(Values::zeros("model.lm.model.decoder.layers.0.fc1.bias", "F32", &[4]));
    trained.push(Values::zeros("model.visual_model.vision_model.post_layernorm.bias", "F32", &[4]));
    let trained: Vec<Values> =
        trained.into_iter().map(|tensor| tensor.clone().named(&format!("module.{}", tensor.name))).collect();
    let full = fresh();
    torch::write_checkpoint(&full.path().join("ckpt_best.pth.tar"), &trained).unwrap();
    assert_eq!(load(full.path()), expected);
    for (word_dim, of_ret) in [(Some(d), Some(ret)), (None, None)] {
        let survey = Mapping::survey(full.path(), word_dim, of_ret).unwrap();
        assert!(survey.is_complete(), "{:?}", survey.faults);
        let row = survey.found.iter().find(|found| found.rows.is_some()).unwrap();
        assert_eq!((row.rows.clone(), row.shape()), (Some(4097..4098), vec![1, d]));
        assert!(survey.unexpected.iter().all(|tensor| tensor.known.is_some()));
    }
    // A tokenizer whose [RET] lies beyond the table.
    let error = Mapping::load(full.path(), d, TokenId(9000), Placement::CPU_F32, &unwatched).err().unwrap();
    assert!(error.to_string().contains("9001 rows"), "{error}");
}

#[test]
fn a_transposed_tensor_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let numbers: Vec<f32> = (0..6).map(|n| n as f32).collect();
    let stored = [Values::floats("a", &[6], &numbers)];
    let view = View { name: "a".to_owned(), storage: 0, shape: vec![3, 2], strides: vec![1, 3] };
    torch::write_views(&path, &stored, &[view], &[]).unwrap();
    let weights = fondue_model::weights::Weights::open(folder.path(), &unwatched).unwrap();
    let read = values(&weights.tensor("a", &[3, 2], Placement::CPU_F32).unwrap()).unwrap();
    assert_eq!(read, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    let rows = values(&weights.rows("a", 1..3, Placement::CPU_F32).unwrap()).unwrap();
    assert_eq!(rows, [1.0, 4.0, 2.0, 5.0]);
    let mut streamed = Vec::new();
    let piece = |piece: &[u8]| {
        streamed.extend_from_slice(piece);
        Ok::<_, fondue_model::ModelError>(())
    };
    weights.stream("a", Some(&(2..3)), piece).unwrap();
    assert_eq!(streamed, [2f32.to_le_bytes(), 5f32.to_le_bytes()].concat());
}
