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
