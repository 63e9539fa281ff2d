//! `fondue-gateway`: the front door.

use anyhow::Context;
use fondue_gateway::config::Args;
use fondue_serving::{runtime, settings, stop, telemetry};
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    runtime::run(serve())?
}

async fn serve() -> anyhow::Result<()> {
    let config = settings::arguments::<Args>().resolve()?;
    let _telemetry = telemetry::init("fondue-gateway", &config.serving)?;
    let listen = config.serving.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let shutdown = stop::signal(config.serving.stop_with_stdin);
    fondue_gateway::run(config, listener, shutdown).await?;
    Ok(())
}
