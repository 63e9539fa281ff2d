//! Small towers from nothing, by the command.

use std::{fs, process::Stdio, thread, time::Duration};

use fondue_imaging::{Fit, Preprocess};
use fondue_model::{Placement, Tokenizer, VisionTower, weights::unwatched};
use fondue_train::nets::opt::OptNet;
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
    // Two drawings of each of two things, three views of each; those with changed palettes have none.
    let (features, things) = (find("features"), find("things"));
    assert_eq!((features.size(), things.size()), (vec![12, 32], vec![12]));
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

#[test]
fn towers_can_be_computed_in_bf16() {
    let scene = Scene::new();
    let course = ["--dtype", "bf16", "--steps", "3", "--plain", "0.4"];
    ends_well(scene.vision("small", &course));
    ends_well(scene.language("small", &["--dtype", "bf16", "--steps", "2", "--batch", "2", "--naming", "2"]));
    for file in ["clip/model.safetensors", "opt/model.safetensors"] {
        for (name, tensor) in Tensor::read_safetensors(scene.path("small").join(file)).unwrap() {
            let all = tensor.to_kind(Kind::Float).isfinite().all();
            assert_eq!(all.int64_value(&[]), 1, "{name}");
        }
    }
}

#[test]
fn a_language_tower_names_what_it_is_shown_and_finds_what_it_named() {
    let scene = Scene::new();
    ends_well(scene.vision("small", &["--steps", "120", "--whole", "0.5", "--plain", "0.25"]));
    let course = "--steps 500 --rate 5e-3 --batch 2 --naming 8 --finding 4 --noise 0.1"; // well beyond what one seed needs
    ends_well(scene.language("small", &course.split(' ').collect::<Vec<_>>()));

    let opt = scene.path("small/opt");
    let net = OptNet::load(&opt, Placement::TORCH_F32, &unwatched).unwrap();
    let tokenizer = Tokenizer::load(&opt).unwrap();
    let read = |file: &str| Tensor::read_safetensors(scene.path(file)).unwrap();
    let (seen, start) =
        (read("small/vision-features.safetensors"), read("small/start/fromage/mapping.safetensors"));
    let find = |file: &[(String, Tensor)], wanted: &str| {
        file.iter().find(|(name, _)| name == wanted).unwrap().1.to_kind(Kind::Float)
    };
    let map = |x: &Tensor, layer: &str| {
        let bias = find(&start, &format!("model.{layer}.bias"));
        x.linear(&find(&start, &format!("model.{layer}.weight")), Some(&bias))
    };
    // Each thing's first drawing, as it is.
    let drawings = find(&seen, "features").index_select(0, &Tensor::from_slice(&[0i64, 2]));
    let ids = |text: &str| tokenizer.encode(text).unwrap().into_iter().map(|id| id.as_i64());
    let embed = |ids: Vec<i64>| net.table().index_select(0, &Tensor::from_slice(&ids));
    let last = |embeds: &Tensor| net.forward(&embeds.unsqueeze(0)).unwrap().get(0).get(-1);
    let found = map(&drawings, "visual_fc");
    for (n, shape) in (0..).zip(["square", "cross"]) {
        let prompt = embed([2].into_iter().chain(ids("Q: What is this?\nA: This is a")).collect());
        let picture = map(&drawings.get(n), "visual_embeddings").unsqueeze(0);
        let logits = last(&Tensor::cat(&[picture, prompt], 0)).unsqueeze(0).matmul(&net.table().tr());
        let next = ids(&format!(" {shape}")).next().unwrap();
        assert_eq!(logits.argmax(1, false).int64_value(&[0]), next, "{shape}");

        let caption = embed([2].into_iter().chain(ids(&format!("a {shape}[RET]"))).collect());
        let query = map(&last(&caption), "text_hidden_fcs.0.0");
        let near = Tensor::cosine_similarity(&found, &query.unsqueeze(0), 1, 1e-8);
        assert_eq!(near.argmax(0, false).int64_value(&[]), n, "{shape}");
    }
}
