//! Searches a second at a recall that lies between two settings.

/// A setting's recall and searches a second.
pub(crate) type Point = (f64, f64);

/// Searches a second where recall is `wanted`: on the line between the neighbouring settings, straight in the logarithms of
/// the searches and of what is missed, as both grow by factors. `None` if no setting reaches it. Settings that find less
/// and are slower than another do not count; if the first reaches it, its searches are taken.
pub(crate) fn at_recall(points: &[Point], wanted: f64) -> Option<f64> {
    let mut best: Vec<Point> = points.to_vec();
    best.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let above = best.partition_point(|point| point.0 < wanted);
    let fastest = best[above..].iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let below = best[..above].iter().copied().rfind(|point| point.1 > fastest.1);
    let Some((low, quick)) = below else { return Some(fastest.1) };
    let (high, slow) = fastest;
    let missed = |recall: f64| (1.0 - recall).max(1e-4).ln();
    let way = missed(high) - missed(low);
    let share = if way == 0.0 { 1.0 } else { (missed(wanted) - missed(low)) / way };
    Some((quick.ln() + share.clamp(0.0, 1.0) * (slow.ln() - quick.ln())).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a / b - 1.0).abs() < 1e-9)
    }

    #[test]
    fn between_two_settings_it_is_their_geometric_mean() {
        let points = [(0.9, 4000.0), (0.999, 1000.0)];
        // 0.1 and 0.001 are missed; 0.01 lies in the middle.
        assert!(near(at_recall(&points, 0.99), 2000.0));
        assert!(near(at_recall(&points, 0.999), 1000.0));
        assert_eq!(at_recall(&points, 0.9995), None);
        assert_eq!(at_recall(&[], 0.5), None);
    }

    #[test]
    fn the_first_setting_may_reach_it_already() {
        assert_eq!(at_recall(&[(0.995, 500.0), (0.999, 300.0)], 0.99), Some(500.0));
        assert_eq!(at_recall(&[(1.0, 500.0)], 0.99), Some(500.0));
        // Nothing is missed any more: no logarithm of zero.
        let found = at_recall(&[(0.98, 800.0), (1.0, 500.0)], 0.99).unwrap();
        assert!((500.0..800.0).contains(&found), "{found}");
    }

    #[test]
    fn a_setting_that_noise_made_worse_does_not_count() {
        // The second is slower than the third, which finds more.
        let points = [(0.9, 4000.0), (0.98, 900.0), (0.999, 1000.0)];
        assert!(near(at_recall(&points, 0.99), 2000.0));
    }
}
