//! What a look tells: counts, types, what is missing and what is too much.

use std::fs;

use fondue_domain::TokenId;
use fondue_forms::{Values, safetensors, shapes};
use fondue_model::{
    VisionTower,
    mapping::Mapping,
    opt::Opt,
    weights::{StoredDtype, TensorFault},
};

use crate::{config_of, shipped};

#[test]
fn the_published_sizes_have_the_published_counts() {
    // Files of 26 GB that are holes: nothing of them is read.
    let opt = tempfile::tempdir().unwrap();
    fs::write(opt.path().join("config.json"), shapes::Opt::B6_7.config().to_string()).unwrap();
    safetensors::write(&opt.path().join("model.safetensors"), &shapes::Opt::B6_7.tensors("F32")).unwrap();
    let survey = Opt::survey(opt.path()).unwrap();
    assert!(survey.is_complete() && survey.unexpected.is_empty());
    // 50,267 rows of the table remain in the end, of 50,272.
    assert_eq!(survey.parameters() - 5 * 4096, 6_658_453_504);
    for (k, count) in [(1, 5_513_729), (4, 18_108_929)] {
        let mapping = tempfile::tempdir().unwrap();
        fs::write(mapping.path().join("model_args.json"), shapes::model_args(k, 256).to_string()).unwrap();
        let tensors = shapes::mapping(4096, k, 256, 1024, "BF16");
        safetensors::write(&mapping.path().join("mapping.safetensors"), &tensors).unwrap();
        for word_dim in [Some(4096), None] {
            let survey = Mapping::survey(mapping.path(), word_dim, Some(TokenId(50266))).unwrap();
            assert!(survey.is_complete());
            assert_eq!(survey.parameters(), count);
            assert!(survey.found.iter().all(|found| found.stored.dtype == StoredDtype::Bf16));
        }
    }
}

#[test]
fn every_fault_is_told_with_names_and_shapes() {
    let folder = config_of("clip");
    let mut all = safetensors::read(&shipped("clip").join("model.safetensors")).unwrap();
    let missing = all.iter().position(|tensor| tensor.name.ends_with("layers.0.mlp.fc1.bias")).unwrap();
    let missing = all.remove(missing);
    let wrong = all.iter_mut().find(|tensor| tensor.name.ends_with("layers.1.mlp.fc1.bias")).unwrap();
    let n = wrong.shape[0] as i64;
    *wrong = Values::zeros(&wrong.name, "F32", &[3, 1]);
    let wrong = wrong.name.clone();
    all.push(Values::zeros("vision_model.encoder.layers.99.mlp.fc1.bias", "F16", &[7]));
    safetensors::write(&folder.path().join("model.safetensors"), &all).unwrap();
    let survey = VisionTower::survey(folder.path()).unwrap();
    assert_eq!(
        survey.faults,
        [
            TensorFault::Missing { name: missing.name, shape: vec![n] },
            TensorFault::WrongShape { name: wrong, got: vec![3, 1], expected: vec![n] }
        ]
    );
    assert_eq!(survey.unexpected.len(), 1);
    let unexpected = &survey.unexpected[0];
    assert_eq!((unexpected.known, unexpected.stored.dtype), (None, StoredDtype::F16));
    assert_eq!((unexpected.stored.shape.as_slice(), unexpected.stored.bytes), (&[7][..], 14));
    assert_eq!(survey.found.len(), all.len() - 2);
}
