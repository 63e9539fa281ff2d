//! `fondue bench serve`: against gateways that misbehave, and against the services themselves.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use fondue_bench::{Kind, Measure, Run, ServeReport};

use super::{
    fake::{Fake, Manner},
    folder, told,
};

/// Runs it against a fake; its report and its page lie in the folder.
fn serve(folder: &Path, url: &str, words: &str) -> (Output, ServeReport) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-bench"));
    command.args(["serve", "--gateway", url, "--json", "load.json", "--html", "load.html"]);
    let output = command.args(words.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    (output, report(folder))
}

fn report(folder: &Path) -> ServeReport {
    serde_json::from_str(&fs::read_to_string(folder.join("load.json")).unwrap()).unwrap()
}

fn outcomes(run: &Run) -> BTreeMap<&str, u64> {
    run.outcomes.iter().map(|(name, n)| (name.as_str(), *n)).collect()
}

fn latency(run: &Run, measure: Measure) -> &fondue_bench::Latency {
    run.latencies.iter().find(|one| one.measure == measure && one.kind.is_none()).unwrap()
}

const EACH: &[Manner] = &[Manner::Whole, Manner::Refuse, Manner::Fail, Manner::Break];

#[test]
fn outcomes_are_what_the_client_saw() {
    for (kind, fake) in [("text", Fake::grpc(EACH)), ("http", Fake::http(EACH))] {
        let folder = tempfile::tempdir().unwrap();
        let words = format!("--mix {kind} --rate 100 --duration 1 --warmup 0 --cancel 0");
        let (output, report) = serve(folder.path(), &fake.url, &words);
        let [run] = report.runs.as_slice() else { panic!("{:?}", report.runs) };
        assert_eq!(run.due as usize, fake.turns(), "{kind}");
        let counts = outcomes(run);
        let names = ["answered", "broken", "failed INTERNAL", "refused RESOURCE_EXHAUSTED"];
        assert_eq!(counts.keys().copied().collect::<Vec<_>>(), names, "{kind}");
        // Each in turn.
        assert!(counts.values().all(|n| n.abs_diff(run.due / 4) <= 1), "{kind}: {counts:?}");
        assert_eq!((run.answered, run.errors), (counts["answered"], run.due - run.answered));
        assert_eq!(latency(run, Measure::Refusal).count, counts["refused RESOURCE_EXHAUSTED"]);
        assert_eq!(latency(run, Measure::Turn).count, run.answered);
        assert_eq!(latency(run, Measure::Picture).count, run.answered);
        assert_eq!(run.timeline.iter().map(|second| second.due).sum::<u64>(), run.due);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("{} broken", counts["broken"])), "{text}");
    }
}

#[test]
fn a_stall_shows_in_the_percentiles() {
    let fake = Fake::grpc(&[Manner::Stall(1000, 2000)]);
    let folder = tempfile::tempdir().unwrap();
    let (_, report) =
        serve(folder.path(), &fake.url, "--mix text --rate 50 --duration 4 --warmup 0 --cancel 0");
    let run = &report.runs[0];
    assert_eq!(run.answered, run.due);
    // A quarter of the turns was due while nothing was answered, on average half a second of it.
    let first = latency(run, Measure::First);
    assert!(first.p95_ms > 500.0 && first.p50_ms < first.p95_ms / 2.0, "{first:?}");
    assert!(latency(run, Measure::Turn).p95_ms >= first.p95_ms * 0.99);
    // The load itself did not wait.
    assert!(latency(run, Measure::Lag).p50_ms < 100.0, "{:?}", latency(run, Measure::Lag));
}

#[test]
fn turns_are_dropped_and_what_has_no_room_is_counted() {
    let fake = Fake::grpc(&[Manner::Hang]);
    let folder = tempfile::tempdir().unwrap();
    let words =
        "--mix text --rate 200 --duration 1 --warmup 0 --cancel 1 --cancel-within-ms 400 --max-open 3";
    let (_, report) = serve(folder.path(), &fake.url, words);
    let run = &report.runs[0];
    let counts = outcomes(run);
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), ["cancelled", "unsent"], "{counts:?}");
    assert_eq!(counts["cancelled"] + counts["unsent"], run.due);
    assert!(counts["cancelled"] as usize >= fake.turns() && counts["unsent"] > counts["cancelled"]);
    assert_eq!((run.good, run.errors), (0, 0));
}

