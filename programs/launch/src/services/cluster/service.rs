//! One service over its lives.

use std::{future::pending, time::Duration};

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep_until, timeout};

use crate::services::{
    log::Log,
    plan::Plan,
    process::{End, GRACE, Process, Ready, told},
};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After so long a life, a death counts as the first again.
const SETTLED: Duration = Duration::from_secs(60);

/// A service and how it is.
#[derive(Debug)]
pub(super) struct Service {
    plan: Plan,
    log: Log,
    state: State,
    deaths: u32,
}

#[derive(Debug)]
enum State {
    Running(Box<Process>, Option<Ready>), // until it was heard to be ready
    Waiting(Instant),
    Down,
}

/// What a service was seen to do.
pub(super) enum Happening {
    /// It ended; how.
    Died(String),
    /// Its pause is over.
    Due,
    /// It is ready, at this address.
    Ready(String),
}

impl Service {
    pub(super) fn start(plan: Plan, verbose: bool) -> Result<Self> {
        let (process, ready, log) = Process::start(&plan, verbose)?;
        Ok(Self { plan, log, state: State::Running(Box::new(process), Some(ready)), deaths: 0 })
    }

    pub(super) fn name(&self) -> &'static str {
        self.plan.name
    }

    /// `HOST:PORT`; the one that it really has, once it is ready.
    pub(super) fn address(&self) -> &str {
        &self.plan.listen
    }

    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down)
    }

    /// Waits for its first announcement.
    pub(super) async fn ready(&mut self, patience: Duration) -> Result<()> {
        let how = match timeout(patience, self.happening()).await {
            Ok(Happening::Ready(address)) => {
                self.plan.listen = address; // so that a restart finds its callers' address
                return Ok(());
            }
            Ok(Happening::Died(how)) => format!("{how} before it was ready"),
            Ok(Happening::Due) | Err(_) => format!("was not ready within {} s", patience.as_secs()),
        };
        Err(anyhow!(
            "{} {how}\n{}\n  its command: {}",
            self.name(),
            self.log.tail(),
            self.plan.command_line()
        ))
    }

    /// Waits until something happens to it. Safe to drop and call again.
    pub(super) async fn happening(&mut self) -> Happening {
        match &mut self.state {
            State::Running(process, ready) => loop {
                let announced = async {
                    match ready.as_mut() {
                        Some(receiver) => receiver.await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    announced = announced => {
                        *ready = None; // heard or, if its stdout has closed, never to be heard
                        if let Ok(address) = announced {
                            return Happening::Ready(address);
                        }
                    }
                    status = process.exited() => {
                        return Happening::Died(status.map_or_else(|error| error.to_string(), told));
                    }
                }
            },
            State::Waiting(until) => {
                sleep_until(*until).await;
                Happening::Due
            }
            State::Down => pending().await,
        }
    }

    /// Notes its death and tells it: how, the last words, what to do or what will be done.
    pub(super) fn died(&mut self, how: &str, restart: bool) -> String {
        if matches!(&self.state, State::Running(process, _) if process.since.elapsed() >= SETTLED) {
            self.deaths = 0;
        }
        let pause = pause(self.deaths);
        self.deaths += 1;
        self.state = if restart { State::Waiting(Instant::now() + pause) } else { State::Down };
        let next = if restart {
            format!("it is started again in {} s", pause.as_secs_f32())
        } else {
            format!("the others go on; start it again with\n  {}", self.plan.command_line())
        };
        format!("{} {how}\n{}\n{next}", self.name(), self.log.tail())
    }

    /// Starts it again.
    pub(super) fn revive(&mut self, verbose: bool) -> String {
        match Process::start(&self.plan, verbose) {
            Ok((process, ready, log)) => {
                self.log = log;
                self.state = State::Running(Box::new(process), Some(ready));
                format!("{} is started again", self.name())
            }
            Err(error) => {
                self.state = State::Down;
                format!("{} cannot be started again: {error:#}", self.name())
            }
        }
    }

    /// Stops it for good; `None` if it did not run.
    pub(super) async fn stop(&mut self) -> Option<End> {
        match std::mem::replace(&mut self.state, State::Down) {
            State::Running(mut process, _) => Some(process.stop(GRACE).await),
            State::Waiting(_) | State::Down => None,
        }
    }
}

/// How long to wait after so many deaths: twice as long each time.
fn pause(deaths: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(deaths)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let pauses: Vec<_> = (0..4).map(|deaths| pause(deaths).as_secs_f32()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
