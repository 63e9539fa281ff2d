//! Builds that are killed: the same command goes on, and ends in the generation of an undisturbed build.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use fondue_index::Root;
use image::{Rgb, RgbImage};

use crate::{active, model};

const PICTURES: usize = 60;

/// Pictures of noise, and among them two that are none.
fn pictures(folder: &Path) {
    fs::create_dir_all(folder.join("deep")).unwrap();
    let mut table = "image\tcaption\tyear\n".to_owned();
    for n in 0..PICTURES {
        let name = if n % 2 == 0 { format!("deep/{n}.png") } else { format!("{n}.jpg") };
        let picture = RgbImage::from_fn(40, 30, |x, y| {
            let value = (x as usize * 31 + y as usize * 17 + n * 101) * 2_654_435_761;
            Rgb([value as u8, (value >> 8) as u8, (value >> 16) as u8])
        });
        picture.save(folder.join(&name)).unwrap();
        table += &format!("{name}\tpicture {n}\t{}\n", 1990 + n);
    }
    fs::write(folder.join("broken.png"), "no picture").unwrap();
    table += "broken.png\tbroken\t\nabsent.png\tabsent\t\n1.png\tcomes again\t\n";
    fs::write(folder.join("captions.tsv"), table).unwrap();
}

fn command(pictures: &Path, index: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command.arg("build").arg("--pictures").arg(pictures).arg("--index").arg(index);
    command.arg("--model").arg(model()).args(["--batch", "2"]).args(flags);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn build(pictures: &Path, index: &Path, flags: &[&str]) -> Output {
    command(pictures, index, flags).output().unwrap()
}

fn id(index: &Path) -> String {
    Root::open(index).unwrap().active().unwrap()
}

/// The folder that an unfinished build keeps.
fn kept(index: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(index).ok()?.map(|entry| entry.unwrap().path());
    let mut kept = entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".resume-"));
    let first = kept.next();
    assert!(kept.next().is_none());
    first
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Kills a build as soon as so many bytes are kept; `None` if it ended before.
fn killed_at(mut child: Child, index: &Path, bytes: u64) -> Option<u64> {
    let begun = Instant::now();
    loop {
        let len = kept(index)
            .and_then(|folder| fs::metadata(folder.join("rows")).ok())
            .map_or(0, |data| data.len());
        if len >= bytes {
            child.kill().unwrap(); // SIGKILL
            child.wait().unwrap();
            return Some(len);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it hangs");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_over_and_over_it_makes_the_same_generation() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    pictures(&photos);
    for flags in [&["--metadata", "year:number"][..], &["--thumbnails", "16"]] {
        let name = flags[0].trim_matches('-');
        let (calm, stormy) =
            (folder.path().join(format!("calm-{name}")), folder.path().join(format!("stormy-{name}")));
        let output = build(&photos, &calm, flags);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let out = text(&output.stdout);
        assert!(
            out.contains("60 pictures in generation") && out.contains("3 pictures were left out"),
            "{out}"
        );
        assert_eq!(kept(&calm), None);
        // Killed again and again, each time a little later.
        let (mut kills, mut before) = (0, 0);
        while let Some(len) =
            killed_at(command(&photos, &stormy, flags).spawn().unwrap(), &stormy, before + 2500)
        {
            assert!(len > before, "nothing was gained");
            (kills, before) = (kills + 1, len);
        }
        assert!(kills >= 3, "{kills}");
        let output = build(&photos, &stormy, flags);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(id(&stormy), id(&calm));
        assert_eq!(kept(&stormy), None);
        let (generation, row) = (active(&stormy), active(&stormy).row("deep/4").unwrap().unwrap());
        assert_eq!(generation.len(), PICTURES);
        let item = generation.item(row).unwrap();
        assert_eq!(item.caption, "picture 4");
        if flags[0] == "--metadata" {
            assert_eq!(item.metadata.get("year"), Some(&fondue_index::Value::Number(1994.0)));
            assert_eq!(generation.picture(row).unwrap(), fs::read(photos.join("deep/4.png")).unwrap());
        } else {
            assert!(item.metadata.is_empty());
            let small = image::load_from_memory(generation.picture(row).unwrap()).unwrap();
            assert_eq!((small.width(), small.height()), (16, 12));
        }
    }
}

#[test]
fn company_threads_and_precision_change_what_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("p");
    pictures(&photos);
    let built = |name: &str, flags: &[&str]| {
        let index = folder.path().join(name);
        let output = build(&photos, &index, flags);
        assert!(output.status.success(), "{}", text(&output.stderr));
        id(&index)
    };
    let two = built("two", &[]);
    // Not by `build`, which says two pictures a batch.
    let alone = folder.path().join("alone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
    command
        .arg("build")
        .arg("--pictures")
        .arg(&photos)
        .arg("--index")
        .arg(&alone)
        .arg("--model")
        .arg(model());
    assert!(command.args(["--batch", "1", "--threads", "3"]).output().unwrap().status.success());
    assert_eq!(id(&alone), two);
    assert_ne!(built("half", &["--precision", "f16"]), two);
    // With a graph, in a generation of its own.
    built("graph", &["--graph-above", "10"]);
    assert!(active(&folder.path().join("graph")).graph_facts().is_some());
}

#[test]
fn a_torn_record_is_done_again_and_fresh_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, calm, torn) =
        (folder.path().join("p"), folder.path().join("calm"), folder.path().join("torn"));
    pictures(&photos);
    assert!(build(&photos, &calm, &[]).status.success());
    killed_at(command(&photos, &torn, &[]).spawn().unwrap(), &torn, 10_000).unwrap();
    let rows = kept(&torn).unwrap().join("rows");
    let whole = fs::read(&rows).unwrap();
    fs::write(&rows, &whole[..whole.len() - 7]).unwrap();
    let output = build(&photos, &torn, &[]);
    assert!(text(&output.stderr).contains("going on with a build of which"), "{}", text(&output.stderr));
    assert_eq!(id(&torn), id(&calm));
    killed_at(command(&photos, &torn, &[]).spawn().unwrap(), &torn, 10_000).unwrap();
    let output = build(&photos, &torn, &["--fresh"]);
    assert!(!text(&output.stderr).contains("going on"), "{}", text(&output.stderr));
    assert!(output.status.success());
}

