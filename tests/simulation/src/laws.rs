//! What must hold whatever goes wrong.

use std::{collections::BTreeMap, time::Duration};

use tonic::Code;

use crate::{
    cluster::TICK,
    journal::{End, Entry, Journal, Service, What},
    plan::{Asked, Fault, Kind, Plan, STEP, Script},
};

/// How long after its deadline a turn may be seen anywhere.
pub const LATE: Duration = Duration::from_millis(250);
/// How long after it was taken back a service may work for a turn, beside the step that runs.
pub const FREED: Duration = Duration::from_millis(100);
/// How long after a fault began calls may still meet it: a silent replica is found by its health, every second, with two for the answer.
const NOTICED: Duration = Duration::from_millis(4_500);
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
            End::Done(told) if told.unavailable > 0 && !self.is_near(Service::Retrieval) => {
                Some("a picture did not come, though retrieval was well".to_owned())
            }
            End::Failed(_, _, told) if !whole.starts_with(&told.text) => {
                Some(format!("was told `{}`, which does not begin `{whole}`", told.text))
            }
            _ => None,
        }
    }

    /// No turn fails while there is, of each service, a replica that is well and has been known to be for a while.
    fn fails_for_a_reason(
        &self,
        asked: Duration,
        ended: Duration,
        deadline: Duration,
        end: &End,
    ) -> Option<String> {
        let End::Failed(code, message, _) = end else { return None };
        let fault = || Some(format!("failed without a reason: {code:?}, {message}"));
        let stops = self.plan.stop.filter(|stop| ended > *stop);
        match code {
            Code::DeadlineExceeded if ended + STEP >= deadline => {
                // Scripts take a second or so; what has more time than that is not late by itself.
                let was_short = self.asked.timeout < Duration::from_secs(2);
                if was_short || self.meets_a_fault(asked, ended) { None } else { fault() }
            }
            Code::Unavailable | Code::ResourceExhausted if self.meets_a_fault(asked, ended) => None,
            Code::Unavailable if stops.is_some() => None,
            _ => fault(),
        }
    }

    /// Whether a fault can be what a turn of this time met.
    fn meets_a_fault(&self, asked: Duration, ended: Duration) -> bool {
        self.plan.faults.iter().any(|fault| {
            let is_all = fault.replica.is_none();
            // A replica that refuses or drains has nothing of a turn that cannot go elsewhere.
            let loses = !matches!(fault.kind, Kind::Drain | Kind::Refuse) || is_all;
            let until = if is_all { fault.until + RECOVERED } else { fault.from + NOTICED };
            let after = fault.until + RECOVERED;
            // It begins while the turn runs, or the turn begins before it is known, or just after it was over.
            loses && asked <= until.max(after) && ended >= fault.from
        })
    }

    /// Whether a fault of a service can be felt in the turn.
    fn is_near(&self, service: Service) -> bool {
        let Some((asked, _)) = self.course.asked else { return false };
        let Some((ended, _)) = &self.course.ended else { return false };
        let stops = self.plan.stop.is_some_and(|stop| *ended > stop);
        let near = |fault: &Fault| asked <= fault.until + RECOVERED && *ended >= fault.from;
        stops || self.plan.faults.iter().any(|fault| fault.service == service && near(fault))
    }

    /// Whether the way between gateway and replica was broken: then nobody can tell it to stop.
    fn is_cut_off(&self, service: Service, replica: usize, from: Duration, to: Duration) -> bool {
        self.plan.faults.iter().any(|fault| {
            fault.service == service
                && fault.replicas().contains(&replica)
                && matches!(fault.kind, Kind::Partition | Kind::Hold)
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

    /// Language begins a turn three times at most, and goes on with one alone.
    fn is_asked_no_more_often_than_allowed(&self) -> Option<String> {
        let begun =
            self.course.work.values().filter(|(_, _, service, _)| *service == Service::Language).count();
        (begun > 3).then(|| format!("language began it {begun} times"))
    }
}
