//! Where a prompt begins that does not fit whole. Pure.

/// The first of `n` beginnings, each later than the one before, from which everything fits; `None` if none does.
///
/// `fits` measures what is left from a beginning. Whoever fits behind one beginning fits behind all later ones: so they are
/// tried from the last one on, in steps that double, and little more is measured than fits.
///
/// # Errors
/// The first of `fits`.
pub fn first_fitting<E>(
    n: usize,
    mut fits: impl FnMut(usize) -> Result<bool, E>,
) -> Result<Option<usize>, E> {
    // From `high` on all fit.
    let (mut high, mut step) = (n, 1);
    while high > 0 {
        let at = high.saturating_sub(step);
        if fits(at)? {
            (high, step) = (at, step * 2);
        } else {
            let first = halves(at + 1, high, fits)?;
            return Ok((first < n).then_some(first));
        }
    }
    Ok((n > 0).then_some(0))
}

fn halves<E>(
    mut low: usize,
    mut high: usize,
    mut fits: impl FnMut(usize) -> Result<bool, E>,
) -> Result<usize, E> {
    while low < high {
        let middle = low.midpoint(high);
        if fits(middle)? { high = middle } else { low = middle + 1 }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Of `n` beginnings those from `first` on fit: what is found, and what was measured.
    fn found(n: usize, first: usize) -> (Option<usize>, Vec<usize>) {
        let mut measured = Vec::new();
        let fits = |at| {
            measured.push(at);
            Ok::<_, Infallible>(at >= first)
        };
        let Ok(found) = first_fitting(n, fits);
        (found, measured)
    }

    #[test]
    fn it_is_the_first_whatever_their_number() {
        for n in 0..40 {
            for first in 0..=n {
                let (found, measured) = found(n, first);
                assert_eq!(found, (first < n).then_some(first), "{n} {first}");
                assert!(measured.iter().all(|at| *at < n), "{measured:?}");
            }
        }
    }

    #[test]
    fn little_more_is_measured_than_fits() {
        let (found, measured) = found(4096, 4090);
        assert_eq!(found, Some(4090));
        assert!(measured.iter().all(|at| *at >= 4080), "{measured:?}");
        assert!(measured.len() < 10, "{measured:?}");
    }

    #[test]
    fn what_cannot_be_measured_is_told() {
        assert_eq!(first_fitting(3, |_| Err::<bool, _>("no text")), Err("no text"));
    }
}