#[test]
fn what_others_left_long_ago_is_removed_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, index) = (folder.path().join("p"), folder.path().join("i"));
    fs::create_dir_all(&photos).unwrap();
    RgbImage::from_pixel(20, 20, Rgb([9, 200, 9])).save(photos.join("a.png")).unwrap();
    let day = Duration::from_secs(86_400);
    let left = |n: usize, days: u32| {
        let folder = index.join(format!(".resume-000000000000000{n}"));
        fs::create_dir_all(&folder).unwrap();
        let rows = fs::File::create(folder.join("rows")).unwrap();
        rows.set_modified(std::time::SystemTime::now() - days * day).unwrap();
        folder
    };
    let (old, young) = (left(1, 31), left(2, 29));
    let output = build(&photos, &index, &[]);
    let errors = text(&output.stderr);
    assert!(output.status.success() && !old.exists() && young.exists(), "{errors}");
    let told = format!("removed {}: a build that nobody has gone on with for 31 days", old.display());
    assert!(errors.contains(&told) && !errors.contains(young.to_str().unwrap()), "{errors}");
    assert!(build(&photos, &index, &["--forget-after", "0"]).status.success());
    assert!(!young.exists());
}

#[test]
fn what_is_left_out_is_listed_and_strict_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (photos, index, report) =
        (folder.path().join("p"), folder.path().join("i"), folder.path().join("bad.tsv"));
    pictures(&photos);
    let output = build(&photos, &index, &["--report", report.to_str().unwrap(), "--show", "1"]);
    assert!(output.status.success());
    let errors = text(&output.stderr);
    assert_eq!(errors.lines().filter(|line| line.starts_with("left out: line")).count(), 1, "{errors}");
    assert!(errors.contains("left out: more"), "{errors}");
    let report = fs::read_to_string(report).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines.len(), 4, "{report}");
    for (line, parts) in lines.iter().zip([
        ["line", "image", "reason"],
        ["62\t", "broken.png", ""],
        ["63\t", "absent.png", "No such file"],
        ["64\t", "1.png", "has the name of line 3"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    let other = folder.path().join("strict");
    let output = build(&photos, &other, &["--strict"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("nothing was published") && errors.contains("captions.tsv: line 6"), "{errors}");
    // A folder of nothing but such files.
    let (none, index) = (folder.path().join("none"), folder.path().join("j"));
    fs::create_dir(&none).unwrap();
    fs::write(none.join("a.png"), "no picture").unwrap();
    let output = build(&none, &index, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("none of 1 pictures could be read"), "{}", text(&output.stderr));
}

#[test]
fn urls_are_not_fetched_unless_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("t.jsonl");
    fs::write(&table, "{\"image\": \"http://127.0.0.1/a.png\"}\n").unwrap();
    let build = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
        command.arg("build").arg("--captions").arg(&table).arg("--model").arg(model());
        command.arg("--index").arg(folder.path().join("i")).args(flags).output().unwrap()
    };
    let output = build(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("1 of 1 pictures are named by URLs; --fetch"),
        "{}",
        text(&output.stderr)
    );
    let output = build(&["--fetch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("127.0.0.1 is a loopback address"), "{}", text(&output.stderr));
}

/// A server that sends the same picture to everybody, but where the path says otherwise.
fn web(picture: Vec<u8>) -> u16 {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, picture) = (stream.unwrap(), picture.clone());
            thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines.next().unwrap().unwrap();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let (status, body) = match first.split(' ').nth(1).unwrap() {
                    "/gone.png" => ("404 Not Found", Vec::new()),
                    "/text.png" => ("200 OK", b"no picture".to_vec()),
                    _ => ("200 OK", picture),
                };
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            });
        }
    });
    port
}

