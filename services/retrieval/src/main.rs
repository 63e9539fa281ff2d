//! `fondue-retrieval`: query embeddings in, pictures out.

use std::time::Instant;

use anyhow::{Context, ensure};
use fondue_index::live::Index;
use fondue_retrieval::{
    config::{Args, Config, Task},
    milvus::Milvus,
    store::Store,
};
use fondue_serving::{runtime, settings, stop, telemetry};
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    runtime::run(serve())?
}

async fn serve() -> anyhow::Result<()> {
    let args: Args = settings::arguments();
    let task = args.task.clone();
    let config = args.resolve()?;
    let _telemetry = telemetry::init("fondue-retrieval", &config.serving)?;
    if let Some(Task::Load { generation, activate }) = task {
        return load(config, generation, activate).await;
    }
    let listen = config.serving.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let shutdown = stop::signal(config.serving.stop_with_stdin);
    fondue_retrieval::run(config, listener, shutdown).await?;
    Ok(())
}

/// Copies a generation into Milvus, telling how far it is.
async fn load(config: Config, generation: Option<String>, activate: bool) -> anyhow::Result<()> {
    let index = Index::open(&config.index, config.live)?;
    let view = index.view(generation.as_deref().unwrap_or_default())?;
    let (generation, id) = (view.generation(), view.generation().id());
    ensure!(
        view.added() + view.removed() == 0,
        "{id} was changed since it was made; compact the index first, so that the changes are loaded too"
    );
    let milvus = Milvus::connect(config.milvus).await?;
    let (begun, all) = (Instant::now(), generation.len());
    let mut told = 0;
    let progress = |rows: usize| {
        let tenth = rows * 10 / all.max(1);
        if tenth > told {
            told = tenth;
            let seconds = begun.elapsed().as_secs_f64();
            let left = seconds / rows as f64 * (all - rows) as f64;
            tracing::info!(
                rows,
                of = all,
                rows_per_second = rows as f64 / seconds,
                seconds_left = left,
                "loading"
            );
        }
    };
    milvus.load(generation, progress).await?;
    tracing::info!(generation = id, rows = all, "in Milvus");
    if activate {
        let done = milvus.activate(id).await?;
        tracing::info!(active = done.active, previous = done.previous, "activated");
    }
    Ok(())
}
