//! What must hold whatever goes wrong.

use std::{collections::BTreeMap, time::Duration};

use tonic::Code;

use crate::{
    cluster::TICK,
    journal::{End, Entry, Journal, Service, What},
    plan::{Asked, Kind, Plan, STEP, Script},
};

/// How long after its deadline a turn may be seen anywhere.
pub const LATE: Duration = Duration::from_millis(250);
/// How long after it was taken back a service may work for a turn, beside the step that runs.
pub const FREED: Duration = Duration::from_millis(100);
/// How long after a fault began calls may still meet it: a silent replica is found by its health, every second, with two for the answer.
const NOTICED: Duration = Duration::from_millis(4_500);
/// What a search takes at most.
const SEARCH: Duration = Duration::from_millis(65);
/// How long after a name has changed everything knows: it is asked every second.
const RESOLVED: Duration = Duration::from_millis(1_200);
/// How long before the end of the gateway's time its turns are closed.
const CLOSING: Duration = Duration::from_millis(500);
/// How long after a fault is over what it left behind may be felt: connections that nothing comes over are given up after seven
/// seconds.
const RECOVERED: Duration = Duration::from_secs(10);

/// A broken law.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The turn's number, 0 for none.
    pub turn: u64,
    /// What is wrong.
    pub what: String,
}

/// One turn's course.
#[derive(Default)]
struct Course {
    asked: Option<(Duration, Duration)>,
    cancelled: Option<Duration>,
    ended: Option<(Duration, End)>,
    /// Work of services: begin, end, who.
    work: BTreeMap<u64, (Duration, Option<Duration>, Service, usize)>,
}

/// All breaches in a journal.
pub fn breaches(plan: &Plan, journal: &Journal) -> Vec<Breach> {
    let mut courses: BTreeMap<u64, Course> = BTreeMap::new();
    let mut ended = None;
    let mut breaches = Vec::new();
    for Entry { at, turn, what } in journal.entries() {
        let course = courses.entry(turn).or_default();
        match what {
            What::Asked { timeout } => course.asked = Some((at, at + timeout)),
            What::Cancelled => course.cancelled = Some(at),
            What::Ended(end) => course.ended = Some((at, end)),
            What::Began { work, service, replica } => {
                course.work.insert(work, (at, None, service, replica));
            }
            What::Freed { work } => {
                if let Some(work) = course.work.get_mut(&work) {
                    work.1 = Some(at);
                }
            }
            What::GatewayEnded => ended = Some(at),
            What::Refused(_) | What::Fault(_) => {}
        }
    }
    if let Some(stop) = plan.stop {
        // The streams' ends, and two seconds for connections to say goodbye.
        let latest = stop + plan.drain + Duration::from_secs(2) + LATE;
        if ended.is_none_or(|at| at > latest) {
            breaches.push(Breach { turn: 0, what: format!("told to stop, the gateway ended at {ended:?}") });
        }
    }
    for asked in plan.clients.iter().flatten() {
        let Some(course) = courses.get(&asked.turn) else {
            breaches.push(Breach { turn: asked.turn, what: "was never asked".to_owned() });
            continue;
        };
        let begun = course.asked.map(|(at, _)| at);
        if ended.is_some_and(|ended| begun.is_some_and(|begun| begun + plan.latency >= ended)) {
            continue; // there is nobody to be asked
        }
        let judge = Judge { plan, asked, course };
        breaches.extend(judge.all().into_iter().map(|what| Breach { turn: asked.turn, what }));
    }
    breaches
}

struct Judge<'a> {
    plan: &'a Plan,
    asked: &'a Asked,
    course: &'a Course,
}

