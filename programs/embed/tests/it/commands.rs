//! Looking into an index, and changing one that nobody serves, with the real program.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use fondue_index::{
    Index, Root,
    graph::{Graphing, Params},
    live::{Limits, Settings},
};
use image::{Rgb, RgbImage};

use crate::{data, model};

fn fondue(words: &[&str], index: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command.args(words).arg("--index").arg(index).output().unwrap()
}

#[track_caller]
fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&out(output)).unwrap()
}

/// An index of three pictures of one colour each, with a year.
fn colours(folder: &Path) -> std::path::PathBuf {
    let mut table = "image\tcaption\tgroup\tyear\n".to_owned();
    for (n, (name, colour)) in
        [("red", [220, 20, 20]), ("green", [20, 220, 20]), ("blue", [20, 20, 220])].into_iter().enumerate()
    {
        RgbImage::from_pixel(30, 30, Rgb(colour)).save(folder.join(format!("{name}.png"))).unwrap();
        table += &format!("{name}.png\tall {name}\tcolours\t{}\n", 2000 + n);
    }
    fs::write(folder.join("captions.tsv"), table).unwrap();
    let index = folder.join("index");
    let (pictures, model) = (folder.to_str().unwrap(), model());
    let words =
        ["build", "--pictures", pictures, "--model", model.to_str().unwrap(), "--metadata", "year:number"];
    out(&fondue(&words, &index));
    index
}

#[test]
fn a_picture_finds_itself_and_conditions_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (index, model) = (colours(folder.path()), model());
    let (green, saved) = (folder.path().join("green.png"), folder.path().join("found"));
    let by_picture = ["search", "--image", green.to_str().unwrap(), "--model", model.to_str().unwrap()];
    let search = |more: &[&str]| fondue(&[&by_picture[..], more].concat(), &index);
    let found = json(&search(&["--json", "--save", saved.to_str().unwrap()]));
    let hits = found["hits"].as_array().unwrap();
    assert_eq!((hits.len(), &hits[0]["id"], &hits[0]["rank"]), (3, &"green".into(), &1.into()));
    assert!(
        hits[0]["score"].as_f64().unwrap() > 0.9999 && hits[1]["score"].as_f64() <= hits[0]["score"].as_f64()
    );
    assert_eq!((&hits[0]["metadata"]["year"], &hits[0]["caption"]), (&2001.0.into(), &"all green".into()));
    assert_eq!(fs::read(saved.join("0001-green.png")).unwrap(), fs::read(&green).unwrap());
    let text = out(&search(&["-k", "1"]));
    assert!(text.starts_with("   1  1.0000  green  all green\n"), "{text}");
    let ids = |more: &[&str]| {
        let found = json(&search(&[&["--json"], more].concat()));
        found["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--exact", "--where", "year>=2002"]), ["blue"]);
    assert_eq!(ids(&["--where", "year<2002", "--where", "id!=green"]), ["red"]);
    assert_eq!(ids(&["--where", "group=none"]), Vec::<String>::new());
    assert!(
        err(&search(&["--where", "size>3"]))
            .contains("no picture has the field `size`; there are id, caption")
    );
    assert!(err(&search(&["--where", "year=soon"])).contains("holds numbers"));
    // A text through the language model; which comes first the small model alone knows.
    let by_text = ["search", "--text", "a green thing", "--model", model.to_str().unwrap(), "--json"];
    assert_eq!(json(&fondue(&by_text, &index))["hits"].as_array().unwrap().len(), 3);
    // No service is there.
    let output = fondue(&["search", "--text", "x", "--language", "127.0.0.1:1"], &index);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("language service at 127.0.0.1:1") && err(&output).contains("fondue up"),
        "{}",
        err(&output)
    );
}

