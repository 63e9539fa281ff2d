//! The load itself: arrivals on time whatever the server does, or so many callers that each wait for their answer.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fondue_terminal::interrupt::Interrupt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::{
    caller::{Caller, Dialogue},
    outcome::Outcome,
    record::{Clock, Record},
    schedule::Arrival,
};

/// How often it is looked whether to end early.
const LOOK: Duration = Duration::from_millis(50);

/// Where records go: bounded, so that a slow reader shows in turns' ends and not in memory.
pub(crate) type Records = mpsc::Sender<Record>;

/// What a load is made with.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) caller: Arc<Caller>,
    pub(crate) clock: Clock,
    pub(crate) interrupt: Interrupt,
    pub(crate) records: Records,
    /// Turns that are under way now.
    pub(crate) open: Arc<AtomicUsize>,
}

impl Loader {
    /// Sends each arrival when it is due, with `max_open` turns under way at most, and waits for the last answers. Returns
    /// early if it is interrupted; what is under way then is dropped, and told how much that is.
    pub(crate) async fn open_loop(&self, arrivals: Vec<Arrival>, max_open: usize) -> usize {
        let room = Arc::new(Semaphore::new(max_open));
        let mut turns = JoinSet::new();
        for arrival in arrivals {
            tokio::select! {
                biased;
                () = interrupted(&self.interrupt) => return self.open.load(Ordering::Relaxed),
                () = sleep_until(self.clock.at(arrival.at)) => {}
            }
            match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => {
                    turns.spawn(self.clone().play(arrival, Arc::clone(&room), permit));
                }
                Err(_) => {
                    for _ in &arrival.turns {
                        let _ = self.records.send(Record::unsent(arrival.kind, arrival.at)).await;
                    }
                }
            }
            while turns.try_join_next().is_some() {}
        }
        self.last(turns).await
    }

    /// Waits for all, or until it is interrupted; how many are under way then.
    async fn last(&self, mut turns: JoinSet<()>) -> usize {
        tokio::select! {
            () = interrupted(&self.interrupt) => self.open.load(Ordering::Relaxed),
            () = async { while turns.join_next().await.is_some() {} } => 0,
        }
    }

    /// One arrival: its turns, each after the answer before it and some thought, as long as all goes well.
    async fn play(self, arrival: Arrival, room: Arc<Semaphore>, permit: OwnedSemaphorePermit) {
        let mut permit = Some(permit);
        let (mut dialogue, mut intended) = (Dialogue::default(), arrival.at);
        for (number, plan) in arrival.turns.iter().enumerate() {
            if number > 0 {
                intended += plan.think;
                sleep_until(self.clock.at(intended)).await;
                permit = Arc::clone(&room).try_acquire_owned().ok();
            }
            let record = match permit.take() {
                Some(_running) => {
                    self.open.fetch_add(1, Ordering::Relaxed);
                    let turn = self.caller.turn(arrival.kind, plan, &mut dialogue, intended, self.clock);
                    Leaving(&self.open).after(turn).await
                }
                None => Record::unsent(arrival.kind, intended),
            };
            intended = record.ended;
            let goes_on = record.outcome == Outcome::Answered;
            let _ = self.records.send(record).await;
            if !goes_on {
                return;
            }
        }
    }

    /// `callers` that ask one turn after the other until `until`, without thinking; whoever is free takes the next arrival.
    /// Returns how many were dropped if it is interrupted.
    pub(crate) async fn closed_loop(&self, arrivals: Vec<Arrival>, callers: usize, until: Duration) -> usize {
        let queue = Arc::new(Mutex::new(VecDeque::from(arrivals)));
        let mut asking = JoinSet::new();
        for _ in 0..callers {
            asking.spawn(self.clone().ask_on(Arc::clone(&queue), until));
        }
        self.last(asking).await
    }

    async fn ask_on(self, queue: Arc<Mutex<VecDeque<Arrival>>>, until: Duration) {
        loop {
            // Round and round: the load never ends before its time.
            let next = {
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                let next = queue.pop_front();
                queue.extend(next.clone());
                next
            };
            let Some(arrival) = next else { return };
            let mut dialogue = Dialogue::default();
            for plan in &arrival.turns {
                let now = self.clock.now();
                if now >= until {
                    return;
                }
                self.open.fetch_add(1, Ordering::Relaxed);
                let turn = self.caller.turn(arrival.kind, plan, &mut dialogue, now, self.clock);
                let record = Leaving(&self.open).after(turn).await;
                let goes_on = record.outcome == Outcome::Answered;
                let _ = self.records.send(record).await;
                if !goes_on {
                    break;
                }
            }
        }
    }
}

/// Counts a turn out, also if it is dropped.
struct Leaving<'a>(&'a AtomicUsize);

impl Leaving<'_> {
    async fn after<T>(self, turn: impl Future<Output = T>) -> T {
        turn.await
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Completes when it is to end early.
pub(crate) async fn interrupted(interrupt: &Interrupt) {
    while !interrupt.came() {
        sleep(LOOK).await;
    }
}