impl Judge<'_> {
    fn all(&self) -> Vec<String> {
        let Some((asked, deadline)) = self.course.asked else { return vec!["was never asked".to_owned()] };
        let Some((ended, end)) = &self.course.ended else { return vec!["has no end".to_owned()] };
        [
            self.ends_in_time(*ended, deadline, end),
            self.tells_the_truth(end),
            self.fails_for_a_reason(asked, *ended, deadline, end),
            self.work_ends(deadline),
            self.is_asked_no_more_often_than_allowed(),
            self.works_where_the_name_tells(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// From one host to another and back, and what the simulation's clock does not show.
    fn round_trip(&self) -> Duration {
        2 * (self.plan.latency + 2 * TICK)
    }

    /// A turn ends with a word, and no later than 250 ms after its time.
    fn ends_in_time(&self, ended: Duration, deadline: Duration, end: &End) -> Option<String> {
        if *end == End::Silent {
            return Some("ended without a word".to_owned());
        }
        // The gateway counts from when the words have come, over a new connection after three ways.
        let latest = deadline + LATE + 3 * self.round_trip();
        (ended > latest).then(|| format!("ended {:?} after its deadline", ended - deadline))
    }

    /// A whole answer is the script's, told once; a part of one is its beginning.
    fn tells_the_truth(&self, end: &End) -> Option<String> {
        let script = Script::of(self.plan.seed, self.asked.turn);
        let whole = script.text(self.asked.turn);
        match end {
            End::Done(told) if told.text != whole => Some(format!("was told `{}`, not `{whole}`", told.text)),
            End::Done(told) if told.found + told.unavailable < script.rets() => {
                Some(format!("asked for {} pictures: {told:?}", script.rets()))
            }
            End::Done(told) if told.unavailable > 0 && !self.may_lack_pictures() => {
                Some("a picture did not come, though retrieval was well".to_owned())
            }
            End::Failed(_, _, told) if !whole.starts_with(&told.text) => {
                Some(format!("was told `{}`, which does not begin `{whole}`", told.text))
            }
            _ => None,
        }
    }

    /// No turn fails while there is, of each service that it needs, a replica that is well and has been known to be for a while.
    fn fails_for_a_reason(
        &self,
        asked: Duration,
        ended: Duration,
        deadline: Duration,
        end: &End,
    ) -> Option<String> {
        let End::Failed(code, message, _) = end else { return None };
        let fault = || Some(format!("failed without a reason: {code:?}, {message}"));
        let vision =
            (self.asked.picture || self.asked.converses) && self.meets(Service::Vision, asked, ended);
        let excused = vision || self.meets(Service::Language, asked, ended);
        match code {
            Code::DeadlineExceeded if ended + STEP >= deadline => {
                // Scripts take a second or so; what has more time than that is not late by itself.
                if excused || self.asked.timeout < Duration::from_secs(2) { None } else { fault() }
            }
            Code::Unavailable | Code::ResourceExhausted if excused => None,
            Code::Unavailable if self.is_turned_away(asked, ended) => None,
            // So the client's side calls it when its connection is closed, or not taken any more, before the call has gone out.
            Code::Cancelled | Code::Unknown if self.comes_late(asked) => None,
            Code::Internal if self.comes_late(asked) && message.starts_with("h2 protocol error") => None,
            _ => fault(),
        }
    }

    /// Whether a stopping gateway may end the turn: one that came after it was told to stop, or that still ran shortly before the
    /// end of its time.
    fn is_turned_away(&self, asked: Duration, ended: Duration) -> bool {
        self.plan.stop.is_some_and(|stop| {
            let closing = stop + self.plan.drain.saturating_sub(CLOSING + 2 * TICK);
            self.comes_late(asked) || ended >= closing
        })
    }

    /// Whether a turn came when the gateway had been told to stop.
    fn comes_late(&self, asked: Duration) -> bool {
        self.plan.stop.is_some_and(|stop| asked + self.round_trip() >= stop)
    }

    /// Whether a turn of this time can meet a fault of a service.
    fn meets(&self, service: Service, asked: Duration, ended: Duration) -> bool {
        self.plan.faults.iter().filter(|fault| fault.service == service).any(|fault| {
            let is_all = fault.replica.is_none();
            // Nothing of a turn is lost with a replica that drains or refuses, for it can go elsewhere; nor with a name.
            let loses = match fault.kind {
                Kind::Kill | Kind::Lose | Kind::Partition | Kind::Hold => true,
                Kind::Drain | Kind::Refuse => is_all,
                Kind::Leave => false,
            };
            // The turn runs when it begins, or begins before it is known.
            let known = if is_all { fault.until + RECOVERED } else { fault.from + NOTICED };
            loses && ended >= fault.from && asked <= known
        })
    }

    fn may_lack_pictures(&self) -> bool {
        let Some((asked, _)) = self.course.asked else { return false };
        let Some((ended, _)) = &self.course.ended else { return false };
        // What came late for other reasons leaves a search too little time.
        let is_short = asked + self.asked.timeout <= *ended + SEARCH + self.round_trip();
        is_short || self.is_turned_away(asked, *ended) || self.meets(Service::Retrieval, asked, *ended)
    }

    /// Whether the way between gateway and replica was broken: then nobody can tell it to stop.
    fn is_cut_off(&self, service: Service, replica: usize, from: Duration, to: Duration) -> bool {
        self.plan.faults.iter().any(|fault| {
            fault.service == service
                && fault.replicas().contains(&replica)
                && matches!(fault.kind, Kind::Partition | Kind::Hold | Kind::Lose)
                && from <= fault.until + RECOVERED
                && to >= fault.from
        })
    }

    /// No service works for a turn 250 ms after its time, or 100 ms and a step after it was taken back or had ended.
    fn work_ends(&self, deadline: Duration) -> Option<String> {
        let over = [self.course.cancelled, self.course.ended.as_ref().map(|(at, _)| *at)];
        let over = over.into_iter().flatten().min();
        self.course.work.values().find_map(|(began, freed, service, replica)| {
            let name = format!("{}-{replica}", service.name());
            let Some(freed) = *freed else { return Some(format!("{name} worked for it for ever")) };
            // What came late because it was held back ends with the time that it was told, which it counts from then.
            if self.is_cut_off(*service, *replica, *began, freed) {
                return None;
            }
            let latest = deadline + LATE + 3 * self.round_trip();
            if freed > latest {
                return Some(format!("{name} worked for it {:?} after its deadline", freed - deadline));
            }
            let latest = over? + FREED + STEP + 2 * self.round_trip();
            (freed > latest.max(*began))
                .then(|| format!("{name} worked for it {:?} after its end", freed - over.unwrap_or_default()))
        })
    }

    /// Language begins a turn three times at most.
    fn is_asked_no_more_often_than_allowed(&self) -> Option<String> {
        let begun =
            self.course.work.values().filter(|(_, _, service, _)| *service == Service::Language).count();
        (begun > 3).then(|| format!("language began it {begun} times"))
    }

    /// A replica whose name has its address no more gets nothing new, once the name was asked again.
    fn works_where_the_name_tells(&self) -> Option<String> {
        let left = |service: Service, replica: usize, at: Duration| {
            self.plan.faults.iter().any(|fault| {
                let gone = fault.from + RESOLVED..fault.until;
                fault.kind == Kind::Leave
                    && fault.service == service
                    && fault.replica == Some(replica)
                    && gone.contains(&at)
            })
        };
        let wrong = self.course.work.values().find(|(at, _, service, replica)| left(*service, *replica, *at));
        wrong
            .map(|(_, _, service, replica)| format!("{}-{replica} got it though it had left", service.name()))
    }
}
