//! Pictures that vision has seen before: the same features for nothing, and the metrics that tell so.

use anyhow::{Context, Result};
use fondue_harness::{Cluster, Flags, pictures::png};
use fondue_proto::vision::{EncodeRequest, Image};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Features of pictures by their numbers, by a client of its own.
async fn encode(cluster: &Cluster, numbers: &[usize]) -> Result<Vec<Vec<f32>>> {
    let image = |&n: &usize| anyhow::Ok(Image { data: png(n)?.into(), ..Image::default() });
    let images = numbers.iter().map(image).collect::<Result<_>>()?;
    let response = cluster.vision_client()?.encode(EncodeRequest { images }).await?.into_inner();
    Ok(response.features.into_iter().map(|features| features.values).collect())
}

/// A metric of the vision service, by its name with labels.
async fn metric(cluster: &Cluster, name: &str) -> Result<f64> {
    metric_at(&cluster.vision.address, name).await
}

/// A metric of the server at an address.
pub(crate) async fn metric_at(address: &str, name: &str) -> Result<f64> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
}

/// How much metrics grow: all clusters of a process share them.
async fn counts(cluster: &Cluster) -> Result<[f64; 4]> {
    let outcome = |outcome| format!("fondue_vision_cache_pictures_total{{outcome=\"{outcome}\"}}");
    Ok([
        metric(cluster, "fondue_vision_pictures_total").await?,
        metric(cluster, &outcome("hit")).await?,
        metric(cluster, "fondue_vision_decode_seconds_count").await?,
        metric(cluster, "fondue_vision_batch_pictures_sum").await?,
    ])
}

#[tokio::test]
async fn repeated_pictures_are_neither_decoded_nor_encoded_again() -> Result<()> {
    let cluster = Cluster::start(Flags::default()).await?;
    let first = encode(&cluster, &[1, 2, 1]).await?;
    let before = counts(&cluster).await?;
    let again = encode(&cluster, &[2, 1]).await?;
    let after = counts(&cluster).await?;
    let bits = |features: &[f32]| features.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&first[0]), bits(&first[2]));
    assert_eq!((bits(&again[0]), bits(&again[1])), (bits(&first[1]), bits(&first[0])));
    let grown: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(grown, [2.0, 2.0, 0.0, 0.0]);
    for name in ["cache_bytes", "queue_seconds_count", "encode_seconds_count", "batch_occupancy_ratio_count"]
    {
        assert!(metric(&cluster, &format!("fondue_vision_{name}")).await? > 0.0, "{name}");
    }
    assert!(metric(&cluster, "fondue_vision_decoded_bytes").await? == 0.0);
    Ok(())
}

#[tokio::test]
async fn without_the_cache_they_are_and_look_the_same() -> Result<()> {
    let keeping = Cluster::start(Flags::default()).await?;
    let forgetting =
        Cluster::start(Flags { vision: &["--feature-cache-bytes=0"], ..Flags::default() }).await?;
    let expected = encode(&keeping, &[3]).await?;
    assert_eq!(encode(&keeping, &[3]).await?, expected);
    let before = counts(&forgetting).await?;
    for _ in 0..2 {
        assert_eq!(encode(&forgetting, &[3]).await?, expected);
    }
    let after = counts(&forgetting).await?;
    assert!(after[2] - before[2] >= 2.0 && after[3] - before[3] >= 2.0, "{before:?} {after:?}");
    Ok(())
}
