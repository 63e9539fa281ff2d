//! Two processes of each service, and what goes wrong around them: full queues, a disk that takes no more, clocks that are wrong.
//! (Deaths, frozen processes and bad networks under load: `fondue bench serve --break-each`, which has its own test.)

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fondue_fleet::{Fleet, FleetPlan, Service};
use fondue_harness::{build_index, model};
use fondue_proto::{
    dialogue::{ReplyRequest, TurnOptions, dialogue_client::DialogueClient},
    retrieval::{DescribeRequest, IngestRequest, Picture, SearchRequest, retrieval_client::RetrievalClient},
};
use fondue_serving::{
    status::info_of,
    upstream::{Channel, connect_lazy},
};
use futures::future::join_all;
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    book::programs,
    said::{Heard, hear, long, pictures, text, turn},
};

/// A fleet, and where its programs, its index and its logs lie.
struct Chaos {
    fleet: Fleet,
    folder: TempDir,
}

impl Chaos {
    /// Starts it, each service by a shell script that does `first` and then becomes the service.
    async fn start(flags: &[(Service, &str)], first: impl Fn(Service) -> String) -> Result<Self> {
        let (folder, programs) = (tempfile::tempdir()?, programs()?);
        let own = folder.path().join("programs");
        fs::create_dir(&own)?;
        for service in Service::ALL {
            let name = format!("fondue-{service}");
            let (real, first) = (programs.join(&name), first(service));
            ensure!(real.exists(), "{name} is not built; `cargo build --release --workspace --bins` does it");
            if first.is_empty() {
                symlink(real, own.join(name))?;
                continue;
            }
            let script = own.join(name);
            fs::write(&script, format!("#!/bin/sh\n{first}\nexec {} \"$@\"\n", real.display()))?;
            fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
        }
        let plan = FleetPlan {
            programs: own,
            model: model(),
            index: build_index(folder.path()).await?,
            logs: folder.path().join("logs"),
            replicas: 2,
            proxied: false,
            flags: flags.iter().map(|(service, flag)| (*service, flag.into())).collect(),
            patience: Duration::from_secs(60),
        };
        Ok(Self { fleet: Fleet::start(&plan).await?, folder })
    }

    async fn say(&self, words: &str, options: TurnOptions) -> Result<Heard, Status> {
        let client = DialogueClient::new(connect_lazy(&self.fleet.url().unwrap()).unwrap());
        let mut client = client.max_decoding_message_size(64 << 20);
        let request =
            ReplyRequest { turn: Some(turn(vec![text(words)], options)), ..ReplyRequest::default() };
        let mut events = client.reply(request).await?.into_inner();
        Ok(hear(&mut events).await.unwrap())
    }

    fn log(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("logs").join(format!("{name}.log")))?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_queues_are_told_and_leave_nothing_behind() -> Result<()> {
    let flags = [(Service::Language, "--slots=1"), (Service::Language, "--queue=1")];
    let chaos = Chaos::start(&flags, |_| String::new()).await?;
    // Who waits has two long answers' time to wait.
    let patient = || TurnOptions { timeout_ms: Some(600_000), ..long() };
    let turns = join_all((0..40).map(|_| chaos.say("Hello", patient()))).await;
    let (mut done, mut refused) = (0, 0);
    for heard in turns {
        match heard {
            Ok(heard) => {
                assert!(heard.failed.is_none(), "{heard:?}");
                done += 1;
            }
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                assert!(status.get_error_details().retry_info().is_some(), "{status:?}");
                refused += 1;
            }
        }
    }
    // Two run, and two wait.
    assert!(done >= 4 && refused > 0, "{done} done, {refused} refused");
    let after = chaos.say("Show me a tree", pictures(1)).await?;
    assert_eq!(after.images.len(), 1, "{after:?}");
    Ok(())
}

/// Rows of `n` pictures of 64 KiB each.
fn rows(from: usize, n: usize, dim: u32) -> Vec<IngestRequest> {
    let row = |row: usize| {
        let mut embedding = vec![0.0; dim as usize];
        embedding[row % dim as usize] = 1.0;
        let picture = Picture {
            id: format!("row-{row}"),
            media_type: "image/png".to_owned(),
            data: vec![row as u8; 64 << 10].into(),
            ..Picture::default()
        };
        IngestRequest { picture: Some(picture), embedding, ..IngestRequest::default() }
    };
    (from..from + n).map(row).collect()
}