#[test]
fn the_same_seed_gives_the_same_load_and_files_can_be_read() {
    let fake = Fake::grpc(&[Manner::Whole]);
    let folder = tempfile::tempdir().unwrap();
    let words = "--mix text=2,show=1,converse=2,history=1 --rates 20,40 --duration 1 --warmup 0.5 --think-ms 1 --cancel 0";
    let (_, first) = serve(folder.path(), &fake.url, words);
    fs::rename(folder.path().join("load.json"), folder.path().join("first.json")).unwrap();
    let (output, second) = serve(folder.path(), &fake.url, &format!("{words} --compare first.json"));
    let names: Vec<_> = second.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["20 turns/s", "40 turns/s"]);
    for (one, other) in first.runs.iter().zip(&second.runs) {
        // All turns of both runs, in the warm-up too: what is due by when depends on answers only within dialogues.
        let all = |run: &Run| run.timeline.iter().map(|second| second.due).sum::<u64>();
        assert_eq!((all(one), one.answered), (all(other), one.due));
    }
    let kinds: Vec<_> = second.runs[0].latencies.iter().filter_map(|one| one.kind).collect();
    assert!(kinds.contains(&Kind::Converse) && kinds.contains(&Kind::History), "{kinds:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("### Beside ") && text.contains("| 40 turns/s | good/s |"), "{text}");

    let page = fs::read_to_string(folder.path().join("load.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 6, "three plots of each run");
    assert!(page.ends_with("</html>\n") && !page.contains("NaN") && !page.contains("<script"));
    let mut rest = page.replace(&fake.url, "");
    for word in ["src=", "href=", "http:", "https:", "url(", "@import"] {
        assert!(!rest.contains(word), "{word} comes from elsewhere");
    }
    // Every element is closed, the last one opened first.
    let mut open: Vec<String> = Vec::new();
    while let Some((_, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').unwrap();
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap().to_owned();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed));
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&name.as_str()) {
            open.push(name);
        }
        rest = after.to_owned();
    }
    assert_eq!(open, [] as [String; 0]);
}

#[test]
fn a_token_is_sent_with_every_kind_and_shown_nowhere() {
    for (mix, fake) in
        [("text,converse", Fake::grpc(&[Manner::Keyed])), ("http", Fake::http(&[Manner::Keyed]))]
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), "secret\n").unwrap();
        let words = format!("--mix {mix} --rate 50 --duration 1 --warmup 0 --cancel 0 --think-ms 1");
        let (_, without) = serve(folder.path(), &fake.url, &words);
        let refused: Vec<_> = outcomes(&without.runs[0]).into_keys().collect();
        assert_eq!(refused, ["refused UNAUTHENTICATED"], "{mix}");
        let (output, with) = serve(folder.path(), &fake.url, &format!("{words} --token-file token"));
        assert_eq!(outcomes(&with.runs[0]).into_keys().collect::<Vec<_>>(), ["answered"], "{mix}");
        for file in ["load.json", "load.html"] {
            assert!(!fs::read_to_string(folder.path().join(file)).unwrap().contains("secret"));
        }
        assert!(
            !String::from_utf8_lossy(&output.stdout).contains("secret") && !told(&output).contains("secret")
        );
    }
}

#[test]
fn ctrl_c_ends_early_with_what_was_measured() {
    let fake = Fake::grpc(&[Manner::Whole, Manner::Hang]);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fondue-bench"));
    command.args(["serve", "--gateway", &fake.url, "--json", "load.json", "--warmup", "0", "--cancel", "0"]);
    command.args(["--rate", "50", "--mix", "text", "--duration", "600"]).current_dir(folder.path());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while fake.turns() < 20 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let start = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && start.elapsed() < Duration::from_secs(60), "{}", told(&output));
    let report = report(folder.path());
    let run = &report.runs[0];
    assert!(report.interrupted && run.seconds < 600.0 && run.answered > 0, "{run:?}");
    assert!(outcomes(run)["unfinished"] > 0);
}

#[test]
fn what_cannot_be_loaded_is_told() {
    let folder = folder();
    let run = |words: &[&str]| {
        let mut command = Command::new(folder.path().join("fondue-bench"));
        told(&command.arg("serve").args(words).current_dir(folder.path()).output().unwrap())
    };
    let error = run(&["--gateway", "http://127.0.0.1:1"]);
    assert!(error.contains("nobody answers there"), "{error}");
    let error = run(&["--index", "nowhere"]);
    assert!(
        error.contains("there is no index in nowhere") && error.contains("fondue index build"),
        "{error}"
    );
    let error = run(&["--gateway", "http://127.0.0.1:1", "--replicas", "2"]);
    assert!(error.contains("cannot be used with"), "{error}");
    let error = run(&["--json", "nowhere/load.json"]);
    assert!(error.contains("nowhere/load.json cannot be written"), "{error}");
    fs::write(folder.path().join("old.json"), "{}").unwrap();
    let error = run(&["--compare", "old.json"]);
    assert!(error.contains("no report of"), "{error}");
}

