//! What is measured, one function each.

use std::time::Instant;

use fondue_proto::language::language_client::LanguageClient;
use futures::future::join_all;

use crate::{
    client::{self, Conversation, channel, directly, text},
    fakes::{ENDLESS, Fakes, TEXTS},
    process::{Gateway, Kept},
    report::{Bar, Report, percentile},
};

const MIB: f64 = (1 << 20) as f64;
const SAID: &str = "What is this?";
/// Conversations that speak at the same time.
const TOGETHER: usize = 8;

/// Text events a second through `Converse`, by the clock and by the gateway's own processor time.
pub(crate) async fn throughput(
    gateway: &Gateway,
    fakes: &Fakes,
    turns: usize,
    rounds: usize,
    report: &mut Report,
) {
    let mut talks = Vec::new();
    for _ in 0..TOGETHER {
        talks.push(Conversation::open(channel(&gateway.address).await).await);
    }
    let mut peers = Vec::new();
    for _ in 0..TOGETHER {
        peers.push(LanguageClient::new(channel(&fakes.language).await));
    }
    let each = turns.div_ceil(TOGETHER);
    let (mut rates, mut per_core, mut direct) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (start, cpu) = (Instant::now(), gateway.cpu());
        let texts = speak(&mut talks, each).await as f64;
        let (took, cpu) = (start.elapsed().as_secs_f64(), gateway.cpu() - cpu);
        let start = Instant::now();
        let heard = join_all(peers.iter_mut().map(async |peer| {
            for _ in 0..each {
                assert_eq!(directly(peer, SAID).await.texts, TEXTS);
            }
            each * TEXTS
        }));
        let heard = heard.await.into_iter().sum::<usize>() as f64;
        // The first round warms up.
        if round > 0 {
            rates.push(texts / took);
            per_core.push(texts / cpu.max(1e-9));
            direct.push(heard / start.elapsed().as_secs_f64());
        }
    }
    let (rate, direct) = (percentile(&mut rates, 0.5), percentile(&mut direct, 0.5));
    let beside = format!("{direct:.0}/s directly, {:.2}×", rate / direct);
    report.row("text events through Converse, one worker thread", rate, "/s", beside, Bar::AtLeast(20_000.0));
    let figure = percentile(&mut per_core, 0.5);
    report.row(
        "the same by its processor time, all threads",
        figure,
        "/s",
        String::new(),
        Bar::AtLeast(20_000.0),
    );
}

/// Each conversation's turns, one after another, all conversations together; texts that came.
async fn speak(talks: &mut [Conversation], each: usize) -> usize {
    let heard = join_all(talks.iter_mut().map(async |talk| {
        let mut texts = 0;
        for _ in 0..each {
            texts += talk.turn(vec![text(SAID)]).await.texts;
            talk.forget().await;
        }
        texts
    }));
    let heard = heard.await.into_iter().sum();
    assert_eq!(heard, talks.len() * each * TEXTS, "no text is lost");
    heard
}

