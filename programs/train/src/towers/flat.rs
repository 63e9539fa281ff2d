//! All trained tensors of a tower in one flat vector: one leaf, one gradient, one moment each, one piece of a checkpoint.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor, no_grad};

/// How a tensor begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Normal with this standard deviation.
    Normal(f64),
    /// All the same.
    Fill(f64),
}

/// Names and shapes of tensors that lie in one vector, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    shape: Vec<i64>,
    start: Start,
    decays: bool,
}

impl Layout {
    /// Adds a tensor; matrices decay, if `decays` says so.
    pub(crate) fn add(&mut self, name: impl Into<String>, shape: &[i64], start: Start, decays: bool) {
        self.parts.push(Part { name: name.into(), shape: shape.to_vec(), start, decays });
    }

    /// Adds `NAME.weight` `[output, input]` and `NAME.bias` `[output]`.
    pub(crate) fn linear(&mut self, name: &str, output: i64, input: i64, std: f64) {
        self.add(format!("{name}.weight"), &[output, input], Start::Normal(std), true);
        self.add(format!("{name}.bias"), &[output], Start::Fill(0.0), false);
    }

    /// Adds `NAME.weight` and `NAME.bias` of a layer norm.
    pub(crate) fn norm(&mut self, name: &str, width: i64) {
        self.add(format!("{name}.weight"), &[width], Start::Fill(1.0), false);
        self.add(format!("{name}.bias"), &[width], Start::Fill(0.0), false);
    }

    /// How many tensors there are.
    pub(crate) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Puts tensors of these names where they belong in the vector; others are passed over.
    ///
    /// # Errors
    /// If one has another shape.
    pub(crate) fn fill(&self, flat: &Tensor, named: &[(String, Tensor)]) -> Result<()> {
        for (name, mut own) in self.named(&flat.detach()) {
            if let Some((_, stored)) = named.iter().find(|(known, _)| *known == name) {
                ensure!(stored.size() == own.size(), "`{name}` has another shape than here");
                no_grad(|| own.copy_(stored));
            }
        }
        Ok(())
    }

    /// The vector as it begins, f32; drawn from torch's generator.
    pub(crate) fn begin(&self) -> Tensor {
        let float = (Kind::Float, tch::Device::Cpu);
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| match part.start {
                Start::Normal(std) => Tensor::randn([part.len()], float) * std,
                Start::Fill(value) => Tensor::full([part.len()], value, float),
            })
            .collect();
        Tensor::cat(&parts, 0)
    }

    /// 1 where weights decay, 0 elsewhere.
    pub(crate) fn decays(&self) -> Tensor {
        let float = (Kind::Float, tch::Device::Cpu);
        let parts: Vec<_> = self
            .parts
            .iter()
            .map(|part| Tensor::full([part.len()], f64::from(u8::from(part.decays)), float))
            .collect();
        Tensor::cat(&parts, 0)
    }

    /// The tensors as views of the vector; gradients come back as one vector.
    pub(crate) fn split(&self, flat: &Tensor) -> Vec<Tensor> {
        let lengths: Vec<i64> = self.parts.iter().map(Part::len).collect();
        let pieces = flat.split_with_sizes(&lengths, 0);
        pieces.into_iter().zip(&self.parts).map(|(piece, part)| piece.view(part.shape.as_slice())).collect()
    }

    /// Names and tensors, for a file.
    pub(crate) fn named(&self, flat: &Tensor) -> Vec<(String, Tensor)> {
        self.parts.iter().map(|part| part.name.clone()).zip(self.split(flat)).collect()
    }
}

impl Part {
    fn len(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// What AdamW is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamSettings {
    /// Decay of the first moment.
    pub(crate) beta1: f64,
    /// Decay of the second moment.
    pub(crate) beta2: f64,
    /// Share of a weight that a step of rate 1 takes away.
    pub(crate) weight_decay: f64,
    /// Largest norm of the gradient.
    pub(crate) clip: f64,
    /// Decay of the average of the weights that is kept beside them.
    pub(crate) average: f64,
}

/// An update goes through the vectors in pieces of this length, which stay in a processor's cache from one operation to the
/// next.
const PIECE: i64 = 1 << 16;

/// AdamW over one vector, with an average of the weights over the steps.
///
/// Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization.
pub(crate) struct Adam {
    /// The weights, `[n]` f32, a leaf.
    pub(crate) flat: Tensor,
    /// Their average over the steps, `[n]` f32.
    pub(crate) average: Tensor,
    first: Tensor,
    second: Tensor,
    decays: Tensor,
    settings: AdamSettings,
}

impl Adam {
    /// Begins with `layout`'s own numbers.
    pub(crate) fn new(layout: &Layout, settings: AdamSettings) -> Self {
        let flat = layout.begin();
        let zeros = || flat.zeros_like();
        Self {
            average: flat.copy(),
            first: zeros(),
            second: zeros(),
            decays: layout.decays(),
            flat: flat.set_requires_grad(true),
            settings,
        }
    }

