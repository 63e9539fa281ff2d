//! The learning rate, by a count that goes up once per micro-batch but not at an epoch's last one.
//!
//! Source: the reference's `GradualWarmupScheduler` over `StepLR`, quirks and all: the first update's rate is 0; the rate
//! falls only after ten epochs' worth of steps beyond the warm-up, which the usual settings never reach.

/// What the rate follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The rate after the warm-up.
    pub base: f64,
    /// Counts that the warm-up takes.
    pub warmup: u64,
    /// Iterations of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs between falls.
    pub epochs_per_fall: u64,
    /// What a fall multiplies by.
    pub gamma: f64,
}

impl Schedule {
    /// The rate at a count.
    pub fn rate(&self, count: u64) -> f64 {
        if count <= self.warmup {
            return match self.warmup {
                0 => self.base,
                warmup => self.base * count as f64 / warmup as f64,
            };
        }
        // The count at which the warm-up is found to be over is not one of the steps behind it.
        let steps = count - self.warmup - 1;
        let falls = steps / (self.epochs_per_fall * self.steps_per_epoch).max(1);
        self.base * self.gamma.powi(i32::try_from(falls).unwrap_or(i32::MAX))
    }

    /// Whether the count goes up after this iteration, counted from 0.
    pub fn counts(&self, iteration: u64) -> bool {
        !self.ends_epoch(iteration)
    }

    /// Whether this iteration, counted from 0, is the last of its epoch.
    pub fn ends_epoch(&self, iteration: u64) -> bool {
        (iteration + 1).is_multiple_of(self.steps_per_epoch.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Schedule =
        Schedule { base: 3e-4, warmup: 100, steps_per_epoch: 2000, epochs_per_fall: 10, gamma: 0.1 };

    #[test]
    fn the_rate_warms_up_from_zero_stays_and_falls_late() {
        let table = [
            (0, 0.0),
            (1, 3e-6),
            (50, 1.5e-4),
            (99, 2.97e-4),
            (100, 3e-4),
            (101, 3e-4),
            (18_000, 3e-4),
            (20_100, 3e-4),
            (20_101, 3e-5),
            (40_101, 3e-6),
        ];
        for (count, rate) in table {
            assert!((PAPER.rate(count) - rate).abs() < 1e-12, "{count}: {}", PAPER.rate(count));
        }
        assert_eq!(Schedule { warmup: 0, ..PAPER }.rate(0), 3e-4);
    }

    #[test]
    fn the_last_step_of_an_epoch_does_not_count() {
        let counted = |iterations: u64| (0..iterations).filter(|n| PAPER.counts(*n)).count();
        assert_eq!(counted(1999), 1999);
        assert_eq!(counted(2000), 1999);
        assert_eq!(counted(2001), 2000);
        assert_eq!(counted(20_000), 19_990, "the fall at 20,101 is never reached by ten epochs");
    }
}
