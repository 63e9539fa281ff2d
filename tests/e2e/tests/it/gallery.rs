//! `fondue index` with services that run: pictures are added, found, deleted, compacted.

use std::fs;

use clap::Parser;
use fondue_embed::{add, compact, delete, search};
use fondue_harness::{Cluster, Flags, pictures};

/// Runs a command of `fondue index`, beside the services.
async fn run<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_and_go_while_the_index_is_served() {
    let cluster = Cluster::start(Flags::default()).await.unwrap();
    let (retrieval, vision, language) =
        (cluster.retrieval.address.clone(), cluster.vision.address.clone(), cluster.language.address.clone());
    let folder = tempfile::tempdir().unwrap();
    let more = folder.path().join("more");
    fs::create_dir(&more).unwrap();
    for n in 0..40 {
        // Pictures that the gallery has not.
        fs::write(more.join(format!("new-{n:02}.png")), pictures::png(100 + n).unwrap()).unwrap();
    }
    fs::write(more.join("broken.png"), "no picture").unwrap();
    let adding: Vec<String> =
        ["add", "--retrieval", &retrieval, "--vision", &vision, "--language", &language]
            .map(str::to_owned)
            .into_iter()
            .chain(["--pictures".to_owned(), more.to_str().unwrap().to_owned()])
            .collect();
    let report = folder.path().join("bad.tsv");
    let mut words = adding.clone();
    words.extend(["--report".to_owned(), report.to_str().unwrap().to_owned()]);
    run(move || add::run(&add::Args::try_parse_from(words)?)).await.unwrap();
    let report = fs::read_to_string(report).unwrap();
    assert!(report.lines().count() == 2 && report.contains("broken.png"), "{report}");

    let search = |picture: &str| {
        let words = [
            "search",
            "--json",
            "-k",
            "1",
            "--image",
            more.join(picture).to_str().unwrap(),
            "--vision",
            &vision,
            "--language",
            &language,
            "--index",
            cluster.index().to_str().unwrap(),
        ]
        .map(str::to_owned);
        run(move || search::run(&search::Args::try_parse_from(words)?))
    };
    let found = search("new-07.png").await.unwrap();
    assert!(found.contains("\"id\": \"new-07.png\""), "{found}");

    let words = ["delete", "new-07.png", "never there", "--retrieval", &retrieval].map(str::to_owned);
    run(move || delete::run(&delete::Args::try_parse_from(words)?)).await.unwrap();
    let found = search("new-07.png").await.unwrap();
    assert!(!found.contains("\"id\": \"new-07.png\""), "{found}");

    let words = ["compact", "--server", &retrieval].map(str::to_owned);
    run(move || compact::run(&compact::Args::try_parse_from(words)?)).await.unwrap();
    let root = fondue_index::Root::open(&cluster.index()).unwrap();
    let generation = root.generation(&root.active().unwrap()).unwrap();
    assert_eq!(generation.len(), fondue_harness::GALLERY + 39);
    assert!(generation.parent().is_some());

    // Strict stops, and says that the service is not there if it is not.
    let mut words = adding.clone();
    words.push("--strict".to_owned());
    let error = run(move || add::run(&add::Args::try_parse_from(words)?)).await.unwrap_err();
    assert!(format!("{error:#}").contains("broken.png"), "{error:#}");
    let mut words = adding;
    words[2] = "127.0.0.1:1".to_owned();
    let error = run(move || add::run(&add::Args::try_parse_from(words)?)).await.unwrap_err();
    assert!(format!("{error:#}").contains("retrieval service at 127.0.0.1:1"), "{error:#}");
}
