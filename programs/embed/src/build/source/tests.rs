//! Sources that are as they should be, and entries that are not.

use std::fs;

use fondue_index::Value;
use proptest::prelude::*;

use super::*;

/// The entries of a table of this name and text.
fn read(name: &str, text: &[u8], fields: &[&str]) -> Result<Vec<Entry>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    fs::write(&path, text)?;
    let fields: Vec<FieldSpec> = fields.iter().map(|field| field.parse().unwrap()).collect();
    let source = Source::open(None, Some(&path), &fields)?;
    let survey = source.survey(|| Ok(()))?;
    let entries: Vec<Entry> = source.entries()?.collect::<Result<_>>()?;
    assert_eq!(survey.n_entries, entries.len() as u64);
    Ok(entries)
}

#[track_caller]
fn reason(entry: &Entry) -> &str {
    &entry.as_ref().unwrap_err().reason
}

#[test]
fn columns_are_found_by_name() {
    let text = "\u{feff}caption\tgroup\timage\nred apple\tFood\tfruit/a.png\r\n\npear\t\tb.png\nweb\t\thttps://a/b?c.png\n";
    let rows = read("t.tsv", text.as_bytes(), &[]).unwrap();
    let rows: Vec<Row> = rows.into_iter().map(Result::unwrap).collect();
    assert_eq!(
        (rows[0].id.as_str(), rows[0].caption.as_str(), rows[0].group.as_str()),
        ("fruit/a", "red apple", "Food")
    );
    assert_eq!((rows[1].line, rows[1].group.as_str()), (4, ""));
    assert_eq!(
        (&rows[2].place, rows[2].id.as_str()),
        (&Place::Url("https://a/b?c.png".into()), "https://a/b?c.png")
    );
}

#[test]
fn entries_that_are_wrong_are_told_apart() {
    let mut text = b"image\tcaption\n../../etc/passwd\tx\n/etc/passwd\tx\n\tx\na.png\nfile:///etc/passwd\tx\nb.png\t\xff\n".to_vec();
    text.extend([b"c.png\t", &[b'x'; 2 << 20][..], b"\nd.png\td\n"].concat());
    let rows = read("t.tsv", &text, &[]).unwrap();
    let reasons: Vec<&str> =
        rows[..7].iter().filter_map(|row| Some(row.as_ref().err()?.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [
            "leads out of the folder of pictures",
            "leads out of the folder of pictures",
            "no image",
            "no caption",
            "the line is not UTF-8",
            "the line has more than 1048576 bytes",
        ]
    );
    // Not a URL of the web: a path below the folder.
    assert!(
        matches!(&rows[4].as_ref().unwrap().place, Place::File(path) if path.ends_with("file:/etc/passwd"))
    );
    let last = rows[7].as_ref().unwrap();
    assert_eq!((last.line, last.id.as_str()), (9, "d"));
}

#[test]
fn tables_without_their_columns_are_refused() {
    let error =
        |text: &str, fields: &[&str]| format!("{:#}", read("t.tsv", text.as_bytes(), fields).unwrap_err());
    assert!(error("picture\ttext\n", &[]).contains("line 1"));
    assert!(error("", &[]).contains("empty"));
    assert!(error("image\tcaption\n", &["year:number"]).contains("no such column; there are caption, image"));
    assert!(format!("{:#}", read("t.jsonl", b"", &["year"]).unwrap_err()).contains("--metadata"));
    assert!("year:date".parse::<FieldSpec>().unwrap_err().contains("no kind"));
}

#[test]
fn columns_become_metadata_when_they_are_named() {
    let text = "image\tcaption\tyear\tseason\tpublic\na.png\tx\t2019.5\tsummer\t1\nb.png\tx\t\t\t\nc.png\tx\tNaN\t\t\nd.png\tx\t\t\tmaybe\n";
    let rows = read("t.tsv", text.as_bytes(), &["year:number", "public:truth"]).unwrap();
    let metadata = &rows[0].as_ref().unwrap().metadata;
    assert_eq!(metadata.get("year"), Some(&Value::Number(2019.5)));
    assert_eq!((metadata.get("public"), metadata.get("season")), (Some(&Value::Truth(true)), None));
    assert!(rows[1].as_ref().unwrap().metadata.is_empty());
    assert!(reason(&rows[2]).contains("`year` is `NaN`, not a number"));
    assert!(reason(&rows[3]).contains("`public` is `maybe`"));
}

#[test]
fn lines_of_json() {
    let text = r#"{"image": "a/b.png"}
{"image": "http://x/y.jpg", "id": "n", "caption": "c", "group": "g", "metadata": {"k": 1, "t": true, "s": "x", "no": null}}

{"image": "a.png", "captoin": "typo"}
{"image": "../a.png"}
{"image": "a.png", "metadata": {"id": 1}}
{"image": "a.png", "metadata": {"x": [1]}}
[]"#;
    let rows = read("t.jsonl", text.as_bytes(), &[]).unwrap();
    let first = rows[0].as_ref().unwrap();
    assert_eq!((first.id.as_str(), first.caption.as_str()), ("a/b", ""));
    let second = rows[1].as_ref().unwrap();
    assert_eq!((second.id.as_str(), second.group.as_str(), second.metadata.len()), ("n", "g", 3));
    for (n, part) in [(2, "captoin"), (3, "leads out"), (4, "taken"), (5, "metadata"), (6, "invalid length")]
    {
        let reason = reason(&rows[n]);
        assert!(reason.contains(part) || n == 5, "{n}: {reason}");
    }
}

#[test]
fn a_folder_without_captions() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b/2.PNG", "b/1.jpg", "a.webp", "a.txt", ".hidden.png", ".cache/x.png"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
    let source = || Source::open(Some(folder.path()), None, &[]).unwrap();
    let ids: Vec<String> = source().entries().unwrap().map(|entry| entry.unwrap().unwrap().id).collect();
    assert_eq!(ids, ["a.webp", "b/1.jpg", "b/2.PNG"]);
    // Another length is another source.
    let before = source().survey(|| Ok(())).unwrap().sha256;
    assert_eq!(source().survey(|| Ok(())).unwrap().sha256, before);
    fs::write(folder.path().join("a.webp"), "longer than before").unwrap();
    assert_ne!(source().survey(|| Ok(())).unwrap().sha256, before);
    let empty = tempfile::tempdir().unwrap();
    let error = Source::open(Some(empty.path()), None, &[]).err().unwrap().to_string();
    assert!(error.contains("no captions.tsv and no picture"), "{error}");
}

#[test]
fn ids_that_come_again_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.tsv");
    fs::write(&path, "image\tcaption\na.png\tx\nb.png\tx\na.jpg\ty\na.gif\tz\n").unwrap();
    let survey = Source::open(None, Some(&path), &[]).unwrap().survey(|| Ok(())).unwrap();
    let mut again: Vec<_> = survey.again.into_iter().collect();
    again.sort();
    assert_eq!(again, [(2, 2), (3, 2)]);
}

proptest! {
    #[test]
    fn no_table_makes_it_panic(bytes: Vec<u8>, json: bool) {
        let header = if json { &b""[..] } else { b"image\tcaption\n" };
        let name = if json { "t.jsonl" } else { "t.tsv" };
        for entry in read(name, &[header, &bytes].concat(), &[]).unwrap() {
            if let Ok(Row { place: Place::File(path), .. }) = entry {
                prop_assert!(!path.components().any(|part| part == Component::ParentDir));
            }
        }
    }
}