#[test]
fn pictures_come_from_the_web() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.png");
    RgbImage::from_pixel(20, 20, Rgb([9, 200, 9])).save(&file).unwrap();
    let picture = fs::read(&file).unwrap();
    let port = web(picture.clone());
    let url = |name: &str| format!("http://127.0.0.1:{port}/{name}");
    let table = folder.path().join("t.tsv");
    let rows =
        ["a.png", "gone.png", "text.png", "b.png"].map(|name| format!("{}\tcaption of {name}\n", url(name)));
    fs::write(&table, format!("image\tcaption\n{}p.png\tlocal\n", rows.concat())).unwrap();
    for (flags, stored) in [(&[][..], true), (&["--no-pictures"], false)] {
        let index = folder.path().join(format!("i{stored}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-index"));
        command
            .arg("build")
            .arg("--captions")
            .arg(&table)
            .arg("--model")
            .arg(model())
            .arg("--index")
            .arg(&index);
        command
            .args(["--fetch", "--fetch-network", "127.0.0.1/32", "--fetch-port", &port.to_string()])
            .args(flags);
        let output = command.output().unwrap();
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(errors.contains("the server answers 404") && errors.contains("text.png"), "{errors}");
        let generation = active(&index);
        assert_eq!(generation.len(), 3);
        let row = generation.row(&url("b.png")).unwrap().unwrap();
        let item = generation.item(row).unwrap();
        assert_eq!(item.caption, "caption of b.png");
        assert_eq!(generation.picture(row), stored.then_some(picture.as_slice()));
        assert_eq!((item.url.is_empty(), item.media_type.is_empty()), (stored, !stored));
        let local = generation.item(generation.row("p").unwrap().unwrap()).unwrap();
        assert_eq!((local.url.as_str(), local.media_type.is_empty()), ("", !stored));
    }
}