async fn count(retrieval: &mut RetrievalClient<Channel>) -> Result<(u64, u32)> {
    let told = retrieval.describe(DescribeRequest::default()).await?.into_inner();
    Ok((told.rows, told.dim))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_loses_nothing_that_was_taken() -> Result<()> {
    let limit = tempfile::NamedTempFile::new()?;
    fs::write(limit.path(), "4000")?;
    // A write beyond the limit fails, as on a full disk, instead of ending the process.
    let first = |service| match service {
        Service::Retrieval => format!("trap '' XFSZ\nulimit -f \"$(cat {})\"", limit.path().display()),
        _ => String::new(),
    };
    let mut chaos = Chaos::start(&[], first).await?;
    // One replica alone writes to an index.
    let other = chaos.fleet.replica(Service::Retrieval, 1).context("a second one")?;
    other.kill().await;
    let replica = chaos.fleet.replica(Service::Retrieval, 0).context("a first one")?;
    let mut retrieval =
        RetrievalClient::new(connect_lazy(replica.address())?).max_decoding_message_size(64 << 20);
    let (before, dim) = count(&mut retrieval).await?;

    let status = retrieval.ingest(tokio_stream::iter(rows(0, 400, dim))).await.unwrap_err();
    let info = info_of(&status);
    let accepted: u64 = info.get("accepted").with_context(|| format!("{status:?}"))?.parse()?;
    assert!(accepted < 400 && !status.message().is_empty(), "{status:?}");
    assert_eq!(count(&mut retrieval).await?.0, before + accepted);

    // It goes on answering, and is no wiser after a new start.
    let heard = chaos.say("Show me a tree", pictures(1)).await?;
    assert_eq!(heard.images.len(), 1, "{heard:?}");
    fs::write(limit.path(), "unlimited")?;
    let replica = chaos.fleet.replica(Service::Retrieval, 0).context("a first one")?;
    replica.restart().await?;
    let mut retrieval =
        RetrievalClient::new(connect_lazy(replica.address())?).max_decoding_message_size(64 << 20);
    assert_eq!(count(&mut retrieval).await?.0, before + accepted);

    // Now there is room: the rest is taken, and what was taken before is found as it was.
    let rest = rows(usize::try_from(accepted)?, 40, dim);
    assert_eq!(retrieval.ingest(tokio_stream::iter(rest)).await?.into_inner().accepted, 40);
    let mut query = vec![0.0; dim as usize];
    query[0] = 1.0;
    let request = SearchRequest { query, k: 1, include_data: true, exact: true, ..SearchRequest::default() };
    let found = retrieval.search(request).await?.into_inner().hits;
    let picture = found.first().and_then(|hit| hit.picture.as_ref()).context("a hit")?;
    if accepted > 0 {
        assert_eq!((picture.id.as_str(), picture.data.len()), ("row-0", 64 << 10));
    }
    Ok(())
}

/// The library that lets a clock be wrong, which is built beside this test.
fn skew() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let library = own.parent().context("the test lies in no folder")?.join("libfondue_skew.so");
    ensure!(library.exists(), "{} is not built", library.display());
    Ok(library)
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_wrong_change_no_turn() -> Result<()> {
    const DAY: i64 = 24 * 3600;
    let library = skew()?;
    let wrong = |service, library: &Path| {
        let seconds = match service {
            Service::Vision => -3 * DAY,
            Service::Language => 3 * DAY,
            Service::Retrieval => 400 * DAY,
            Service::Gateway => -3600,
        };
        format!("export LD_PRELOAD={} FONDUE_SKEW_SECONDS={seconds}", library.display())
    };
    let chaos = Chaos::start(&[], |service| wrong(service, &library)).await?;
    let heard = chaos.say("Show me a tree", pictures(1)).await?;
    assert_eq!(heard.images.len(), 1, "{heard:?}");
    // A deadline is time that is left, and no time of day.
    let begun = Instant::now();
    let options = TurnOptions { timeout_ms: Some(150), max_new_tokens: Some(1000), ..long() };
    let late = chaos.say("Hello", options).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    match late {
        Ok(heard) => {
            let code = heard.failed.as_ref().map(|failed| failed.code);
            assert!(heard.done.is_some() || code == Some(Code::DeadlineExceeded as i32), "{heard:?}");
        }
        Err(status) => assert_eq!(status.code(), Code::DeadlineExceeded, "{status}"),
    }
    // They were wrong indeed: each log begins with its process's date.
    let date = |name: &str| Ok::<_, anyhow::Error>(chaos.log(name)?.chars().take(10).collect::<String>());
    let dates = [date("vision-0")?, date("gateway")?, date("language-0")?, date("retrieval-1")?];
    assert!(dates[0] < dates[1] && dates[1] < dates[2] && dates[2] < dates[3], "{dates:?}");
    Ok(())
}
