//! The async runtime of a server's process: ended in bounded time.

use std::{io, time::Duration};

use tokio::runtime::Builder;

/// How long work on blocking threads may go on after the server has ended; then the process goes without it.
const LEFTOVERS: Duration = Duration::from_millis(500);

/// Runs a server to its end. A picture that is being decoded, or an index that is being checked, does not keep the
/// process alive, as it would at the end of `#[tokio::main]`.
///
/// # Errors
/// The system's, if there are no threads to be had.
pub fn run<T>(server: impl Future<Output = T>) -> io::Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(server);
    runtime.shutdown_timeout(LEFTOVERS);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn blocking_work_does_not_keep_the_process() {
        let begun = Instant::now();
        let answer = run(async {
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(30)));
            tokio::time::sleep(Duration::from_millis(20)).await;
            7
        });
        assert_eq!(answer.unwrap(), 7);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
