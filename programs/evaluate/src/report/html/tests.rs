//! The page: nothing in it is taken for markup, nothing comes from elsewhere.

use super::*;
use crate::report::{ModelFacts, Skipped};

fn report(name: &str) -> Report {
    let text = |text: &str| Shown::text(text);
    Report {
        format: 1,
        kind: "corpus",
        program: "fondue evaluate".to_owned(),
        command: vec![name.to_owned()],
        model: ModelFacts {
            folder: name.to_owned(),
            sha256: String::new(),
            device: name.to_owned(),
            weights: name.to_owned(),
        },
        facts: vec![(name.to_owned(), name.to_owned())],
        bars: vec![Bar::at_least(name, 0.5, 0.25)],
        tables: vec![Figures {
            name: "t",
            title: name.to_owned(),
            note: name.to_owned(),
            columns: vec![name.to_owned(), "n".to_owned()],
            rows: vec![vec![name.into(), Cell::Count(7)]],
        }],
        examples: vec![Examples {
            name: "e",
            title: name.to_owned(),
            of: 1,
            rows: vec![Example {
                given: vec![text(name)],
                right: vec![Shown::Picture { path: "a.png".into(), name: name.to_owned() }],
                got: vec![Shown::Picture { path: "a.png".into(), name: name.to_owned() }],
                rank: Some(3),
            }],
        }],
        skipped: vec![Skipped { what: name.to_owned(), reason: name.to_owned() }],
    }
}

#[test]
fn whatever_a_file_or_the_model_says_stays_text() {
    let hostile = "<script>alert('x')</script>\" onload=\"x&";
    let folder = tempfile::tempdir().unwrap();
    let page = page(&report(hostile), folder.path()).unwrap();
    assert!(!page.contains("<script") && !page.contains("onload=\"x"), "{page}");
    assert_eq!(
        page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot; onload=&quot;x&amp;").count(),
        17,
        "{page}"
    );
}

#[test]
fn a_picture_is_inside_once_and_a_lacking_one_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let lacking = page(&report("apple"), folder.path()).unwrap();
    assert!(!lacking.contains("data:image") && lacking.contains("<figcaption>apple"));
    image::RgbImage::new(200, 100).save(folder.path().join("a.png")).unwrap();
    let page = page(&report("apple"), folder.path()).unwrap();
    assert_eq!(page.matches("url(data:image/png;base64,").count(), 1);
    assert_eq!(page.matches("class=\"pic p0\"").count(), 2);
    assert!(
        !page.contains("src=") && !page.contains("http://") && !page.contains("https://"),
        "nothing from elsewhere"
    );
    assert!(page.contains("25.0 %") && page.contains("at least 50.0 %") && page.contains(">fail<"));
}
