//! Captions of a table.

use std::fs;

use fondue_domain::Compat;
use fondue_evaluate::metrics::recall;

use crate::{
    naive::{Naive, Part, nearest},
    near, report, rows, sets, skipped,
};

#[test]
fn pictures_and_captions_find_each_other_as_by_single_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from("caption\timage\n");
    for (n, (name, colour)) in sets::COLOURS.into_iter().enumerate() {
        sets::draw(&folder.path().join(format!("p/{n}.png")), colour, n as u32);
        table.push_str(&format!("a {name}\tp/{n}.png\n"));
    }
    // The first picture has a second caption; one picture is not there, and one line is none.
    table.push_str("the picture of an apple\tp/0.png\nnothing\tp/9.png\nbroken\n");
    fs::write(folder.path().join("c.tsv"), table).unwrap();
    let report = report(folder.path(), &["captions", "--tsv", "c.tsv", "--html", "page.html"]);
    let skipped = skipped(&report);
    assert_eq!(skipped[0], "line 12: 1 fields, the header has 2");
    assert!(skipped[1].starts_with("p/9.png: ") && skipped.len() == 2, "{skipped:?}");

    let naive = Naive::load();
    let place = |n: usize| naive.place(&naive.see(&folder.path().join(format!("p/{n}.png")), Compat::Off));
    let gallery: Vec<Vec<f32>> = (0..8).map(place).collect();
    let mut captions: Vec<(usize, String)> =
        sets::COLOURS.iter().enumerate().map(|(n, (name, _))| (n, format!("a {name}[RET]"))).collect();
    captions.insert(1, (0, "the picture of an apple[RET]".to_owned()));
    let queries: Vec<Vec<f32>> =
        captions.iter().map(|(_, text)| naive.query(&[Part::Text(true, text)])).collect();
    let by_caption: Vec<usize> = (0..9)
        .map(|at| 1 + nearest(&queries[at], &gallery, &[]).iter().position(|&n| n == captions[at].0).unwrap())
        .collect();
    let by_picture: Vec<usize> = (0..8)
        .map(|n| 1 + nearest(&gallery[n], &queries, &[]).iter().position(|&at| captions[at].0 == n).unwrap())
        .collect();
    let rows_of = rows(&report, "retrieval");
    for (row, ranks, among) in [(0, &by_caption, 8), (1, &by_picture, 9)] {
        assert_eq!((&rows_of[row][1], &rows_of[row][2]), (&ranks.len().into(), &among.into()));
        near(&rows_of[row][3], recall(ranks, 1));
        near(&rows_of[row][4], recall(ranks, 5));
    }
    assert_eq!(rows(&report, "bleu").len(), 2);
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("Captions written") && page.contains("url(data:image/png;base64,"));
}
