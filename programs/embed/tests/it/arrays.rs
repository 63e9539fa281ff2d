//! NumPy arrays with names of their own.

use std::{fs, path::Path};

use fondue_embed::import::{NpyError, NpyFault, Reason};
use fondue_index::{Precision, Value};
use half::f16;

use crate::{DIM, ROWS, active, import, row};

/// An array as NumPy writes it.
fn npy(path: &Path, descr: &str, order: &str, shape: &str, numbers: &[u8]) {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(numbers);
    fs::write(path, file).unwrap();
}

/// The rows of all good files, in halves of whole numbers: exact in every type.
fn numbers() -> Vec<f32> {
    (0..ROWS).flat_map(|r| (0..DIM).map(move |c| ((7 * r + 3 * c + r * c) % 11) as f32 - 5.5)).collect()
}

#[test]
fn arrays_in_every_type_and_precision() {
    let folder = tempfile::tempdir().unwrap();
    let ids = folder.path().join("ids.txt");
    let names: Vec<String> = (0..ROWS)
        .map(|n| if n == 3 { "https://a.org/3.jpg".to_owned() } else { format!("row {n}") })
        .collect();
    fs::write(&ids, names.join("\n")).unwrap();
    let f2: Vec<u8> = numbers().iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
    let f4: Vec<u8> = numbers().iter().flat_map(|value| value.to_le_bytes()).collect();
    let f8: Vec<u8> = numbers().iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    let mut generations = Vec::new();
    for (descr, bytes) in [("'<f2'", f2), ("'<f4'", f4.clone()), ("'<f8'", f8)] {
        let array = folder.path().join("a.npy");
        npy(&array, descr, "False", &format!("({ROWS}, {DIM})"), &bytes);
        let index = folder.path().join("index");
        let report = import(&index, &[array], &["--ids", ids.to_str().unwrap()]).unwrap();
        assert_eq!((report.n_kept, report.dim), (ROWS, DIM));
        generations.push(report.generation);
        let generation = active(&index);
        let place = generation.row("https://a.org/3.jpg").unwrap().unwrap();
        assert_eq!((place, generation.item(3).unwrap().url.as_str()), (3, "https://a.org/3.jpg"));
        let mut values = vec![0.0; DIM];
        assert!(generation.rows().unwrap().read(5, &mut values));
        assert_eq!(values, row(5).values());
    }
    generations.dedup();
    assert_eq!(generations.len(), 1);
    for precision in ["f16", "int8"] {
        let array = folder.path().join("a.npy");
        npy(&array, "'<f4'", "False", &format!("({ROWS}, {DIM})"), &f4);
        let index = folder.path().join(precision);
        import(&index, &[array], &["--ids", ids.to_str().unwrap(), "--precision", precision]).unwrap();
        assert_eq!(active(&index).precision(), precision.parse::<Precision>().unwrap());
    }
}

#[test]
fn lines_of_json_describe_rows_and_those_that_cannot_be_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (array, ids, index) =
        (folder.path().join("a.npy"), folder.path().join("i.jsonl"), folder.path().join("index"));
    let mut bytes: Vec<u8> =
        [1f32, 2.0, 3.0, 4.0, 0.0, 0.0, f32::NAN, 1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.extend([5f32, 6.0, 7.0, 8.0].iter().flat_map(|value| value.to_le_bytes()));
    npy(&array, "'<f4'", "False", "(6, 2)", &bytes);
    let lines = r#"{"id": "a", "caption": "c", "url": "https://a/x", "metadata": {"year": 2000}}
{"id": "a"}
{"id": "zero"}
{"id": "nan"}
{"id": "kind", "metadata": {"year": "2000"}}
{"id": "https://b/y", "group": "g"}
"#;
    fs::write(&ids, lines).unwrap();
    let report = import(&index, std::slice::from_ref(&array), &["--ids", ids.to_str().unwrap()]).unwrap();
    assert_eq!(report.n_kept, 2);
    for reason in [Reason::Duplicate, Reason::Zero, Reason::NotFinite, Reason::Metadata] {
        assert_eq!(report.left_out.count(reason), 1, "{reason:?}");
    }
    let generation = active(&index);
    let item = generation.item(0).unwrap();
    assert_eq!((item.caption.as_str(), item.url.as_str()), ("c", "https://a/x"));
    assert_eq!(item.metadata.get("year"), Some(&Value::Number(2000.0)));
    assert_eq!(generation.item(1).unwrap().url, "https://b/y");
    // A line that is wrong, and one too few, before anything is written.
    for (text, part) in [
        (lines.replace("\"id\": \"zero\"", "\"di\": 1"), "line 3"),
        (lines.replace("{\"id\": \"a\"}\n", ""), "names 5 rows, but there are 6"),
    ] {
        fs::write(&ids, text).unwrap();
        let error = format!(
            "{:#}",
            import(&index, std::slice::from_ref(&array), &["--ids", ids.to_str().unwrap()]).unwrap_err()
        );
        assert!(error.contains(part), "{error}");
    }
    let error = import(&index, &[array], &[]).unwrap_err().to_string();
    assert!(error.contains("--ids"), "{error}");
}

#[test]
fn arrays_that_are_none_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (array, ids) = (folder.path().join("a.npy"), folder.path().join("ids"));
    fs::write(&ids, "a\nb\n").unwrap();
    type Is = fn(&NpyFault) -> bool;
    for (descr, order, shape, n_bytes, is) in [
        ("'|O'", "False", "(2, 2)", 40, (|fault| matches!(fault, NpyFault::Objects)) as Is),
        ("'>f4'", "False", "(2, 2)", 16, |fault| matches!(fault, NpyFault::Dtype(_))),
        ("'<i8'", "False", "(2, 2)", 32, |fault| matches!(fault, NpyFault::Dtype(_))),
        ("[('a', '<f4')]", "False", "(2, 2)", 16, |fault| matches!(fault, NpyFault::Dtype(_))),
        ("'<f4'", "True", "(2, 2)", 16, |fault| matches!(fault, NpyFault::Fortran)),
        ("'<f4'", "False", "(4,)", 16, |fault| matches!(fault, NpyFault::Shape(_))),
        ("'<f4'", "False", "(2, 2, 1)", 16, |fault| matches!(fault, NpyFault::Shape(_))),
        ("'<f4'", "False", "(2, 2)", 15, |fault| matches!(fault, NpyFault::Length { .. })),
        ("'<f4'", "False", "(2, 2)", 17, |fault| matches!(fault, NpyFault::Length { .. })),
        ("'<f4'", "False", "(9223372036854775807, 4)", 16, |fault| matches!(fault, NpyFault::Length { .. })),
    ] {
        npy(&array, descr, order, shape, &vec![1; n_bytes]);
        let error =
            import(&folder.path().join("i"), std::slice::from_ref(&array), &["--ids", ids.to_str().unwrap()])
                .unwrap_err();
        let fault = &error.downcast_ref::<NpyError>().unwrap().fault;
        assert!(is(fault) && error.to_string().contains("a.npy"), "{descr} {shape}: {error:#}");
    }
    npy(&array, "'<f4'", "False", "(0, 2)", &[]);
    fs::write(&ids, "").unwrap();
    let error = import(&folder.path().join("i"), &[array], &["--ids", ids.to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().contains("no row in 1 files"), "{error:#}");
}
