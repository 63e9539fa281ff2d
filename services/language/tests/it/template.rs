//! How a dialogue reads to the model is told as its folder says.

use std::fs;

use fondue_proto::language::DialogueTemplate;

use crate::scene::{Scene, model};

#[tokio::test]
async fn what_the_folder_says_of_dialogues_is_told() {
    assert_eq!(Scene::with(&[]).await.facts.template, None, "the shipped model's says nothing");
    let folder = tempfile::tempdir().unwrap();
    for name in ["model_args.json", "mapping.safetensors"] {
        fs::copy(model().join("fromage").join(name), folder.path().join(name)).unwrap();
    }
    let text = r#"{"question_prefix": "User: ", "answer_prefix": "\nBot:", "turn_separator": "</s>"}"#;
    fs::write(folder.path().join("dialogue.json"), text).unwrap();
    let scene = Scene::with(&["--mapping", folder.path().to_str().unwrap()]).await;
    let expected = DialogueTemplate {
        question_prefix: "User: ".into(),
        answer_prefix: "\nBot:".into(),
        turn_separator: "</s>".into(),
    };
    assert_eq!(scene.facts.template, Some(expected));
}
