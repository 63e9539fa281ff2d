//! Where the right one stands among all, and what many such places come to.

/// The place, from 1, of the best of `right` when `scores` are sorted downwards. Of equal scores the earlier one stands before;
/// what is no number stands behind everything. `None` if nothing is right.
pub fn rank(scores: &[f32], right: &[usize]) -> Option<usize> {
    let value = |at: usize| if scores[at].is_nan() { f32::NEG_INFINITY } else { scores[at] };
    let better = |a: usize, b: usize| value(a) > value(b) || (value(a) == value(b) && a < b);
    let right = right.iter().copied().filter(|&at| at < scores.len());
    let best = right.reduce(|best, at| if better(at, best) { at } else { best })?;
    Some(1 + (0..scores.len()).filter(|&at| better(at, best)).count())
}

/// The inner product of two vectors of a length: how near two unit vectors are.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The share of ranks that are `k` at most; 0 of none.
pub fn recall(ranks: &[usize], k: usize) -> f64 {
    share(ranks.iter().filter(|&&rank| rank <= k).count(), ranks.len())
}

/// The mean of 1 / rank; 0 of none.
pub fn mean_reciprocal_rank(ranks: &[usize]) -> f64 {
    let sum: f64 = ranks.iter().map(|&rank| 1.0 / rank as f64).sum();
    if ranks.is_empty() { 0.0 } else { sum / ranks.len() as f64 }
}

/// `some` of `all`; 0 of none.
pub fn share(some: usize, all: usize) -> f64 {
    if all == 0 { 0.0 } else { some as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranks_are_counted_from_one_and_ties_stand_in_order() {
        let scores = [0.1, 0.9, 0.5, 0.9, f32::NAN];
        let place = |right: &[usize]| rank(&scores, right);
        assert_eq!(place(&[1]), Some(1));
        assert_eq!(place(&[3]), Some(2), "an equal one before it");
        assert_eq!(place(&[2]), Some(3));
        assert_eq!(place(&[0]), Some(4));
        assert_eq!(place(&[4]), Some(5), "what is no number is last");
        assert_eq!(place(&[0, 2]), Some(3), "the best of several");
        assert_eq!(place(&[]), None);
        assert_eq!(place(&[9]), None);
        assert_eq!(rank(&[f32::NEG_INFINITY, 1.0], &[0]), Some(2), "what was shown is not found");
    }

    #[test]
    fn what_ranks_come_to_is_computed_by_hand() {
        let ranks = [1, 2, 4, 10, 11];
        assert_eq!(recall(&ranks, 1), 0.2);
        assert_eq!(recall(&ranks, 5), 0.6);
        assert_eq!(recall(&ranks, 10), 0.8);
        let mrr = (1.0 + 0.5 + 0.25 + 0.1 + 1.0 / 11.0) / 5.0;
        assert!((mean_reciprocal_rank(&ranks) - mrr).abs() < 1e-12);
        assert_eq!((recall(&[], 1), mean_reciprocal_rank(&[])), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn the_rank_is_the_place_after_sorting(scores in prop::collection::vec((0_u8..6).prop_map(f32::from), 1..40),
                                               right in prop::collection::vec(0_usize..40, 1..4)) {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])); // stable
            let naive = order.iter().position(|at| right.contains(at)).map(|place| place + 1);
            prop_assert_eq!(rank(&scores, &right), naive);
        }

        #[test]
        fn recall_grows_with_k_to_one(ranks in prop::collection::vec(1_usize..50, 1..60)) {
            let all: Vec<f64> = (0..=50).map(|k| recall(&ranks, k)).collect();
            prop_assert!(all.is_sorted() && all[0] == 0.0 && all[50] == 1.0);
            prop_assert!(mean_reciprocal_rank(&ranks) >= recall(&ranks, 1));
        }
    }
}