    /// The average begins anew, with the weights as they are.
    pub(crate) fn begin_average(&mut self) {
        no_grad(|| self.average.copy_(&self.flat));
    }

    /// One update with the gradient that a backward pass left; `step` counts from 1. Returns the gradient's norm.
    pub(crate) fn step(&mut self, rate: f64, step: i64) -> f64 {
        let AdamSettings { beta1, beta2, weight_decay, clip, average } = self.settings;
        no_grad(|| {
            let (gradient, length) = (self.flat.grad(), self.flat.size()[0]);
            let norm = gradient.norm().double_value(&[]);
            if !norm.is_finite() {
                self.flat.zero_grad();
                return norm;
            }
            let shrink = if norm > clip { clip / norm } else { 1.0 };
            let (correct1, correct2) = (1.0 - beta1.powi(step as i32), 1.0 - beta2.powi(step as i32));
            // A young average follows quickly, so that it does not keep how the weights began.
            let keep = average.min((1.0 + step as f64) / (10.0 + step as f64));
            for begin in (0..length).step_by(PIECE as usize) {
                let piece = |vector: &Tensor| vector.narrow(0, begin, PIECE.min(length - begin));
                let (mut flat, mut gradient) = (piece(&self.flat), piece(&gradient));
                let (mut first, mut second) = (piece(&self.first), piece(&self.second));
                if shrink < 1.0 {
                    let _ = gradient.g_mul_scalar_(shrink);
                }
                let _ = first.lerp_(&gradient, 1.0 - beta1);
                let _ = second.g_mul_scalar_(beta2).addcmul_(&gradient, &gradient.g_mul_scalar(1.0 - beta2));
                let root = (&second / correct2).sqrt_().g_add_scalar_(1e-8);
                let update = &first / root * (rate / correct1);
                if weight_decay > 0.0 {
                    let decay = &flat * piece(&self.decays) * (rate * weight_decay);
                    let _ = flat.g_sub_(&decay);
                }
                let _ = flat.g_sub_(&update);
                let _ = piece(&self.average).lerp_(&flat, 1.0 - keep);
            }
            self.flat.zero_grad();
            norm
        })
    }

    /// The vectors that a checkpoint keeps.
    pub(crate) fn state(&self) -> [(&'static str, Tensor); 4] {
        [
            ("flat", self.flat.detach().copy()),
            ("average", self.average.copy()),
            ("first", self.first.copy()),
            ("second", self.second.copy()),
        ]
    }

    /// Goes on from a checkpoint's vectors.
    ///
    /// # Errors
    /// If one is missing or of another length.
    pub(crate) fn restore(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        let find = |name: &str| state.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor);
        let mut own = [
            ("flat", &mut self.flat),
            ("average", &mut self.average),
            ("first", &mut self.first),
            ("second", &mut self.second),
        ];
        for (name, tensor) in &mut own {
            let stored = find(name);
            let fits = stored.is_some_and(|stored| stored.size() == tensor.size());
            ensure!(fits, "the checkpoint's `{name}` is missing or of another size");
            if let Some(stored) = stored {
                no_grad(|| tensor.copy_(stored));
            }
        }
        Ok(())
    }
}

/// How the rate falls after its rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Fall {
    /// Along half a cosine, to 1 %.
    Cosine,
    /// Evenly, to nothing: what comes last still moves something.
    Linear,
}

impl Fall {
    /// Share of the full rate at a step: rises over `warmup` steps, then falls.
    pub(crate) fn share(self, step: i64, warmup: i64, steps: i64) -> f64 {
        if step < warmup {
            return (step + 1) as f64 / warmup as f64;
        }
        let way = ((step - warmup) as f64 / (steps - warmup).max(1) as f64).min(1.0);
        match self {
            Self::Cosine => 0.01 + 0.99 * 0.5 * (1.0 + (way * std::f64::consts::PI).cos()),
            Self::Linear => 1.0 - way,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: AdamSettings =
        AdamSettings { beta1: 0.9, beta2: 0.99, weight_decay: 0.1, clip: 1e9, average: 0.5 };

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.add("w", &[2, 3], Start::Fill(2.0), true);
        layout.add("b", &[2], Start::Fill(-1.0), false);
        layout
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.reshape([-1])).unwrap()
    }