/// What the gateway adds to the time to the first text, one turn at a time.
pub(crate) async fn first_text(
    gateway: &Gateway,
    fakes: &Fakes,
    turns: usize,
    rounds: usize,
    report: &mut Report,
) {
    let mut talk = Conversation::open(channel(&gateway.address).await).await;
    let mut peer = LanguageClient::new(channel(&fakes.language).await);
    let (mut through, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..turns * rounds {
        through.push(talk.turn(vec![text(SAID)]).await.first_text.as_secs_f64() * 1e3);
        talk.forget().await;
        direct.push(directly(&mut peer, SAID).await.first_text.as_secs_f64() * 1e3);
    }
    for (share, name, bar) in [(0.5, "p50", Bar::AtMost(2.0)), (0.99, "p99", Bar::None)] {
        let (through, direct) = (percentile(&mut through, share), percentile(&mut direct, share));
        let beside = format!("{through:.2} ms through, {direct:.2} ms directly");
        report.row(&format!("added TTFT, {name}"), through - direct, "ms", beside, bar);
    }
}

/// Readers that stopped reading, in the midst of answers without end: what they cost the others, and how much is kept for them.
pub(crate) async fn slow_readers(
    gateway: &Gateway,
    turns: usize,
    rounds: usize,
    slow: usize,
    report: &mut Report,
) {
    let mut talks = Vec::new();
    for _ in 0..TOGETHER {
        talks.push(Conversation::open(channel(&gateway.address).await).await);
    }
    let each = turns.div_ceil(TOGETHER);
    let rate = async |talks: &mut [Conversation]| {
        let mut rates = Vec::new();
        for _ in 0..rounds {
            let start = Instant::now();
            let texts = speak(talks, each).await;
            rates.push(texts as f64 / start.elapsed().as_secs_f64());
        }
        percentile(&mut rates, 0.5)
    };
    let alone = rate(&mut talks).await;
    let before = gateway.resident();
    let mut stalled = Vec::new();
    for _ in 0..slow {
        let mut talk = Conversation::open(channel(&gateway.address).await).await;
        talk.say(vec![text(ENDLESS)]).await;
        talk.one_text().await;
        stalled.push(talk);
    }
    // What is under way fills up first: that is work for readers, not for those that do not read.
    gateway.settle().await;
    let beside = rate(&mut talks).await;
    let kept = (gateway.resident() - before).max(0.0);
    let what = format!("the same beside {slow} readers that do not read");
    report.row(
        &what,
        beside / alone,
        "×",
        format!("{beside:.0}/s, {alone:.0}/s without them"),
        Bar::AtLeast(0.9),
    );
    let what = "kept for one that does not read";
    report.row(
        what,
        kept / slow as f64 / MIB,
        "MiB",
        format!("{:.1} MiB in all", kept / MIB),
        Bar::AtMost(1.0),
    );
    drop(stalled);
}

/// Memory of open conversations that say nothing: new ones, and ones that had a turn.
pub(crate) async fn idle(gateway: &Gateway, n: usize, report: &mut Report) {
    // What the first turn sets up once is not any conversation's.
    let mut talk = Conversation::open(channel(&gateway.address).await).await;
    talk.turn(vec![text(SAID)]).await;
    let before = gateway.resident();
    let mut talks = Vec::new();
    // As browsers and apps come: each on a connection of its own.
    for _ in 0..n {
        talks.push(Conversation::open(channel(&gateway.address).await).await);
    }
    let open = gateway.resident() - before;
    let scale = |bytes: f64| bytes / MIB * 1000.0 / n as f64;
    let beside = format!("{:.1} KiB each", open / n as f64 / 1024.0);
    let what = "1,000 open idle conversations, a connection each";
    report.row(what, scale(open), "MiB", beside, Bar::AtMost(64.0));
    for talk in &mut talks {
        talk.turn(vec![text(SAID)]).await;
    }
    let spoken = gateway.resident() - before;
    let beside = format!("{:.1} KiB each", spoken / n as f64 / 1024.0);
    report.row("the same after a turn each", scale(spoken), "MiB", beside, Bar::AtMost(64.0));
}

/// How often a big picture is in memory at once while it passes; the most of three, each of a conversation of its own.
pub(crate) async fn picture(gateway: &Gateway, bytes: usize, kept: Kept, report: &mut Report) {
    let mut talk = Conversation::open(channel(&gateway.address).await).await;
    talk.turn(vec![text(SAID)]).await;
    let mut most: f64 = 0.0;
    for round in 0..3_u8 {
        let data: Vec<u8> = (0..bytes).map(|at| (at as u8).wrapping_mul(31).wrapping_add(round)).collect();
        talk.forget().await;
        let before = gateway.resident();
        gateway.forget_peak();
        talk.turn(vec![text(SAID), client::picture(data)]).await;
        most = most.max((gateway.peak() - before) / bytes as f64);
    }
    let beside = format!("of {:.1} MiB", bytes as f64 / MIB);
    let (what, bar) = match kept {
        Kept::Nothing => ("copies of a big picture in memory at once", Bar::AtMost(3.0)),
        Kept::ByGlibc => ("the same with what glibc keeps of pictures before", Bar::None),
    };
    report.row(what, most, "copies", beside, bar);
}
