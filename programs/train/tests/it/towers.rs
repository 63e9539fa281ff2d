//! The towers that gradients pass through, against the reference vectors.

use anyhow::Result;
use fondue_golden::Golden;
use fondue_model::{LanguageModel, Placement, layers::values, weights::unwatched};
use fondue_train::nets::opt::OptNet;
use tch::{Kind, Tensor};

#[test]
fn states_are_those_of_the_serving_passes() -> Result<()> {
    for golden in Golden::all()? {
        let model: LanguageModel = golden.language(Placement::TORCH_F32)?;
        let net = OptNet::load(&golden.folder.join("opt"), Placement::TORCH_F32, &unwatched)?;
        let width = net.config().word_dim();
        let embeds = Tensor::randn([2, 9, width], (Kind::Float, tch::Device::Cpu));
        let hidden = net.forward(&embeds)?;
        for n in 0..2 {
            let (got, expected) = (values(&hidden.get(n))?, values(&model.run(embeds.get(n))?)?);
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-4, "{got} is not {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_last_row_by_itself_has_the_states_of_the_whole_and_its_gradient() -> Result<()> {
    for golden in Golden::all()? {
        let net = OptNet::load(&golden.folder.join("opt"), Placement::TORCH_F32, &unwatched)?;
        let width = net.config().word_dim();
        let before = Tensor::randn([2, 5, width], (Kind::Float, tch::Device::Cpu));
        let lengths = [3i64, 5];
        let last = Tensor::randn([2, 1, width], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let (states, got) = net.forward_last(&before, &last, &Tensor::from_slice(&lengths))?;
        assert!(!states.requires_grad());
        got.square().sum(Kind::Float).backward();
        let gradient = last.grad().copy();
        last.shallow_clone().zero_grad();
        for (n, length) in (0..).zip(lengths) {
            let row = Tensor::cat(&[before.get(n).narrow(0, 0, length), last.get(n)], 0);
            let whole = net.forward(&row.unsqueeze(0))?.get(0);
            near(&states.get(n).narrow(0, 0, length), &whole.narrow(0, 0, length))?;
            near(&got.get(n).get(0), &whole.get(length))?;
            whole.get(length).square().sum(Kind::Float).backward();
        }
        near(&gradient, &last.grad())?;
    }
    Ok(())
}

fn near(got: &Tensor, expected: &Tensor) -> Result<()> {
    for (got, expected) in values(got)?.iter().zip(values(expected)?) {
        assert!((got - expected).abs() < 1e-4 * expected.abs().max(1.0), "{got} is not {expected}");
    }
    Ok(())
}