    #[test]
    fn tensors_are_pieces_of_the_vector_in_order() {
        let layout = layout();
        let flat = Tensor::arange(8, (Kind::Float, tch::Device::Cpu));
        let split = layout.split(&flat);
        assert_eq!((split[0].size(), split[1].size()), (vec![2, 3], vec![2]));
        assert_eq!(numbers(&split[1]), [6.0, 7.0]);
        layout.fill(&flat, &[("b".to_owned(), Tensor::from_slice(&[8.5f32, 9.5]))]).unwrap();
        assert_eq!(numbers(&flat)[5..], [5.0, 8.5, 9.5]);
        assert!(layout.fill(&flat, &[("b".to_owned(), Tensor::from_slice(&[8.5f32]))]).is_err());
    }

    #[test]
    fn an_update_is_adamw_by_hand() {
        let layout = layout();
        let mut adam = Adam::new(&layout, SETTINGS);
        let (mut first, mut second, mut weights) = ([0.0f64; 8], [0.0f64; 8], [2.0f64; 8]);
        weights[6..].fill(-1.0);
        for step in 1..=3 {
            // Loss Σ i·w² / 2, so that the gradient of weight i is i·w.
            let scale = Tensor::arange(8, (Kind::Float, tch::Device::Cpu));
            (adam.flat.square() * scale / 2.0).sum(Kind::Float).backward();
            adam.step(0.01, step);
            for i in 0..8 {
                let gradient = i as f64 * weights[i];
                first[i] = 0.9 * first[i] + 0.1 * gradient;
                second[i] = 0.99 * second[i] + 0.01 * gradient * gradient;
                let (m, v) = (
                    first[i] / (1.0 - 0.9f64.powi(step as i32)),
                    second[i] / (1.0 - 0.99f64.powi(step as i32)),
                );
                let decay = if i < 6 { 0.1 * weights[i] } else { 0.0 };
                weights[i] -= 0.01 * (decay + m / (v.sqrt() + 1e-8));
            }
        }
        for (got, wanted) in numbers(&adam.flat).into_iter().zip(weights) {
            assert!((f64::from(got) - wanted).abs() < 1e-5, "{got} {wanted}");
        }
    }

    #[test]
    fn an_update_reaches_every_piece_of_a_long_vector_once() {
        let mut layout = Layout::default();
        layout.add("w", &[2 * PIECE + 5], Start::Fill(2.0), true);
        let mut adam = Adam::new(&layout, AdamSettings { clip: 1.0, ..SETTINGS });
        for step in 1..=2 {
            adam.flat.square().sum(Kind::Float).backward();
            adam.step(0.01, step);
        }
        for vector in [&adam.flat, &adam.average] {
            let (least, most) = (vector.min().double_value(&[]), vector.max().double_value(&[]));
            assert!(least == most && most < 1.99, "{least} {most}");
        }
    }

    #[test]
    fn a_gradient_that_is_no_number_changes_nothing() {
        let mut adam = Adam::new(&layout(), SETTINGS);
        (&adam.flat * f64::NAN).sum(Kind::Float).backward();
        assert!(adam.step(0.1, 1).is_nan());
        assert_eq!(numbers(&adam.flat), numbers(&layout().begin()));
    }

    #[test]
    fn a_state_that_is_restored_goes_on_to_the_bit() {
        let run = |adam: &mut Adam, steps: std::ops::Range<i64>| {
            for step in steps {
                adam.flat.square().sum(Kind::Float).backward();
                adam.step(0.01, step);
            }
        };
        let mut whole = Adam::new(&layout(), SETTINGS);
        run(&mut whole, 1..7);
        let mut half = Adam::new(&layout(), SETTINGS);
        run(&mut half, 1..4);
        let state: Vec<_> =
            half.state().into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let mut rest = Adam::new(&layout(), SETTINGS);
        rest.restore(&state).unwrap();
        run(&mut rest, 4..7);
        assert_eq!(numbers(&rest.flat), numbers(&whole.flat));
        assert_eq!(numbers(&rest.average), numbers(&whole.average));
        assert!(rest.restore(&state[1..]).is_err());
    }

    #[test]
    fn the_rate_rises_then_falls() {
        for (fall, end) in [(Fall::Cosine, 0.01), (Fall::Linear, 0.0)] {
            let rates = [0, 9, 10, 55, 100].map(|step| fall.share(step, 10, 100));
            let wanted = [0.1, 1.0, 1.0, (1.0 + end) / 2.0, end];
            for (rate, wanted) in rates.into_iter().zip(wanted) {
                assert!((rate - wanted).abs() < 1e-9, "{fall:?}: {rates:?}");
            }
        }
    }
}
