//! The vision service beside Transformers: pictures a second, files in, features out.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result};
use fondue_proto::vision::{EncodeRequest, Image, vision_client::VisionClient};
use futures::future::try_join_all;
use image::{ImageFormat, Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tonic::transport::Channel;

use crate::{
    language::{Site, rest},
    limit::share,
    models,
    plan::VisionPlan,
    process::{self, Process},
    report::{Bar, Pictures, Report, Wanted},
    statistics::median,
    systems::{Peer, WEIGHTS_FLAG, Weights},
};

/// Width and height of the pictures.
const SIZE: (u32, u32) = (640, 480);

/// A running vision service of ours and what it took.
struct Ours {
    weights: Weights,
    client: VisionClient<Channel>,
    process: Process,
    seconds: Vec<f64>,
}

/// Measures pictures a second and adds them to the report.
pub(crate) async fn measure(plan: &VisionPlan, site: &Site<'_>, report: &mut Report) -> Result<()> {
    let model = models::vision(site.cache, plan.layers, plan.narrow)?;
    let mut ours = Vec::new();
    for &weights in &plan.weights {
        ours.push(Ours::start(plan, site, &model, weights).await?);
    }
    let mut peer = match site.python.filter(|_| plan.peer) {
        Some(python) => Some(python.vision(&model, site.threads, site.logs).await?),
        None => None,
    };
    let (mut theirs, mut their_peak) = (Vec::new(), 0.0);
    // The first run is the warm-up.
    for run in 0..=plan.runs {
        site.progress.set_message(format!("pictures, run {run} of {}", plan.runs));
        let files = pictures(site.logs, plan.pictures, run)?;
        let bytes = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
        for one in &mut ours {
            rest().await;
            let seconds = encode(&one.client, &bytes, plan.batch).await?;
            one.seconds.extend((run > 0).then_some(seconds));
        }
        if let Some(peer) = &mut peer {
            rest().await;
            peer.say(&json!({"files": files, "batch": plan.batch}).to_string()).await?;
            let seconds = peer.line("seconds ").await?.trim().parse::<f64>()?;
            theirs.extend((run > 0).then_some(seconds));
            their_peak = peer.peak()?;
        }
    }
    let rate = |seconds: &[f64]| share(plan.pictures as f64, median(seconds));
    for one in &ours {
        let (name, per_second) = (one.weights.system(), rate(&one.seconds));
        report.pictures.push(Pictures { name, per_second, peak: one.process.peak()? });
        if !theirs.is_empty() {
            let detail = format!("{per_second:.2} against {:.2} pictures/s", rate(&theirs));
            let what = format!(
                "pictures, {}, ViT-L/14's widths with {} layers, to Transformers in f32",
                one.weights.name(),
                plan.layers
            );
            // Only weights as precise as theirs are judged.
            let bar = (one.weights == Peer::Transformers.equal()).then_some(Wanted::AtLeast(1.3));
            report.bars.push(Bar::ratio(what, share(per_second, rate(&theirs)), bar, &detail));
        }
    }
    if !theirs.is_empty() {
        let name = Peer::Transformers.name().to_owned();
        report.pictures.push(Pictures { name, per_second: rate(&theirs), peak: their_peak });
    }
    Ok(())
}

impl Ours {
    async fn start(plan: &VisionPlan, site: &Site<'_>, model: &Path, weights: Weights) -> Result<Self> {
        let mut flags = vec!["--model".to_owned(), model.display().to_string()];
        flags.extend([WEIGHTS_FLAG.to_owned(), weights.name().to_owned()]);
        flags.extend(["--threads".to_owned(), site.threads.to_string()]);
        flags.extend(["--max-batch".to_owned(), plan.batch.to_string()]);
        let (process, url) = process::service("vision", &flags, site.logs).await?;
        let channel = Channel::from_shared(url)?.tcp_nodelay(true).connect().await?;
        Ok(Self { weights, client: VisionClient::new(channel), process, seconds: Vec::new() })
    }
}

/// Seconds for all pictures, in calls of half a batch that are all under way at once.
async fn encode(client: &VisionClient<Channel>, pictures: &[Vec<u8>], batch: usize) -> Result<f64> {
    let start = Instant::now();
    let calls = pictures.chunks(batch.div_ceil(2)).map(|part| {
        let image = |data: &Vec<u8>| Image { data: data.clone().into(), ..Image::default() };
        let request = EncodeRequest { images: part.iter().map(image).collect() };
        let mut client = client.clone();
        async move { client.encode(request).await }
    });
    try_join_all(calls).await.context("the vision service refused the pictures")?;
    Ok(start.elapsed().as_secs_f64())
}

/// JPEGs with something of a photograph's detail; each run has pictures that no cache knows.
fn pictures(folder: &Path, n: usize, run: usize) -> Result<Vec<PathBuf>> {
    let write = |n: usize| {
        let path = folder.join(format!("{n}.jpg"));
        std::fs::write(&path, jpeg((run * 100_000 + n) as u64)?)
            .with_context(|| path.display().to_string())?;
        Ok(path)
    };
    (0..n).map(write).collect()
}

fn jpeg(seed: u64) -> Result<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let waves: [f32; 6] = std::array::from_fn(|_| rng.random::<f32>() * 0.05 + 0.005);
    let mut image = RgbImage::new(SIZE.0, SIZE.1);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let value = |wave: usize| {
            let at = x as f32 * waves[wave] + y as f32 * waves[wave + 1];
            (120.0 + 100.0 * at.sin()) as u8
        };
        let noise = rng.random::<u8>() / 16;
        *pixel = Rgb([value(0), value(2), value(4)].map(|value| value.saturating_add(noise)));
    }
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Jpeg)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_another_one() {
        let (one, two) = (jpeg(1).unwrap(), jpeg(2).unwrap());
        assert!(one.starts_with(&[0xff, 0xd8]) && one != two && one == jpeg(1).unwrap());
        let read = image::load_from_memory(&one).unwrap();
        assert_eq!((read.width(), read.height()), SIZE);
    }
}