#[test]
fn another_models_index_is_not_searched() {
    let folder = tempfile::tempdir().unwrap();
    let (index, model) = (colours(folder.path()), model());
    let other = folder.path().join("model");
    for part in ["clip", "opt", "fromage"] {
        fs::create_dir_all(other.join(part)).unwrap();
        for entry in fs::read_dir(model.join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, other.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    let picture = folder.path().join("green.png");
    let search =
        |words: &[&str]| fondue(&[&["search", "--model", other.to_str().unwrap()], words].concat(), &index);
    let by_text = || search(&["--text", "x"]);
    let by_picture = || search(&["--image", picture.to_str().unwrap()]);
    let refused = |output: Output, what: &str| {
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
        let told = format!("made by another {what} model than the query");
        assert!(err(&output).contains(&told), "{}", err(&output));
    };
    // A copy is the same model.
    out(&by_text());
    out(&by_picture());
    // A byte more that changes nothing but the fingerprint.
    let change = |name: &str| {
        let (path, whole) = (other.join(name), fs::read(other.join(name)).unwrap());
        fs::write(&path, [&whole[..], b"\n"].concat()).unwrap();
        move || fs::write(&path, &whole).unwrap()
    };
    for name in ["fromage/model_args.json", "opt/config.json"] {
        let back = change(name);
        refused(by_text(), "language");
        refused(by_picture(), "language");
        back();
    }
    let back = change("clip/config.json");
    refused(by_picture(), "vision");
    // The tower is not asked for a text.
    out(&by_text());
    back();
    out(&by_picture());
}

#[test]
fn info_and_list_tell_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let index = colours(folder.path());
    let first = Root::open(&index).unwrap().active().unwrap();
    out(&fondue(
        &["import", data("shipped.pkl").to_str().unwrap(), "--precision", "f16", "--no-activate"],
        &index,
    ));
    let info = json(&fondue(&["info", "--json"], &index));
    assert_eq!(
        (&info["generation"], &info["rows"], &info["active"]),
        (&first.as_str().into(), &3.into(), &true.into())
    );
    assert_eq!((&info["precision"], &info["fields"]["year"]), (&"f32".into(), &"number".into()));
    assert_eq!(
        (&info["files"]["vectors.f32"], &info["changes"]["added"]),
        (&(3 * 256 * 4).into(), &0.into())
    );
    let text = out(&fondue(&["info", &first], &index));
    for part in [&first, "active", "256 values, f32", "year (number)", "0 added", "vectors.f32"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let list = json(&fondue(&["list", "--json"], &index));
    assert_eq!(list.as_array().unwrap().len(), 2);
    let text = out(&fondue(&["list"], &index));
    assert!(text.contains(&format!("* {first}")) && text.contains(", f16, "), "{text}");
    for words in [&["info", "g0123456789abcdef"][..], &["info", "../../etc"]] {
        let output = fondue(words, &index);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains("no generation"), "{}", err(&output));
    }
    let output = fondue(&["list"], &folder.path().join("absent"));
    assert!(err(&output).contains("no index in"), "{}", err(&output));
}

#[test]
fn a_flipped_bit_is_told_with_the_files_name() {
    let folder = tempfile::tempdir().unwrap();
    let index = colours(folder.path());
    let active = Root::open(&index).unwrap().active().unwrap();
    out(&fondue(&["import", data("shipped.pkl").to_str().unwrap(), "--no-activate"], &index));
    let text = out(&fondue(&["verify", "--all"], &index));
    assert!(text.matches("intact").count() == 3 && text.contains("0 changes intact"), "{text}");
    let file = index.join("generations").join(&active).join("pictures.blob");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).unwrap();
    for words in [&["verify"][..], &["verify", &active], &["verify", "--all"]] {
        let output = fondue(words, &index);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(err(&output).contains("pictures.blob") && err(&output).contains("1 of "), "{}", err(&output));
    }
}

/// An index that is served, and so locked.
fn served(index: &Path) -> Index {
    let limits = Limits { changes: 1000, bytes: 1 << 20, batch_bytes: 1 << 20 };
    let settings = Settings {
        verify: false,
        max_open: 1,
        collect_after: std::time::Duration::from_secs(1),
        graphing: Graphing { above: usize::MAX, params: Params::new(1) },
        limits,
    };
    Index::open(index, settings).unwrap()
}

#[test]
fn deleted_and_compacted_where_nobody_serves_it() {
    let folder = tempfile::tempdir().unwrap();
    let index = colours(folder.path());
    let first = Root::open(&index).unwrap().active().unwrap();
    assert!(out(&fondue(&["compact"], &index)).contains("has no changes"));
    let gone = folder.path().join("gone.txt");
    fs::write(&gone, "blue\n\nnever there\n").unwrap();
    let text = out(&fondue(&["delete", "red", "--ids", gone.to_str().unwrap()], &index));
    assert_eq!(text, format!("2 of 3 pictures deleted from {first}\n"));
    assert_eq!(json(&fondue(&["info", "--json"], &index))["changes"]["rows"], 1);
    // While it is served, it is looked into, but not changed.
    let service = served(&index);
    assert!(service.writable());
    assert_eq!(json(&fondue(&["info", "--json"], &index))["changes"]["removed"], 2);
    for (words, part) in [(&["compact"][..], "--server ADDR"), (&["delete", "green"], "asks the service")] {
        let output = fondue(words, &index);
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains("is served") && err(&output).contains(part), "{}", err(&output));
    }
    drop(service);
    let text = out(&fondue(&["compact"], &index));
    assert!(text.starts_with("1 pictures in generation g") && text.contains(&first), "{text}");
    let info = json(&fondue(&["info", "--json"], &index));
    assert_eq!((&info["rows"], &info["parent"]), (&1.into(), &first.as_str().into()));
}

#[test]
fn a_service_that_is_down_is_told_by_every_command_that_asks_one() {
    let folder = tempfile::tempdir().unwrap();
    let index = colours(folder.path());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (pictures, index) = (folder.path().to_str().unwrap(), index.to_str().unwrap());
    for words in [
        &["add", "--pictures", pictures, "--retrieval", &nobody][..],
        &["delete", "red", "--retrieval", &nobody],
        &["compact", "--server", &nobody],
        &["search", "--text", "red", "--language", &nobody, "--index", index],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_fondue-index")).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", err(&output));
        assert!(err(&output).contains("is it running?"), "{words:?}: {}", err(&output));
    }
}

#[test]
fn help_teaches() {
    for command in ["build", "import", "add", "delete", "compact", "search", "info", "list", "verify"] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
        let text = out(&program.args([command, "--help"]).output().unwrap());
        assert!(text.contains("Example") && text.contains(&format!("fondue index {command}")), "{command}");
    }
}
