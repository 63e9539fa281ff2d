//! The sets to evaluate with are read as the official files are.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::Corpus;

#[derive(Deserialize)]
struct Vist {
    images: Vec<VistImage>,
    annotations: Vec<[VistLine; 1]>,
}

#[derive(Deserialize)]
struct VistImage {
    id: String,
    url_o: String,
}

#[derive(Deserialize)]
struct VistLine {
    story_id: String,
    photo_flickr_id: String,
    worker_arranged_photo_order: usize,
    text: String,
}

#[derive(Deserialize)]
struct VisDial {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    dialogs: Vec<Dialog>,
    questions: Vec<String>,
    answers: Vec<String>,
}

#[derive(Deserialize)]
struct Dialog {
    image_id: u64,
    caption: String,
    dialog: Vec<Round>,
}

#[derive(Deserialize)]
struct Round {
    question: usize,
    answer: usize,
    answer_options: Vec<usize>,
    gt_index: usize,
}

#[derive(Deserialize)]
struct Dense {
    image_id: u64,
    round_id: usize,
    gt_relevance: Vec<f64>,
}

/// Stories are five pictures, of which the last is held out.
pub(crate) fn check_stories(corpus: &Corpus) {
    let vist: Vist = serde_json::from_str(&corpus.read("evaluation/vist.json")).unwrap();
    let rows = corpus.table("pictures.tsv");
    let mut stories: HashMap<&str, Vec<&VistLine>> = HashMap::new();
    for [line] in &vist.annotations {
        stories.entry(&line.story_id).or_default().push(line);
    }
    assert!(stories.len() > 200, "{}", stories.len());
    let row = |id: &str| &rows[id.parse::<usize>().unwrap() - 1_000_000];
    for lines in stories.values() {
        let orders: Vec<_> = lines.iter().map(|line| line.worker_arranged_photo_order).collect();
        assert_eq!(orders, [0, 1, 2, 3, 4]);
        assert!(lines.iter().all(|line| !line.text.is_empty()));
        let ids: HashSet<_> = lines.iter().map(|line| &line.photo_flickr_id).collect();
        let styles: HashSet<_> = ids.iter().map(|id| &row(id)["style"]).collect();
        assert_eq!((ids.len(), styles.len()), (5, 1));
        assert_eq!(row(&lines[4].photo_flickr_id)["split"], "held-picture");
    }
    for image in &vist.images {
        assert!(image.url_o.ends_with(".png"));
        assert!(corpus.path().join(format!("evaluation/images/vist/{}.png", image.id)).is_file());
    }
    let known: HashSet<_> = vist.images.iter().map(|image| &image.id).collect();
    assert!(vist.annotations.iter().all(|[line]| known.contains(&line.photo_flickr_id)));
}

/// Dialogs have ten rounds of a hundred answers, one of them right.
pub(crate) fn check_dialogs(corpus: &Corpus) {
    let VisDial { data } = serde_json::from_str(&corpus.read("evaluation/visdial.json")).unwrap();
    let dense: Vec<Dense> = serde_json::from_str(&corpus.read("evaluation/visdial_dense.json")).unwrap();
    assert_eq!((data.dialogs.len(), dense.len()), (300, 300));
    assert!(data.questions.iter().all(|question| !question.ends_with('?')));
    let mut places = HashSet::new();
    for (dialog, judged) in data.dialogs.iter().zip(&dense) {
        let name = format!("evaluation/images/visdial/VisualDialog_val2018_{:012}.png", dialog.image_id);
        assert!(corpus.path().join(name).is_file());
        assert!(!dialog.caption.is_empty());
        assert_eq!(dialog.dialog.len(), 10);
        for round in &dialog.dialog {
            let different: HashSet<_> =
                round.answer_options.iter().map(|option| &data.answers[*option]).collect();
            assert_eq!((round.answer_options.len(), different.len()), (100, 100));
            assert_eq!(round.answer_options[round.gt_index], round.answer);
            assert!(round.question < data.questions.len());
            places.insert(round.gt_index);
        }
        assert_eq!((judged.image_id, judged.gt_relevance.len()), (dialog.image_id, 100));
        // Rounds are counted from 1.
        let round = &dialog.dialog[judged.round_id - 1];
        let best = judged.gt_relevance.iter().copied().fold(0.0, f64::max);
        assert_eq!((best, judged.gt_relevance[round.gt_index]), (1.0, 1.0));
        assert_eq!(judged.gt_relevance.iter().filter(|relevance| **relevance == 1.0).count(), 1);
    }
    assert_eq!(places.len(), 100, "the right answer may stand anywhere");
    let rounds: HashSet<_> = dense.iter().map(|judged| judged.round_id).collect();
    assert_eq!(rounds, (1..=10).collect());
}
