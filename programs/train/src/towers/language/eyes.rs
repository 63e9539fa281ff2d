//! The vectors that stand for pictures while the language tower trains.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::{Rng, RngExt};
use tch::{Kind, Reduction, Tensor};

use super::super::{
    flat::{Layout, Start},
    vision::unit,
};

/// The scale of similarities when things are looked for.
const QUERY_SCALE: f64 = 20.0;

/// Where the vectors come from.
pub(crate) struct Eyes {
    source: Source,
    noise: f64,
}

enum Source {
    /// One learnt row a thing.
    Table(i64),
    /// Features of drawings, `[n, f]`; for each thing, its rows.
    Features { features: Tensor, rows: Vec<Vec<i64>>, projection: Tensor, things: Tensor },
}

impl Eyes {
    /// From a file with `features` `[n, f]`, `things` `[n]` and `projection` `[q, f]`, or a table.
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub(crate) fn new(file: Option<&Path>, things: i64, noise: f64) -> Result<Self> {
        let Some(path) = file else { return Ok(Self { source: Source::Table(things), noise }) };
        let shown = path.display();
        let named = Tensor::read_safetensors(path).with_context(|| format!("reading {shown}"))?;
        let find = |wanted: &str| {
            let found = named.iter().find(|(name, _)| name == wanted);
            found.map(|(_, tensor)| tensor).with_context(|| format!("{shown} has no tensor `{wanted}`"))
        };
        let features = find("features")?.f_to_kind(Kind::Float)?;
        let of = find("things")?;
        let projection = find("projection")?.f_to_kind(Kind::Float)?;
        ensure!(
            features.dim() == 2 && projection.dim() == 2,
            "{shown}: `features` or `projection` is no table"
        );
        let (n, f) = features.size2()?;
        ensure!(of.size() == [n], "{shown}: `features` and `things` do not belong together");
        ensure!(
            projection.size()[1] == f,
            "{shown}: `projection` takes {} features, there are {f}",
            projection.size()[1]
        );
        let mut rows = vec![Vec::new(); things as usize];
        for row in 0..n {
            let thing = of.int64_value(&[row]);
            let place = usize::try_from(thing).ok().and_then(|thing| rows.get_mut(thing));
            place.with_context(|| format!("{shown} names thing {thing}, which there is not"))?.push(row);
        }
        let things = middles(&features, &rows, &projection);
        Ok(Self { source: Source::Features { features, rows, projection, things }, noise })
    }

    /// What projects features into the space where the vision tower met its texts, `[q, f]`.
    pub(crate) fn projection(&self) -> Option<&Tensor> {
        match &self.source {
            Source::Table(_) => None,
            Source::Features { projection, .. } => Some(projection),
        }
    }

    /// Adds the tensors.
    pub(crate) fn layout(&self, layout: &mut Layout, width: i64) {
        match &self.source {
            Source::Table(things) => layout.add("eyes.table", &[*things, width], Start::Normal(0.1), false),
            Source::Features { features, projection, .. } => {
                let f = features.size()[1];
                layout.linear("eyes.map", width, f, 0.1 * (f as f64).powf(-0.5));
                layout.linear("eyes.query", projection.size()[0], width, (width as f64).powf(-0.5));
            }
        }
    }

    /// How badly states `[n, width]` at `[RET]` find their things among all, as a sum; nothing where pictures are a table.
    ///
    /// Without it such a state need not hold what was spoken of, and no mapping layer could find it there.
    pub(crate) fn missed(&self, tensors: &[Tensor], states: &Tensor, things: &[i64]) -> Option<Tensor> {
        let Source::Features { things: all, .. } = &self.source else { return None };
        let query = states.to_kind(Kind::Float).linear(&tensors[2], Some(&tensors[3]));
        let logits = unit(&query).matmul(&all.transpose(0, 1)) * QUERY_SCALE;
        Some(logits.cross_entropy_loss(
            &Tensor::from_slice(things),
            None::<Tensor>,
            Reduction::Sum,
            -100,
            0.0,
        ))
    }

    /// Things → `[n, width]`. `tensors`: those of [`Eyes::layout`]. A thing without features gives zeros.
    pub(crate) fn see(&self, tensors: &[Tensor], things: &[i64], noisy: bool, rng: &mut impl Rng) -> Tensor {
        let seen = match &self.source {
            Source::Table(_) => tensors[0].index_select(0, &Tensor::from_slice(things)),
            Source::Features { features, rows, .. } => {
                let rows: Vec<i64> = things
                    .iter()
                    .map(|&thing| match &rows[thing as usize][..] {
                        [] => 0,
                        rows => rows[rng.random_range(0..rows.len())],
                    })
                    .collect();
                features.index_select(0, &Tensor::from_slice(&rows)).linear(&tensors[0], Some(&tensors[1]))
            }
        };
        if !noisy || self.noise <= 0.0 {
            return seen;
        }
        let length = seen.square().mean_dim([-1i64].as_slice(), true, Kind::Float).sqrt();
        let noise = Tensor::randn_like(&seen) * length * self.noise;
        seen + noise.detach()
    }
}

/// For each thing the middle of its projected features, at length 1; zeros for things without features.
fn middles(features: &Tensor, rows: &[Vec<i64>], projection: &Tensor) -> Tensor {
    let all = unit(&features.linear(projection, None::<Tensor>));
    let middle = |rows: &Vec<i64>| match &rows[..] {
        [] => projection.new_zeros([projection.size()[0]], (Kind::Float, projection.device())),
        rows => {
            all.index_select(0, &Tensor::from_slice(rows)).mean_dim([0i64].as_slice(), false, Kind::Float)
        }
    };
    unit(&Tensor::stack(&rows.iter().map(middle).collect::<Vec<_>>(), 0))
}