/// A folder with the programs, pictures and an index of them.
fn prepared() -> tempfile::TempDir {
    let folder = folder();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    for n in 0..12_u8 {
        let colour = [n.wrapping_mul(53), n.wrapping_mul(91), 100];
        let name = pictures.join(format!("p{n}.png"));
        image::RgbImage::from_pixel(80, 60, image::Rgb(colour)).save(name).unwrap();
    }
    let mut build = Command::new(folder.path().join("fondue-index"));
    build.args(["build", "--pictures", "pictures", "--index", "index", "--model"]).arg(model());
    let built = build.current_dir(folder.path()).output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    folder
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/model")
}

/// Loads services that it starts. What it says of time is not judged here.
fn load(folder: &Path, words: &str) -> ServeReport {
    let mut command = Command::new(folder.join("fondue-bench"));
    command.args(["serve", "--index", "index", "--pictures", "pictures", "--json", "load.json", "--model"]);
    command.arg(model()).args(words.split(' ')).current_dir(folder);
    command.args(["--slo-ttft-ms", "600000", "--slo-turn-ms", "600000", "--max-new-tokens", "8"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    report(folder)
}

#[test]
fn the_services_answer_every_kind_and_tell_of_it_in_traces() {
    let folder = prepared();
    let report = load(folder.path(), "--rate 10 --duration 3 --warmup 0.5 --think-ms 50 --cancel 0");
    let all = &report.runs[0];
    assert!(all.due > 0 && all.errors == 0 && all.good == all.due, "{:?}", all.outcomes);
    assert!(latency(all, Measure::Picture).count > 0 && all.texts > 0);
    let kinds: std::collections::BTreeSet<_> = all.latencies.iter().filter_map(|one| one.kind).collect();
    assert!(kinds.len() >= 4 && kinds.contains(&Kind::Http), "{kinds:?}");
    let names: Vec<_> = all.memory.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["vision-0", "language-0", "retrieval-0", "gateway"]);
    assert!(all.memory.iter().all(|one| one.points.iter().all(|(_, bytes)| *bytes > 1 << 20)));

    let traced = load(folder.path(), "--tracing --rounds 1 --step 1");
    assert_eq!(traced.runs.len(), 2);
    assert!(traced.notes.iter().any(|note| note.contains("spans came")), "{:?}", traced.notes);
    assert!(traced.bars.iter().all(|bar| bar.value > 0.0), "{:?}", traced.bars);
}

#[test]
fn every_turn_ends_whatever_is_broken() {
    let folder = prepared();
    let words =
        "--break-each kill,freeze,silence,reset --away 1 --rate 20 --duration 79 --warmup 1 --cancel 0";
    let report = load(folder.path(), words);
    let run = &report.runs[0];
    let counts = outcomes(run);
    // An answer, or an error that says what is wrong, and never only an end.
    let is_typed = |name: &&str| {
        let (class, code) = name.split_once(' ').unwrap_or((*name, ""));
        class == "answered" || ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"].contains(&code)
    };
    assert!(counts.keys().all(is_typed), "{counts:?}");
    assert_eq!(counts.values().sum::<u64>(), run.due);
    assert!(run.errors * 10 <= run.due, "{counts:?}");
    assert_eq!(report.notes.len(), 12, "{:?}", report.notes);
    assert_eq!(report.bars.iter().filter(|bar| bar.is_met().is_some()).count(), 2, "{:?}", report.bars);
}

#[test]
fn breaks_need_time_and_a_second_replica() {
    let folder = prepared();
    let refused = |words: &str| {
        let mut command = Command::new(folder.path().join("fondue-bench"));
        command.args(["serve", "--index", "index", "--pictures", "pictures", "--model"]).arg(model());
        let output = command.args(words.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(!output.status.success());
        told(&output)
    };
    let error = refused("--break-each kill,slow --duration 20");
    assert!(error.contains("6 breaks, each 3 s long and 5 s apart, take --duration 56 at least"), "{error}");
    let error = refused("--break-each kill --replicas 1");
    assert!(error.contains("--break-each needs 2 replicas of each service, not 1"), "{error}");
    let error = refused("--break-each boredom");
    assert!(error.contains("[possible values: kill, freeze, slow, silence, reset]"), "{error}");
}
