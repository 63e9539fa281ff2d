//! Which drawings a step sees, and how their views are mixed.

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

/// The `step`-th `n` of `places`, in an order that each epoch draws anew.
pub(super) fn take(places: &[i64], n: usize, step: i64, seed: u64) -> Vec<i64> {
    let (mut taken, mut epoch, mut order) = (Vec::with_capacity(n), usize::MAX, Vec::new());
    for at in (0..n).map(|i| step as usize * n + i) {
        if at / places.len() != epoch {
            epoch = at / places.len();
            order = places.to_vec();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9) ^ epoch as u64));
        }
        taken.push(order[at % places.len()]);
    }
    taken
}

/// In an eighth of the steps, blends every view with another, or pastes a piece of the other in. Returns the others and the
/// share that is the view's own.
///
/// Sources: Zhang et al., mixup; Yun et al., CutMix.
pub(super) fn mix(pixels: &mut Tensor, rng: &mut ChaCha8Rng) -> Option<(Tensor, f64)> {
    let (n, side) = (pixels.size()[0], pixels.size()[3]);
    let other = Tensor::randperm(n, (Kind::Int64, tch::Device::Cpu));
    let way: f64 = rng.random();
    if way < 0.05 {
        let share = 0.5 + 0.5 * rng.random::<f64>();
        let blended = &*pixels * share + pixels.index_select(0, &other) * (1.0 - share);
        *pixels = blended;
        Some((other, share))
    } else if way < 0.12 {
        let piece = (side as f64 * rng.random_range(0.25..0.6)) as i64;
        let (x, y) = (rng.random_range(0..=side - piece), rng.random_range(0..=side - piece));
        let from = pixels.index_select(0, &other);
        let cut = |tensor: &Tensor| tensor.narrow(2, y, piece).narrow(3, x, piece);
        cut(pixels).copy_(&cut(&from));
        Some((other, 1.0 - (piece * piece) as f64 / (side * side) as f64))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_each_drawing_once_in_an_order_of_its_own() {
        let places: Vec<i64> = (0..10).collect();
        let epoch = |n: i64| {
            let mut taken: Vec<i64> = (0..5).flat_map(|step| take(&places, 2, n * 5 + step, 7)).collect();
            let order = taken.clone();
            taken.sort_unstable();
            assert_eq!(taken, places);
            order
        };
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(epoch(1), epoch(1));
        assert_eq!(take(&places, 25, 0, 7)[..10], epoch(0)[..]);
        assert!(take(&places, 0, 3, 7).is_empty());
    }
}
