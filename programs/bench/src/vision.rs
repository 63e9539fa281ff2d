//! The vision service beside Transformers: pictures a second, files in, features out.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fondue_proto::vision::{EncodeRequest, Image, vision_client::VisionClient};
use futures::future::try_join_all;
use image::{ImageFormat, Rgb, RgbImage};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tonic::transport::Channel;

use crate::{cli::VisionArgs, peers::Python, process, report::Scenario, statistics::median};

/// Measures pictures a second.
pub(crate) async fn measure(
    args: &VisionArgs,
    model: &Path,
    python: Option<&Python>,
    threads: usize,
    logs: &Path,
) -> Result<Vec<Scenario>> {
    let files = pictures(logs, args.pictures)?;
    let bytes = files.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let mut ours = Vec::new();
    for weights in &args.vision_weights {
        let flag = |name: &str, value: &dyn ToString| [format!("--{name}"), value.to_string()];
        let mut flags = Vec::new();
        flags.extend(flag("model", &model.display()));
        flags.extend(flag("weights", &weights));
        flags.extend(flag("threads", &threads));
        flags.extend(flag("max-batch", &args.batch));
        // Every picture comes more than once over the runs; what is measured is encoding.
        flags.extend(flag("feature-cache-bytes", &0));
        let (process, url) = process::service("vision", &flags, logs).await?;
        let channel = Channel::from_shared(url)?.tcp_nodelay(true).connect().await?;
        ours.push((weights.clone(), VisionClient::new(channel), process, Vec::new()));
    }
    let mut peer = match python {
        Some(python) => Some(python.vision(model, threads, logs).await?),
        None => None,
    };
    let mut theirs = Vec::new();
    for _ in 0..args.vision_runs {
        for (_, client, _, seconds) in &mut ours {
            seconds.push(encode(client, &bytes, args.batch).await?);
        }
        if let Some(peer) = &mut peer {
            peer.say(&json!({"files": files, "batch": args.batch}).to_string()).await?;
            theirs.push(peer.line("seconds ").await?.trim().parse::<f64>()?);
        }
    }
    let rate = |seconds: &[f64]| files.len() as f64 / median(seconds);
    let mut all = Vec::new();
    for (weights, _, process, seconds) in &ours {
        let what = format!("vision {weights}: JPEG 640×480, ViT-L/14's widths, {} layers", args.layers);
        let peak = process.peak()? / f64::from(1 << 20);
        if theirs.is_empty() {
            let figure = format!("{:.2} pictures/s, peak {peak:.0} MiB", rate(seconds));
            all.push(Scenario { what, figure, bar: None });
        } else {
            let detail =
                format!("{:.2} against {:.2} pictures/s, peak {peak:.0} MiB", rate(seconds), rate(&theirs));
            all.push(Scenario::at_least(what, rate(seconds) / rate(&theirs), 1.3, &detail));
        }
    }
    Ok(all)
}

/// Seconds for all pictures, in calls of half a batch of which several are under way.
async fn encode(client: &VisionClient<Channel>, pictures: &[Vec<u8>], batch: usize) -> Result<f64> {
    let start = std::time::Instant::now();
    let calls = pictures.chunks(batch.div_ceil(2)).map(|part| {
        let image = |data: &Vec<u8>| Image { data: data.clone().into(), ..Image::default() };
        let request = EncodeRequest { images: part.iter().map(image).collect() };
        let mut client = client.clone();
        async move { client.encode(request).await }
    });
    try_join_all(calls).await.context("the vision service refused the pictures")?;
    Ok(start.elapsed().as_secs_f64())
}

/// JPEGs of 640×480 with something of a photograph's detail.
fn pictures(folder: &Path, n: usize) -> Result<Vec<PathBuf>> {
    let picture = |n: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(n as u64);
        let waves: [f32; 6] = std::array::from_fn(|_| rng.random::<f32>() * 0.05 + 0.005);
        let mut image = RgbImage::new(640, 480);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let value = |wave: usize| {
                let at = x as f32 * waves[wave] + y as f32 * waves[wave + 1];
                (120.0 + 100.0 * at.sin()) as u8
            };
            let noise = rng.random::<u8>() / 16;
            *pixel = Rgb([value(0), value(2), value(4)].map(|value| value.saturating_add(noise)));
        }
        let path = folder.join(format!("{n}.jpg"));
        image.save_with_format(&path, ImageFormat::Jpeg)?;
        Ok(path)
    };
    (0..n).map(picture).collect()
}
