//! BLEU of a whole set, without smoothing: n-grams that occur in a reference, clipped, and a penalty for what is too short.
//!
//! Source: Papineni et al. 2002. Words are what blanks part, as they stand.

use std::collections::HashMap;

/// BLEU-1 to BLEU-4, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bleu(pub [f64; 4]);

/// How much candidates are like their references. Each candidate has one reference at least; the one whose length is nearest
/// counts for the penalty, of two the shorter.
pub fn bleu<'a>(pairs: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>) -> Bleu {
    let (mut matched, mut total) = ([0_usize; 4], [0_usize; 4]);
    let (mut length, mut wanted) = (0_usize, 0_usize);
    for (candidate, references) in pairs {
        let words: Vec<&str> = candidate.split_whitespace().collect();
        let references: Vec<Vec<&str>> =
            references.iter().map(|text| text.split_whitespace().collect()).collect();
        length += words.len();
        let distance = |reference: &Vec<&str>| (reference.len().abs_diff(words.len()), reference.len());
        wanted += references.iter().min_by_key(|reference| distance(reference)).map_or(0, Vec::len);
        for n in 1..=4 {
            let in_references: Vec<_> = references.iter().map(|reference| counts(reference, n)).collect();
            for (gram, count) in counts(&words, n) {
                let most = in_references.iter().filter_map(|counts| counts.get(gram)).max();
                matched[n - 1] += count.min(most.copied().unwrap_or(0));
                total[n - 1] += count;
            }
        }
    }
    let penalty = if length == 0 {
        0.0
    } else if length >= wanted {
        1.0
    } else {
        (1.0 - wanted as f64 / length as f64).exp()
    };
    let mut logarithms = 0.0;
    Bleu(std::array::from_fn(|n| {
        let precision = if total[n] == 0 { 0.0 } else { matched[n] as f64 / total[n] as f64 };
        logarithms += precision.ln(); // of nothing, minus infinity, here and further on
        penalty * f64::exp(logarithms / (n as f64 + 1.0))
    }))
}

fn counts<'a>(words: &'a [&'a str], n: usize) -> HashMap<&'a [&'a str], usize> {
    let mut counts = HashMap::new();
    for gram in words.windows(n) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(got: Bleu, wanted: [f64; 4]) {
        for (got, wanted) in got.0.into_iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-9, "{got} {wanted}");
        }
    }

    #[test]
    fn the_papers_example_is_clipped() {
        // "the" occurs twice in a reference at most: 2 of 7.
        let references = vec!["the cat is on the mat", "there is a cat on the mat"];
        near(bleu([("the the the the the the the", references)]), [2.0 / 7.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_short_is_penalised_and_a_set_is_one_text() {
        near(bleu([("a red apple on it", vec!["a red apple on it"])]), [1.0; 4]);
        let penalty = f64::exp(1.0 - 6.0 / 3.0);
        near(bleu([("a red apple", vec!["a red apple in a tree"])]), [penalty, penalty, penalty, 0.0]);
        // 2 of 2 and 1 of 2 words: 3 of 4; pairs: 1 of 1 and 0 of 1. Lengths 4 and 4.
        let set = [("red apple", vec!["red apple"]), ("green pear", vec!["green plum"])];
        near(bleu(set), [0.75, f64::sqrt(0.75 * 0.5), 0.0, 0.0]);
        assert_eq!(bleu([("", vec!["a"])]), Bleu::default());
        assert_eq!(bleu(std::iter::empty()), Bleu::default());
    }

    #[test]
    fn the_nearest_length_counts_of_two_the_shorter() {
        // 3 words between references of 2 and 4.
        assert_eq!(bleu([("a b c", vec!["a b", "a b c d"])]).0[0], 1.0);
    }

    fn naive(pairs: &[(Vec<u8>, Vec<Vec<u8>>)], order: usize) -> f64 {
        let mut product = 1.0;
        for n in 1..=order {
            let (mut hit, mut all) = (0, 0);
            for (words, references) in pairs {
                let grams: Vec<&[u8]> = words.windows(n).collect();
                for (at, gram) in grams.iter().enumerate() {
                    all += 1;
                    // The how-many-th of its kind it is.
                    let place = grams[..=at].iter().filter(|other| *other == gram).count();
                    hit += usize::from(
                        references
                            .iter()
                            .any(|r| r.windows(n).filter(|other| other == gram).count() >= place),
                    );
                }
            }
            product *= if all == 0 { 0.0 } else { hit as f64 / all as f64 };
        }
        let c: usize = pairs.iter().map(|pair| pair.0.len()).sum();
        let r: usize = pairs
            .iter()
            .map(|(words, refs)| {
                let mut lengths: Vec<usize> = refs.iter().map(Vec::len).collect();
                lengths.sort_unstable();
                lengths.into_iter().min_by_key(|l| l.abs_diff(words.len())).unwrap()
            })
            .sum();
        let penalty = if c == 0 {
            0.0
        } else if c > r {
            1.0
        } else {
            (1.0 - r as f64 / c as f64).exp()
        };
        penalty * f64::powf(product, 1.0 / order as f64)
    }

    proptest! {
        #[test]
        fn it_is_the_naive_count(pairs in prop::collection::vec(
            (prop::collection::vec(0_u8..3, 0..8), prop::collection::vec(prop::collection::vec(0_u8..3, 0..8), 1..4)), 1..5)) {
            let text = |words: &Vec<u8>| words.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
            let texts: Vec<(String, Vec<String>)> =
                pairs.iter().map(|(words, refs)| (text(words), refs.iter().map(text).collect())).collect();
            let got = bleu(texts.iter().map(|(words, refs)| (words.as_str(), refs.iter().map(String::as_str).collect())));
            for (n, value) in got.0.into_iter().enumerate() {
                prop_assert!((value - naive(&pairs, n + 1)).abs() < 1e-9);
            }
        }
    }
}
