//! BLEU of a corpus, one reference each, by words between blanks.
//!
//! Source: Papineni et al. 2002; torchmetrics' `BLEUScore` without smoothing, which the reference calls.

use std::collections::HashMap;

/// BLEU-1 to BLEU-4 of generated texts and their references, 0 to 1.
pub fn bleu<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> [f64; 4] {
    let (mut matched, mut total) = ([0usize; 4], [0usize; 4]);
    let (mut said, mut wanted) = (0, 0);
    for (text, reference) in pairs {
        let text: Vec<&str> = text.split_whitespace().collect();
        let reference: Vec<&str> = reference.split_whitespace().collect();
        said += text.len();
        wanted += reference.len();
        for n in 1..=4 {
            let known = counts(&reference, n);
            for (gram, times) in counts(&text, n) {
                matched[n - 1] += times.min(known.get(gram).copied().unwrap_or(0));
                total[n - 1] += times;
            }
        }
    }
    let brevity = if said == 0 {
        0.0
    } else if said > wanted {
        1.0
    } else {
        (1.0 - wanted as f64 / said as f64).exp()
    };
    [1, 2, 3, 4].map(|order| {
        let precisions = (0..order).map(|n| matched[n] as f64 / (total[n] as f64).max(1.0));
        let mean = precisions.map(f64::ln).sum::<f64>() / order as f64;
        brevity * mean.exp()
    })
}

fn counts<'w, 't>(words: &'w [&'t str], n: usize) -> HashMap<&'w [&'t str], usize> {
    let mut counts = HashMap::new();
    for gram in words.windows(n) {
        *counts.entry(gram).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_that_one_counts_by_hand() {
        // Of six words five are right, "the" at most twice; of five pairs three; of four triples one; no four.
        let got = bleu([("the cat the cat on mat", "the cat is on the mat")]);
        assert!((got[0] - 5.0 / 6.0).abs() < 1e-12, "{got:?}");
        assert!((got[1] - (5.0f64 / 6.0 * 1.0 / 5.0).sqrt()).abs() < 1e-12, "{got:?}");
        assert_eq!(got[2..], [0.0, 0.0]);
        // Three words of a reference of four: e^(1 − 4/3).
        let got = bleu([("a red apple", "a red apple here")]);
        assert!((got[2] - (1.0f64 - 4.0 / 3.0).exp()).abs() < 1e-12, "{got:?}");
        assert_eq!(bleu([("", "a")]), [0.0; 4]);
    }
}
