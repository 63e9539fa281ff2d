//! Long work that searches should not feel.

use std::thread;

/// By how much such work gives way: where others want the processor, it gets a tenth of what they get.
const NICE: i32 = 10;

/// Does work on a thread that gives way to all others, as do the threads that it starts, and waits for it.
pub(super) fn quietly<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // On Linux it holds for the calling thread. Without it the work is done as well.
            let _ = rustix::process::nice(NICE);
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn only_the_work_gives_way() {
        let now = || getpriority_process(None).unwrap();
        let before = now();
        let (within, below) = quietly(|| (now(), thread::spawn(now).join().unwrap()));
        assert_eq!((within, below, now()), (before + NICE, before + NICE, before));
    }
}
