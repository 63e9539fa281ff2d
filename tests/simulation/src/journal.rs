//! What happened, and when by the simulation's clock.

use std::{
    fmt::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tonic::Code;

/// A kind of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Pictures to features.
    Vision,
    /// Prompts to text and queries.
    Language,
    /// Queries to pictures.
    Retrieval,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vision, Self::Language, Self::Retrieval];

    /// Its name in the network.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Language => "language",
            Self::Retrieval => "retrieval",
        }
    }
}

/// How a turn ended for its client.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// `TurnDone`, with what was told.
    Done(Told),
    /// `TurnFailed`, or the call's status.
    Failed(Code, String, Told),
    /// The client took it back, or went.
    Left,
    /// The stream ended without a word: never right.
    Silent,
}

/// What a client was told of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Its text.
    pub text: String,
    /// Pictures that came.
    pub found: u32,
    /// Pictures that did not.
    pub unavailable: u32,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A client asks, and allows so much time.
    Asked {
        /// Until the turn's deadline.
        timeout: Duration,
    },
    /// It wants no more.
    Cancelled,
    /// It has the end.
    Ended(End),
    /// A replica begins to work for the turn.
    Began {
        /// Its number.
        work: u64,
        /// Whose work it is.
        service: Service,
        /// Which replica's, from 0.
        replica: usize,
    },
    /// It works no longer.
    Freed {
        /// The work's number.
        work: u64,
    },
    /// A replica has no room for it.
    Refused(Service),
    /// A fault begins or ends, or a server stops: as the plan says.
    Fault(String),
    /// The gateway's own end.
    GatewayEnded,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Since the simulation's beginning.
    pub at: Duration,
    /// The turn's number; 0 for none.
    pub turn: u64,
    /// What it is.
    pub what: What,
}

/// What happened so far. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Arc<Mutex<Vec<Entry>>>,
    works: Arc<AtomicU64>,
}

impl Journal {
    /// Notes what happens now, at a host.
    pub fn note(&self, turn: u64, what: What) {
        // A host that is being killed has its clock no more; the line before has the time then.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = entries.last().map(|entry| entry.at).unwrap_or_default();
        let at = turmoil::sim_elapsed().unwrap_or(last);
        entries.push(Entry { at, turn, what });
    }

    /// Notes what happens at `at`.
    pub fn note_at(&self, at: Duration, what: What) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(Entry { at, turn: 0, what });
    }

    /// A replica works for a turn until the guard is dropped.
    pub fn work(&self, turn: u64, service: Service, replica: usize) -> Working {
        let work = self.works.fetch_add(1, Ordering::Relaxed);
        self.note(turn, What::Began { work, service, replica });
        Working { journal: self.clone(), turn, work }
    }

    /// Every line.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of one turn, or of all.
    pub fn shown(&self, turn: Option<u64>) -> String {
        let mut text = String::new();
        for Entry { at, turn: of, what } in self.entries() {
            if turn.is_none_or(|turn| turn == of || of == 0) {
                let _ = writeln!(text, "{:9.3} s  turn {of:3}  {what:?}", at.as_secs_f64());
            }
        }
        text
    }
}

/// Work that is under way.
#[derive(Debug)]
pub struct Working {
    journal: Journal,
    turn: u64,
    work: u64,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.journal.note(self.turn, What::Freed { work: self.work });
    }
}
