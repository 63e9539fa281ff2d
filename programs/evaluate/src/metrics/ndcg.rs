//! Normalised discounted cumulative gain, as VisDial's evaluators have it.
//!
//! Source: Järvelin & Kekäläinen 2002; the cut at as many as are relevant at all is VisDial's.

/// How near the order of `scores` is to that of `relevance`: gains of the k best by score, each divided by log2(place + 1), over the
/// same of the best order; k is how many are relevant at all. `None` if none is, or the lengths differ.
pub fn ndcg(scores: &[f32], relevance: &[f32]) -> Option<f64> {
    let k = relevance.iter().filter(|&&gain| gain > 0.0).count();
    if k == 0 || scores.len() != relevance.len() {
        return None;
    }
    Some(gain(&order(scores), relevance, k) / gain(&order(relevance), relevance, k))
}

/// Places by descending value; of equal ones the earlier first, what is no number last.
fn order(values: &[f32]) -> Vec<usize> {
    let key = |at: usize| if values[at].is_nan() { f32::NEG_INFINITY } else { values[at] };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    order
}

fn gain(order: &[usize], relevance: &[f32], k: usize) -> f64 {
    let gains = order.iter().take(k).enumerate();
    gains.map(|(place, &at)| f64::from(relevance[at]) / (place as f64 + 2.0).log2()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_options_are_computed_by_hand() {
        // Best by score: the second (0), then the first (1); k = 2 of relevance 1 and 0.5.
        let got = ndcg(&[0.2, 0.9, 0.1], &[1.0, 0.0, 0.5]).unwrap();
        let wanted = (0.0 + 1.0 / 3_f64.log2()) / (1.0 + 0.5 / 3_f64.log2());
        assert!((got - wanted).abs() < 1e-12, "{got} {wanted}");
        assert_eq!(ndcg(&[0.9, 0.1, 0.5], &[1.0, 0.0, 0.5]), Some(1.0));
        assert_eq!(ndcg(&[0.1, 0.9], &[0.0, 0.0]), None, "nothing is relevant");
        assert_eq!(ndcg(&[0.1], &[1.0, 0.0]), None);
        assert_eq!(ndcg(&[0.0, 1.0, f32::NAN], &[0.0, 0.0, 1.0]), Some(0.0), "what is no number is last");
    }

    proptest! {
        #[test]
        fn it_is_the_textbooks_sum(pairs in prop::collection::vec(((0_u8..9).prop_map(f32::from), 0_u8..3), 1..30)) {
            let scores: Vec<f32> = pairs.iter().map(|pair| pair.0).collect();
            let relevance: Vec<f32> = pairs.iter().map(|pair| f32::from(pair.1) / 2.0).collect();
            let k = relevance.iter().filter(|gain| **gain != 0.0).count();
            let dcg = |mut pairs: Vec<(f32, f32)>| {
                pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
                (0..k).map(|i| f64::from(pairs[i].1) / (i as f64 + 2.0).log2()).sum::<f64>()
            };
            let got = dcg(scores.iter().copied().zip(relevance.iter().copied()).collect());
            let best = dcg(relevance.iter().map(|&gain| (gain, gain)).collect());
            match ndcg(&scores, &relevance) {
                None => prop_assert_eq!(k, 0),
                Some(value) => prop_assert!((value - got / best).abs() < 1e-9 && (0.0..=1.0 + 1e-9).contains(&value)),
            }
        }
    }
}
