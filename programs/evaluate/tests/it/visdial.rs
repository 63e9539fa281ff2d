//! Dialogs: the program's figures are those of single passes over each answer.

use fondue_domain::Compat;
use fondue_evaluate::metrics::{mean_reciprocal_rank, ndcg, rank, recall};

use crate::{
    naive::{Naive, Part, nearest},
    near, report, rows, sets,
    sets::{ANSWERS, QUESTIONS, RELEVANCE, RELEVANT, options},
};

const WORDS: [&str; 7] =
    ["visdial", "--annotations", "visdial.json", "--dense", "dense.json", "--images", "visdial"];

fn said(dialog: usize, round: usize) -> (&'static str, &'static str) {
    let (options, right) = options(dialog, round);
    (QUESTIONS[round % 3], ANSWERS[options[right]])
}

fn scores(naive: &Naive, features: &[f32], dialog: usize, round: usize, mode: Compat) -> Vec<f32> {
    let mut context = String::new();
    for at in 0..round {
        let (question, answer) = said(dialog, at);
        context.push_str(&format!("Q: {question}?\nA: {answer}\n"));
    }
    context.push_str(&format!(
        "Q: {}?\nA:{}",
        said(dialog, round).0,
        if mode.is_reference() { " " } else { "" }
    ));
    let score = |option: usize| {
        let reference = mode.is_reference();
        let answer = format!("{}{}", if reference { "" } else { " " }, ANSWERS[option]);
        let parts = [Part::Picture(features), Part::Text(true, &context), Part::Text(reference, &answer)];
        naive.weigh(&parts, reference) as f32
    };
    options(dialog, round).0.map(score).to_vec()
}

#[test]
fn figures_are_those_of_single_passes_in_both_modes() {
    let folder = tempfile::tempdir().unwrap();
    sets::dialogs(folder.path());
    let report = report(folder.path(), &WORDS);
    let rows = rows(&report, "visdial");
    let naive = Naive::load();
    let mut by_mode = Vec::new();
    for (mode, column) in [(Compat::Off, 2), (Compat::Reference, 3)] {
        let path = |n| folder.path().join(format!("visdial/VisualDialog_val2018_{:012}.png", 700 + n));
        let features: Vec<Vec<f32>> = (0..3).map(|n| naive.see(&path(n), mode)).collect();
        let scores: Vec<Vec<f32>> =
            (0..30).map(|n| scores(&naive, &features[n / 10], n / 10, n % 10, mode)).collect();
        let ranks: Vec<usize> = scores
            .iter()
            .enumerate()
            .map(|(n, scores)| rank(scores, &[options(n / 10, n % 10).1]).unwrap())
            .collect();
        // As published the round behind the one that was weighed by people; behind the last one there is none.
        let shift = usize::from(mode.is_reference());
        let gains: Vec<f64> =
            (0..3).filter_map(|n| ndcg(scores.get(10 * n + RELEVANT[n] - 1 + shift)?, &RELEVANCE)).collect();
        assert_eq!(gains.len(), 3 - shift);
        near(&rows[0][column], gains.iter().sum::<f64>() / gains.len() as f64);
        near(&rows[1][column], mean_reciprocal_rank(&ranks));
        near(&rows[2][column], recall(&ranks, 1));
        near(&rows[3][column], 1.0);
        by_mode.push(ranks);

        let gallery: Vec<Vec<f32>> = features.iter().map(|features| naive.place(features)).collect();
        let queries: Vec<Vec<f32>> = (0..3)
            .map(|dialog| {
                let rounds = (0..10).map(|round| said(dialog, round));
                let text: Vec<String> = rounds.map(|(q, a)| format!("Q: {q}? A: {a}.")).collect();
                naive.query(&[Part::Text(true, &format!("{}[RET]", text.join(" ")))])
            })
            .collect();
        let first = |n: usize| match mode {
            Compat::Off => nearest(&queries[n], &gallery, &[])[0],
            Compat::Reference => nearest(&gallery[n], &queries, &[])[0],
        };
        let found = (0..3).filter(|&n| first(n) == n).count();
        near(&rows[6][column], found as f64 / 3.0);
    }
    assert_ne!(by_mode[0], by_mode[1], "the two ways to weigh must differ for this to compare anything");
    assert_eq!(rows[0][0], "IT→T");
    near(&rows[0][4], 0.16594);
}

#[test]
fn a_dialog_without_its_picture_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    sets::dialogs(folder.path());
    std::fs::remove_file(folder.path().join("visdial/VisualDialog_val2018_000000000701.png")).unwrap();
    let report = report(folder.path(), &[&WORDS[..], &["--compat", "off"]].concat());
    assert_eq!(crate::skipped(&report), ["picture 701: there is no such file"]);
    let facts = report["facts"][1][1].as_str().unwrap();
    assert!(facts.starts_with("2 of 3 dialogs, 20 rounds, 2 of them with relevances"), "{facts}");
}
