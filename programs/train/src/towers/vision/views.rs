//! Augmented views of drawings: moved, turned, stretched, recoloured, partly covered, mixed.

use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use super::net::{MEAN, STD};

const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);

/// `[n]` uniform in `low … high`.
fn uniform(n: i64, low: f64, high: f64) -> Tensor {
    Tensor::rand([n], FLOAT) * (high - low) + low
}

/// `[n]`, 1 with this probability, else 0.
fn coin(n: i64, probability: f64) -> Tensor {
    Tensor::rand([n], FLOAT).lt(probability).to_kind(Kind::Float)
}

/// `[n, 3, s, s]` u8 on white → `[n, 3, side, side]` f32 in 0 … 1, each drawn anew from torch's generator.
///
/// `mirrors`: `[n]` f32, 1 where the mirror image is as good.
pub(crate) fn views(squares: &Tensor, mirrors: &Tensor, side: i64) -> Tensor {
    let n = squares.size()[0];
    // White becomes 0, so that what lies beyond the edge is white too.
    let ink = squares.to_kind(Kind::Float) / 255.0 - 1.0;
    let grid = Tensor::affine_grid_generator(&placement(n, mirrors), [n, 3, side, side], false);
    let ink = ink.grid_sampler(&grid, 0, 0, false);
    let ink = recolour(&ink);
    (cover(&ink) + 1.0).clamp(0.0, 1.0)
}

/// `[n, 2, 3]`: where each point of a view is taken from.
fn placement(n: i64, mirrors: &Tensor) -> Tensor {
    let angle = Tensor::randn([n], FLOAT) * (9.0 * PI / 180.0);
    let (cos, sin) = (angle.cos(), angle.sin());
    let zoom = uniform(n, (0.85f64).ln(), (1.4f64).ln()).exp();
    let stretch = uniform(n, -0.12, 0.12).exp();
    let shear = Tensor::randn([n], FLOAT) * 0.08;
    let mirror = 1.0 - coin(n, 0.5) * mirrors * 2.0;
    let (across, down) = (&zoom * &stretch * mirror, &zoom / &stretch);
    let rows = [
        &cos * &across,
        (&shear * &cos - &sin) * &down,
        uniform(n, -0.15, 0.15),
        &sin * &across,
        (&shear * &sin + &cos) * &down,
        uniform(n, -0.15, 0.15),
    ];
    Tensor::stack(&rows, 1).view([n, 2, 3])
}

/// Another hue, saturation, brightness; white stays white.
fn recolour(ink: &Tensor) -> Tensor {
    let n = ink.size()[0];
    let wild = coin(n, 0.06);
    let tame = Tensor::randn([n], FLOAT) * 0.15 * (1.0 - &wild);
    let turn: Tensor = uniform(n, -PI, PI) * &wild + tame;
    let turn = turn.view([n, 1, 1]);
    let saturation: Tensor = uniform(n, 0.6, 1.4) * (1.0 - coin(n, 0.04));
    let saturation = saturation.view([n, 1, 1]);
    // A turn about the grey axis, stretched away from it: c·I + (1 − c)·g·gᵀ + s·[g]×.
    let grey = Tensor::full([1, 3, 3], 1.0 / 3.0, FLOAT);
    let (cos, sin) = (turn.cos(), turn.sin());
    let root = 3f64.powf(-0.5);
    let cross = Tensor::from_slice(&[0.0, -root, root, root, 0.0, -root, -root, root, 0.0])
        .to_kind(Kind::Float)
        .view([1, 3, 3]);
    let identity = Tensor::eye(3, FLOAT).view([1, 3, 3]);
    let colourful = (&identity - &grey) * cos + cross * sin;
    let matrix = (colourful * saturation + grey) * uniform(n, 0.8, 1.2).view([n, 1, 1]);
    let gain = uniform(n * 3, 0.9, 1.1).view([n, 3, 1]);
    let shape = ink.size();
    (matrix * gain).matmul(&ink.flatten(2, 3)).view(shape.as_slice())
}

/// Covers a rectangle of a tenth of the views with a plain colour.
fn cover(ink: &Tensor) -> Tensor {
    let (n, side) = (ink.size()[0], ink.size()[3]);
    let inside = |axis: [i64; 4]| {
        let at = Tensor::arange(side, FLOAT).view(axis) / side as f64;
        let (middle, half) =
            (uniform(n, 0.1, 0.9).view([n, 1, 1, 1]), uniform(n, 0.08, 0.22).view([n, 1, 1, 1]));
        (at - middle).abs().le_tensor(&half).to_kind(Kind::Float)
    };
    let mask = inside([1, 1, 1, side]) * inside([1, 1, side, 1]) * coin(n, 0.1).view([n, 1, 1, 1]);
    let colour = (Tensor::rand([n, 3, 1, 1], FLOAT) - 1.0) * coin(n, 0.6).view([n, 1, 1, 1]);
    ink * (1.0 - &mask) + colour * mask
}

/// Values in 0 … 1 → CLIP's normalised ones.
pub(crate) fn normalise(views: &Tensor) -> Tensor {
    let channel = |values: [f64; 3]| Tensor::from_slice(&values).to_kind(Kind::Float).view([1, 3, 1, 1]);
    (views - channel(MEAN)) / channel(STD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_stays_white_but_for_what_covers_it() {
        tch::manual_seed(1);
        let white = Tensor::full([64, 3, 80, 80], 255, (Kind::Uint8, Device::Cpu));
        let views = views(&white, &Tensor::ones([64], FLOAT), 24);
        assert_eq!(views.size(), [64, 3, 24, 24]);
        let rows: Vec<f64> = (0..64).map(|n| views.select(0, n).min().double_value(&[])).collect();
        let plain = rows.iter().filter(|&&least| least > 0.999).count();
        assert!((45..64).contains(&plain), "{plain} of 64 are white all over");
    }

    #[test]
    fn a_drawing_is_mirrored_only_where_that_is_as_good() {
        tch::manual_seed(2);
        let lefts = |mirrors: f64| {
            let grid = placement(200, &Tensor::full([200], mirrors, FLOAT));
            grid.select(1, 0).select(1, 0).gt(0.0).to_kind(Kind::Int64).sum(Kind::Int64).int64_value(&[])
        };
        assert_eq!(lefts(0.0), 200);
        assert!((60..140).contains(&lefts(1.0)));
    }

    #[test]
    fn views_follow_from_the_seed() {
        let square = Tensor::full([2, 3, 80, 80], 90, (Kind::Uint8, Device::Cpu));
        let view = |seed: i64| {
            tch::manual_seed(seed);
            views(&square, &Tensor::ones([2], FLOAT), 24)
        };
        assert!(view(5).equal(&view(5)) && !view(5).equal(&view(6)));
    }
}
