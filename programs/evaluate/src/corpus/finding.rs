//! Pictures found by name: the query of a caption with `[RET]` behind it, among all pictures of a style.

use anyhow::Result;

use super::{
    gallery::{self, Gallery},
    read::{Corpus, STYLES, Split},
    tally::{self, Outcome, columns, ranks},
};
use crate::{
    metrics::recall,
    model::{Model, Piece},
    report::{Cell, Example, Examples, Figures, Report, Shown, Skipped},
};

/// Forms of captions, as the corpus has them; the first counts.
const FORMS: [&str; 3] = ["{a}", "{name}", "Here {is} {a}."];

/// Pictures by the form that counts.
pub(crate) struct Finding {
    pub(crate) outcomes: Vec<Outcome>,
}

/// Looks for every judged picture by each form; adds figures and failures to the report.
pub(crate) fn find(
    model: &mut Model,
    corpus: &Corpus,
    galleries: &[Gallery],
    judged: &dyn Fn(usize) -> bool,
    report: &mut Report,
) -> Result<Finding> {
    let mut by_form = Vec::new();
    let mut failures = Vec::new();
    for (at, form) in FORMS.into_iter().enumerate() {
        let captions: Vec<String> =
            corpus.things.iter().map(|thing| thing.spoken.fill(form, &thing.name) + "[RET]").collect();
        let prompts: Vec<_> = captions.iter().map(|caption| vec![Piece::text(caption)]).collect();
        let queries = model.queries(&prompts, "names asked for")?;
        let mut outcomes = Vec::new();
        for (n, picture) in corpus.pictures.iter().enumerate().filter(|(n, _)| judged(*n)) {
            let query = match &queries[picture.thing] {
                Ok(query) => query,
                Err(reason) => {
                    report
                        .skipped
                        .push(Skipped { what: captions[picture.thing].clone(), reason: reason.clone() });
                    continue;
                }
            };
            let Some(found) = galleries[picture.style].find(&query.0, n) else { continue };
            if at == 0 && found.rank > 1 && picture.split != Split::HeldThing {
                failures.push((
                    picture.split,
                    Example {
                        given: vec![Shown::text(&captions[picture.thing])],
                        right: vec![shown(corpus, n)],
                        got: found.first.iter().map(|&at| shown(corpus, at)).collect(),
                        rank: Some(found.rank),
                    },
                ));
            }
            outcomes.push(Outcome { picture: n, rank: found.rank });
        }
        by_form.push(outcomes);
    }
    let sizes: Vec<String> = galleries.iter().map(|gallery| gallery.pictures.len().to_string()).collect();
    report.tables.push(tally::recalls(
        "text_to_picture",
        "Found by name",
        format!(
            "The query of `a red apple[RET]` among all pictures of a style ({} of {}).",
            sizes.join(", "),
            STYLES.join(", ")
        ),
        corpus,
        &by_form[0],
        |style| gallery::chance(galleries, style),
    ));
    report.tables.push(forms(corpus, &by_form));
    for (split, name, title) in [
        (Split::HeldPicture, "not_found_held", "Pictures that were held out and are not found first"),
        (Split::Train, "not_found_trained", "Pictures that were trained on and are not found first"),
    ] {
        let mut rows: Vec<Example> =
            failures.iter().filter(|failure| failure.0 == split).map(|failure| failure.1.clone()).collect();
        rows.sort_by_key(|case| std::cmp::Reverse(case.rank));
        report.examples.push(Examples { name, title: title.to_owned(), of: rows.len(), rows });
    }
    Ok(Finding { outcomes: by_form.swap_remove(0) })
}

fn forms(corpus: &Corpus, by_form: &[Vec<Outcome>]) -> Figures {
    let row = |(form, outcomes): (&str, &Vec<Outcome>)| {
        let example = form.replace("{a}", "a red apple").replace("{name}", "red apple").replace("{is}", "is");
        let mut cells = vec![Cell::Text(example + "[RET]")];
        for split in Split::ALL {
            let ranks = ranks(corpus, outcomes, split, None);
            cells.extend([1, 5].map(|k| Cell::Share(recall(&ranks, k))));
        }
        cells
    };
    Figures {
        name: "text_to_picture_by_form",
        title: "Found by name, by how it is put".to_owned(),
        note: "R@1 and R@5 over all three styles.".to_owned(),
        columns: columns(&[
            "caption",
            "trained on R@1",
            "R@5",
            "picture held out R@1",
            "R@5",
            "thing held out R@1",
            "R@5",
        ]),
        rows: FORMS.into_iter().zip(by_form).map(row).collect(),
    }
}

/// A picture of the corpus as it is shown.
pub(crate) fn shown(corpus: &Corpus, picture: usize) -> Shown {
    let picture = &corpus.pictures[picture];
    Shown::Picture { path: picture.path.clone(), name: corpus.things[picture.thing].name.clone() }
}
