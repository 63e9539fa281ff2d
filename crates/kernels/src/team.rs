//! Threads that go through a pass together, step by step.

mod barrier;
mod check;
mod member;
mod shared;

use std::sync::{Mutex, atomic::AtomicUsize};

use rayon::{ThreadPool, ThreadPoolBuilder};

pub use self::check::PassError;
use self::{
    barrier::Barrier,
    member::{Member, Scratch},
    shared::Shared,
};
use crate::{
    Machine,
    buffers::Buffers,
    kv::KvMemory,
    ops::{Op, Span},
};

/// A number of threads with the kernels of this machine.
pub struct Team {
    machine: Machine,
    /// None for a team of one, which works on the caller's thread.
    pool: Option<ThreadPool>,
    scratch: Vec<Mutex<Scratch>>,
}

/// Sequences of a pass with their keys and values.
pub struct Sequences<'a> {
    /// Where keys and values lie.
    pub kv: &'a mut KvMemory,
    /// Which rows belong to whom.
    pub spans: &'a [Span<'a>],
}

impl Team {
    /// A team of `threads` ≥ 1.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(threads: usize, machine: Machine) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = threads.max(1);
        let named = |n| format!("kernel-{n}");
        let build = || ThreadPoolBuilder::new().num_threads(threads).thread_name(named).build();
        let pool = (threads > 1).then(build).transpose()?;
        Ok(Self { machine, pool, scratch: (0..threads).map(|_| Mutex::default()).collect() })
    }

    /// How many there are.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }

    /// Which kernels they run.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// Goes through the steps in order, over all rows of the buffers.
    ///
    /// # Errors
    /// [`PassError`] if the steps do not fit the buffers, the sequences or each other; nothing was done then.
    pub fn pass(
        &self,
        buffers: &mut Buffers,
        sequences: Option<Sequences<'_>>,
        ops: &[Op<'_>],
    ) -> Result<(), PassError> {
        check::check(buffers, sequences.as_ref(), ops)?;
        if buffers.rows() == 0 {
            return Ok(());
        }
        let shared = Shared::new(buffers, sequences);
        let claims: Vec<AtomicUsize> = ops.iter().map(|_| AtomicUsize::new(0)).collect();
        let barrier = Barrier::new(self.threads());
        let work = |n: usize| {
            // A lock that only this member takes; a panic of an earlier pass left nothing half-done in it that matters.
            let mut scratch = self.scratch[n].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut member = Member::new(&shared, self.machine, self.threads(), &mut scratch);
            let _together = barrier.enter();
            for (op, claims) in ops.iter().zip(&claims) {
                member.work(op, claims);
                barrier.wait();
            }
        };
        match &self.pool {
            None => work(0),
            Some(pool) => {
                pool.broadcast(|context| work(context.index()));
            }
        }
        Ok(())
    }
}
