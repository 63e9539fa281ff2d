//! Torch's files that stand for more than they hold.

use std::fs;

use fondue_domain::TokenId;
use fondue_forms::{
    Values, shapes,
    torch::{self, View},
};
use fondue_model::{
    Placement,
    mapping::Mapping,
    opt::Opt,
    weights::{TensorFault, unwatched},
};

use crate::{config_of, refused, shipped};

const MAPPING: &str = "pretrained_ckpt.pth.tar";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model_args.json"), shapes::model_args(1, 4).to_string()).unwrap();
    folder
}

#[test]
fn expanded_tensors_cannot_take_memory() {
    let folder = folder();
    let mut tensors = shapes::mapping(8, 1, 4, 6, "F32");
    let mut views: Vec<View> = tensors.iter().enumerate().map(|(n, t)| torch::whole(n, t)).collect();
    // One value that stands for an exabyte, twice: their sum has more than 64 bits.
    for view in views.iter_mut().filter(|view| view.name.starts_with("model.visual_embeddings")) {
        (view.shape, view.strides) = (vec![1 << 31, 1 << 29], vec![0, 0]);
        tensors[view.storage].shape = vec![1];
    }
    torch::write_views(&folder.path().join(MAPPING), &tensors, &views, &["state_dict"]).unwrap();
    let load = || Mapping::load(folder.path(), 8, TokenId(9), Placement::CPU_F32, &unwatched);
    assert!(refused(MAPPING, load).contains("visual_embeddings"));

    // And one of the right shape, expanded to it.
    for view in views.iter_mut().filter(|view| view.name == "model.visual_embeddings.weight") {
        (view.shape, view.strides) = (vec![8, 6], vec![0, 0]);
    }
    torch::write_views(&folder.path().join(MAPPING), &tensors, &views, &["state_dict"]).unwrap();
    assert!(refused(MAPPING, load).contains("contiguous"));
    let survey = Mapping::survey(folder.path(), Some(8), None).unwrap();
    let expanded = TensorFault::Expanded { name: "model.visual_embeddings.weight".to_owned() };
    assert!(survey.faults.contains(&expanded), "{:?}", survey.faults);
}

#[test]
fn tensors_that_share_their_bytes_cannot_take_memory() {
    let folder = config_of("opt");
    let path = folder.path().join("pytorch_model.bin");
    let large = shapes::Opt { hidden_size: 256, num_hidden_layers: 1024, ..shapes::Opt::B6_7 };
    fs::write(folder.path().join("config.json"), large.config().to_string()).unwrap();
    // A thousand layers in the bytes of one.
    let storage = Values::zeros("storage", "F16", &[large.vocab_size, 256]);
    let views: Vec<View> = large
        .tensors("F16")
        .iter()
        .map(|tensor| View { storage: 0, ..torch::whole(0, tensor) })
        .filter(|view| view.shape.iter().product::<u64>() <= 256 * large.vocab_size)
        .collect();
    torch::write_views(&path, &[storage], &views, &[]).unwrap();
    let error = refused("pytorch_model.bin", || Opt::load(folder.path(), Placement::CPU_F32, &unwatched));
    assert!(error.contains("share bytes"), "{error}");
}

#[test]
fn other_formats_are_named() {
    let folder = folder();
    let path = folder.path().join(MAPPING);
    let look = || Mapping::survey(folder.path(), None, None);
    // As torch wrote before its version 1.6: a pickle of one large number comes first.
    let mut legacy = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec();
    legacy.resize(1000, 0);
    fs::write(&path, &legacy).unwrap();
    assert!(refused(MAPPING, look).contains("save it again"));
    fs::write(&path, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 11034113\n").unwrap();
    refused(MAPPING, look);
    fs::write(&path, b"<!doctype html><html>").unwrap();
    refused(MAPPING, look);
    fs::copy(shipped("fromage").join("mapping.safetensors"), &path).unwrap();
    refused(MAPPING, look);
}
