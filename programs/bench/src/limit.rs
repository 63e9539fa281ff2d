//! How fast decoding can be at most: every step reads all weights once, and each sequence its keys and values.

use crate::{shape::Sizes, systems::Weights};

/// Bytes that one step reads for so many sequences of a length each.
pub(crate) fn step_bytes(sizes: &Sizes, weights: Weights, dialogues: usize, length: usize) -> f64 {
    (sizes.weights() * weights.bytes() + sizes.kv_bytes() * length * dialogues) as f64
}

/// Tokens a second of all sequences together, if memory's speed (bytes a second) were all that held them up.
pub(crate) fn tokens(bandwidth: f64, step_bytes: f64, dialogues: usize) -> f64 {
    if step_bytes > 0.0 { bandwidth / step_bytes * dialogues as f64 } else { 0.0 }
}

/// A part of a whole; 0 of nothing.
pub(crate) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    #[test]
    fn a_step_reads_weights_once_and_each_sequences_cache() {
        let sizes = Shape::M125.sizes();
        let one = step_bytes(&sizes, Weights::F32, 1, 100);
        assert_eq!(one, (sizes.weights() * 4 + 2 * 12 * 768 * 4 * 100) as f64);
        let int8 = step_bytes(&sizes, Weights::Int8, 1, 0);
        assert_eq!(step_bytes(&sizes, Weights::F32, 1, 0), 4.0 * int8);
        let many = step_bytes(&sizes, Weights::F32, 8, 100);
        assert_eq!(many - one, (7 * 2 * 12 * 768 * 4 * 100) as f64);
    }

    #[test]
    fn the_limit_is_steps_times_dialogues() {
        assert_eq!(tokens(100.0, 10.0, 1), 10.0);
        assert_eq!(tokens(100.0, 20.0, 8), 40.0);
        assert_eq!((tokens(100.0, 0.0, 1), share(3.0, 4.0), share(1.0, 0.0)), (0.0, 0.75, 0.0));
    }
}
