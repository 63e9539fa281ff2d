//! Who asks what, and what goes wrong when; made from a seed.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::journal::Service;

/// Replicas of each service at the beginning.
pub const REPLICAS: usize = 2;
/// How long clients begin turns.
pub const COURSE: Duration = Duration::from_secs(20);

/// One course of events.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where all of it comes from.
    pub seed: u64,
    /// Time that a message takes at most.
    pub latency: Duration,
    /// What each client asks.
    pub clients: Vec<Vec<Asked>>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// When the gateway is told to stop, if it is.
    pub stop: Option<Duration>,
    /// Time that it has then.
    pub drain: Duration,
}

/// One turn of a client.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number, from 1: it stands in the prompt, so that each service knows the turn that it works for.
    pub turn: u64,
    /// How long the client waits before it.
    pub pause: Duration,
    /// What it allows.
    pub timeout: Duration,
    /// Whether it shows a picture.
    pub picture: bool,
    /// When it is taken back, if it is not over by then.
    pub cancel: Option<Duration>,
    /// Whether it is a conversation's, and not a call of its own.
    pub converses: bool,
}

/// What goes wrong with a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its process is killed, and started again.
    Kill,
    /// Its machine is lost, so that nobody refuses connections, and comes back.
    Lose,
    /// Nothing passes between it and the gateway.
    Partition,
    /// What passes is held back: a frozen process, or a network that stands still.
    Hold,
    /// It is told to stop, and started again.
    Drain,
    /// It refuses all work, as with a full queue.
    Refuse,
    /// Its service's name has its address no more, and then has it again.
    Leave,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Kill, Self::Lose, Self::Partition, Self::Hold, Self::Drain, Self::Refuse, Self::Leave];
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When it begins.
    pub from: Duration,
    /// When it is over.
    pub until: Duration,
    /// Whose.
    pub service: Service,
    /// Which replica's; all of the service's, if none is named.
    pub replica: Option<usize>,
    /// What it is.
    pub kind: Kind,
}

impl Fault {
    /// The replicas that it befalls.
    pub fn replicas(&self) -> std::ops::Range<usize> {
        self.replica.map_or(0..REPLICAS, |replica| replica..replica + 1)
    }
}

impl Plan {
    /// Turns of six clients in a network without faults.
    pub fn calm(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let latency = Duration::from_millis(rng.random_range(1..=20));
        let mut turns = 0;
        let mut client = |rng: &mut ChaCha8Rng| {
            let converses = rng.random_bool(0.4);
            let (mut asked, mut time) = (Vec::new(), Duration::ZERO);
            while time < COURSE {
                turns += 1;
                let pause = Duration::from_millis(rng.random_range(50..2_000));
                let timeout = Duration::from_millis(match rng.random_bool(0.3) {
                    true => rng.random_range(50..900),
                    false => rng.random_range(3_000..8_000),
                });
                let cancel = rng.random_bool(0.25).then(|| Duration::from_millis(rng.random_range(1..700)));
                asked.push(Asked {
                    turn: turns,
                    pause,
                    timeout,
                    picture: rng.random_bool(0.4),
                    cancel,
                    converses,
                });
                time += pause + Duration::from_millis(600);
            }
            asked
        };
        let clients = (0..6).map(|_| client(&mut rng)).collect();
        Self { seed, latency, clients, faults: Vec::new(), stop: None, drain: Duration::from_secs(3) }
    }

    /// The same with up to three faults, one after the other or at once, but never two of one service.
    pub fn troubled(seed: u64) -> Self {
        let mut plan = Self::calm(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(!seed);
        let mut services = Service::ALL.to_vec();
        for _ in 0..rng.random_range(1..=3) {
            let service = services.remove(rng.random_range(0..services.len()));
            let from = Duration::from_millis(rng.random_range(2_000..12_000));
            plan.faults.push(Fault {
                from,
                until: from + Duration::from_millis(rng.random_range(500..6_000)),
                service,
                replica: rng.random_bool(0.85).then(|| rng.random_range(0..REPLICAS)),
                kind: Kind::ALL[rng.random_range(0..Kind::ALL.len())],
            });
        }
        plan
    }

    /// The calm one, in which the gateway is told to stop.
    pub fn stopped(seed: u64) -> Self {
        let mut plan = Self::calm(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(!seed);
        plan.stop = Some(Duration::from_millis(rng.random_range(1_000..12_000)));
        plan.drain = Duration::from_millis(rng.random_range(600..4_000));
        plan
    }

    /// Many quick turns, all of which language refuses: no replica has room.
    pub fn refused(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut turns = 0;
        let mut client = || {
            let asked = (0..150).map(|_| {
                turns += 1;
                Asked {
                    turn: turns,
                    pause: Duration::from_millis(rng.random_range(20..80)),
                    timeout: Duration::from_secs(5),
                    picture: false,
                    cancel: None,
                    converses: false,
                }
            });
            asked.collect()
        };
        let clients = (0..20).map(|_| client()).collect();
        let fault = Fault {
            from: Duration::ZERO,
            until: Duration::from_secs(60),
            service: Service::Language,
            replica: None,
            kind: Kind::Refuse,
        };
        let latency = Duration::from_millis(5);
        Self { seed, latency, clients, faults: vec![fault], stop: None, drain: Duration::from_secs(3) }
    }

    /// One turn by its number.
    pub fn asked(&self, turn: u64) -> Option<&Asked> {
        self.clients.iter().flatten().find(|asked| asked.turn == turn)
    }
}

/// What the model says in a turn: it follows from the plan's seed and the turn, whichever replica says it.
#[derive(Clone, Debug)]
pub struct Script {
    /// Before it begins.
    pub queue: Duration,
    /// Its tokens: what each takes, and whether it is `[RET]`.
    pub tokens: Vec<(Duration, bool)>,
}

/// What a token takes at most.
pub const STEP: Duration = Duration::from_millis(40);

impl Script {
    /// The script of a turn.
    pub fn of(seed: u64, turn: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed.rotate_left(32) ^ turn);
        let queue = Duration::from_millis(rng.random_range(0..60));
        let mut rets = 2;
        let step = u64::try_from(STEP.as_millis()).unwrap_or(u64::MAX);
        let tokens = (0..rng.random_range(3..24)).map(|_| {
            let is_ret = rets > 0 && rng.random_bool(0.1);
            rets -= u32::from(is_ret);
            (Duration::from_millis(rng.random_range(1..=step)), is_ret)
        });
        Self { queue, tokens: tokens.collect() }
    }

    /// The whole answer's text, as a client gets it.
    pub fn text(&self, turn: u64) -> String {
        let texts = self.tokens.iter().enumerate().filter(|(_, (_, is_ret))| !is_ret);
        let text: String = texts.map(|(index, _)| word(turn, index)).collect();
        text.trim_start().to_owned()
    }

    /// How often it asks for a picture.
    pub fn rets(&self) -> u32 {
        self.tokens.iter().map(|(_, is_ret)| u32::from(*is_ret)).sum()
    }
}

/// A token's text.
pub fn word(turn: u64, index: usize) -> String {
    format!(" {turn}.{index}")
}
