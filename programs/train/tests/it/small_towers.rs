//! Small towers from nothing, by the command.

use std::{fs, process::Stdio, thread, time::Duration};

use fondue_imaging::{Fit, Preprocess};
use fondue_model::{Placement, VisionTower, weights::unwatched};
use serde_json::Value;
use tch::{Kind, Tensor};

use crate::scene::{Scene, ends_well};

/// Its updates: half patches, then whole pictures, then the very drawings.
const COURSE: [&str; 8] = ["--steps", "16", "--whole", "0.5", "--plain", "0.25", "--fall", "linear"];

#[test]
fn a_vision_tower_and_what_it_makes_of_the_drawings_that_it_learnt() {
    let scene = Scene::new();
    ends_well(scene.vision("small", &COURSE));
    let metrics = fs::read_to_string(scene.path("small/vision-metrics.jsonl")).unwrap();
    let measured: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(measured.iter().filter(|line| line.get("measured").is_some()).count(), 2, "{metrics}");

    let clip = scene.path("small/clip");
    let tower = VisionTower::load(&clip, Placement::CPU_F32, &unwatched).unwrap();
    let preprocess = Preprocess::from_file(&clip.join("preprocessor_config.json")).unwrap();
    let file = Tensor::read_safetensors(scene.path("small/vision-features.safetensors")).unwrap();
    let find = |wanted: &str| &file.iter().find(|(name, _)| name == wanted).unwrap().1;
    // Two drawings of each of two things, six views of each; those with changed palettes have none.
    let (features, things) = (find("features"), find("things"));
    assert_eq!((features.size(), things.size()), (vec![24, 32], vec![24]));
    // The views of a batch follow one another, the drawing as it is first.
    for (row, (name, thing)) in
        [("red-square", 0), ("green-square", 0), ("red-cross", 1), ("green-cross", 1)].iter().enumerate()
    {
        assert_eq!(things.int64_value(&[row as i64]), *thing, "{name}");
        let picture = image::open(scene.path(&format!("{name}.png"))).unwrap();
        let served = tower.encode(&[preprocess.pixels(&picture, Fit::Crop).unwrap()]).unwrap();
        let own = features.get(row as i64).to_kind(Kind::Float);
        let apart = (own - Tensor::from_slice(&served[0])).abs().max().double_value(&[]);
        assert!(apart < 0.05, "{name} is seen {apart} apart from how it is served");
    }
}

#[test]
fn a_course_that_was_killed_goes_on_to_the_same_tower() {
    let scene = Scene::new();
    let course = ["--steps", "240", "--whole", "0.5", "--plain", "0.25"];
    ends_well(scene.vision("whole", &course));
    let mut child = scene.vision("killed", &course).stderr(Stdio::null()).spawn().unwrap();
    while !scene.path("killed/vision-checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended without a checkpoint");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let output = scene.vision("killed", &course).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("going on after update"), "{told}");
    assert!(!told.contains("going on after update 240"), "{told}");
    let weights = |out: &str| fs::read(scene.path(out).join("clip/model.safetensors")).unwrap();
    assert!(weights("whole") == weights("killed"));
}
