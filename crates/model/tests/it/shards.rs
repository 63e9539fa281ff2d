//! Lists of shards that lead astray.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use fondue_forms::{Values, safetensors, sharded, torch};
use fondue_model::{ModelError, Placement, opt::Opt, weights::unwatched};
use serde_json::json;

use crate::{config_of, refused, shipped};

fn load(folder: &Path) -> Result<(), ModelError> {
    Opt::load(folder, Placement::CPU_F32, &unwatched).map(drop)
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    let folder = config_of("opt");
    let index = folder.path().join("model.safetensors.index.json");
    let secret = folder.path().join("../secret.safetensors");
    for name in
        ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "", ".", "..", ".hidden", "./a", "a/.."]
    {
        fs::write(&index, json!({"weight_map": {"a": name}}).to_string()).unwrap();
        let error = refused("index.json", || load(folder.path()));
        assert!(error.contains("is not a file name"), "{name}: {error}");
    }
    assert!(!secret.exists());
    fs::write(&index, json!({"weight_map": {"a": "a\0b.safetensors"}}).to_string()).unwrap();
    refused("safetensors", || load(folder.path()));
}

#[test]
fn lists_that_are_none_are_refused() {
    let folder = config_of("opt");
    let index = folder.path().join("model.safetensors.index.json");
    let deep = "{\"weight_map\":".repeat(100_000);
    for text in [
        "",
        "{}",
        "[]",
        r#"{"weight_map": []}"#,
        r#"{"weight_map": {}}"#,
        r#"{"weight_map": {"a": 1}}"#,
        &deep,
    ] {
        fs::write(&index, text).unwrap();
        refused("index.json", || load(folder.path()));
    }
    fs::write(&index, vec![b' '; 17 << 20]).unwrap();
    assert!(refused("index.json", || load(folder.path())).contains("more than"));
    fs::remove_file(&index).unwrap();
    assert!(Command::new("mkfifo").arg(&index).status().unwrap().success());
    refused("index.json", || load(folder.path()));
}

#[test]
fn shards_that_are_no_files_are_refused() {
    for extension in ["safetensors", "bin"] {
        let stem = if extension == "bin" { "pytorch_model" } else { "model" };
        let folder = config_of("opt");
        let index = folder.path().join(format!("{stem}.{extension}.index.json"));
        let shard = format!("shard.{extension}");
        fs::write(&index, json!({"weight_map": {"a": shard}}).to_string()).unwrap();
        let path = folder.path().join(&shard);
        refused(&shard, || load(folder.path()));
        fs::create_dir(&path).unwrap();
        refused(&shard, || load(folder.path()));
        fs::remove_dir(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        refused(&shard, || load(folder.path()));
        fs::remove_file(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        refused(&shard, || load(folder.path()));
        fs::remove_file(&path).unwrap();
        symlink(&shard, &path).unwrap();
        refused(&shard, || load(folder.path()));
    }
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let folder = config_of("opt");
    let table = Values::zeros("decoder.embed_tokens.weight", "F32", &[4, 4]);
    let one = [table.clone(), table.clone().named("one")];
    let other = [table.clone(), table.named("other")];
    for extension in ["safetensors", "bin"] {
        sharded(
            folder.path(),
            if extension == "bin" { "pytorch_model" } else { "model" },
            extension,
            &[&one, &other],
        )
        .unwrap();
        let error = refused(&format!("00002-of-00002.{extension}"), || load(folder.path()));
        assert!(error.contains("there twice"), "{error}");
        // To a look the second shard is one that cannot be opened, with all that it holds.
        let survey = Opt::survey(folder.path()).unwrap();
        let rest: Vec<_> = survey.unexpected.iter().map(|tensor| tensor.stored.name.as_str()).collect();
        assert_eq!((survey.files.len(), survey.unopened.len(), rest), (1, 1, vec!["one"]));
        fs::remove_file(folder.path().join("model.safetensors.index.json")).ok();
    }
}

/// Hugging Face's cache: every file is a link to a blob with a name of its own.
#[test]
fn links_are_followed() {
    let cache = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (cache.path().join("blobs"), cache.path().join("snapshots/1"));
    fs::create_dir_all(&blobs).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    for (n, name) in ["config.json", "model.safetensors"].iter().enumerate() {
        fs::copy(shipped("opt").join(name), blobs.join(n.to_string())).unwrap();
        symlink(format!("../../blobs/{n}"), snapshot.join(name)).unwrap();
    }
    assert!(Opt::survey(&snapshot).unwrap().is_complete());
    load(&snapshot).unwrap();
}

#[test]
fn a_shard_that_is_lost_does_not_hide_the_others() {
    let all = safetensors::read(&shipped("opt").join("model.safetensors")).unwrap();
    let thirds: Vec<_> = all.chunks(all.len().div_ceil(3)).collect();
    for (stem, extension) in [("model", "safetensors"), ("pytorch_model", "bin")] {
        let folder = config_of("opt");
        sharded(folder.path(), stem, extension, &thirds).unwrap();
        assert!(Opt::survey(folder.path()).unwrap().is_complete());
        load(folder.path()).unwrap();
        for lost in 1..=3 {
            let name = format!("{stem}-0000{lost}-of-00003.{extension}");
            let (path, aside) = (folder.path().join(&name), folder.path().join("aside"));
            fs::rename(&path, &aside).unwrap();
            refused(&name, || load(folder.path()));
            let survey = Opt::survey(folder.path()).unwrap();
            assert_eq!((survey.unopened.len(), survey.files.len()), (1, 2));
            assert!(survey.unopened[0].to_string().contains(&name));
            assert_eq!(survey.faults.len(), thirds[lost - 1].len(), "those of the lost shard are missing");
            assert_eq!(survey.unexpected, []);
            fs::rename(&aside, &path).unwrap();
        }
    }
    // All of them lost: what is wrong with the first is told.
    let folder = config_of("opt");
    fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
    assert!(refused("pytorch_model.bin", || Opt::survey(folder.path())).contains("empty"));
    torch::write(&folder.path().join("pytorch_model.bin"), &all).unwrap();
    load(folder.path()).unwrap();
}
