//! One of the services, or `fondue-index build`, by the name that it is started with. The test puts it beside `fondue-bench`: cargo
//! builds examples with a package's tests, but not other packages' programs.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Parser;
use fondue_serving::{runtime, stop, telemetry};
use tokio::net::TcpListener;

fn main() -> anyhow::Result<()> {
    runtime::run(serve())?
}

async fn serve() -> anyhow::Result<()> {
    let own = std::env::args_os().next().context("a program without a name")?;
    match Path::new(&own).file_name().and_then(|name| name.to_str()) {
        Some("fondue-language") => {
            let config = fondue_language::config::Args::parse().resolve()?;
            let _telemetry = telemetry::init("fondue-language", &config.serving)?;
            let listener = TcpListener::bind(config.serving.listen).await?;
            let shutdown = stop::signal(config.serving.stop_with_stdin);
            fondue_language::run(config, listener, shutdown).await?;
        }
        Some("fondue-vision") => {
            let config = fondue_vision::config::Args::parse().resolve()?;
            let _telemetry = telemetry::init("fondue-vision", &config.serving)?;
            let listener = TcpListener::bind(config.serving.listen).await?;
            let shutdown = stop::signal(config.serving.stop_with_stdin);
            fondue_vision::run(config, listener, shutdown).await?;
        }
        Some("fondue-retrieval") => {
            let config = fondue_retrieval::config::Args::parse().resolve()?;
            let _telemetry = telemetry::init("fondue-retrieval", &config.serving)?;
            let listener = TcpListener::bind(config.serving.listen).await?;
            let shutdown = stop::signal(config.serving.stop_with_stdin);
            fondue_retrieval::run(config, listener, shutdown).await?;
        }
        Some("fondue-gateway") => {
            let config = fondue_gateway::config::Args::parse().resolve()?;
            let _telemetry = telemetry::init("fondue-gateway", &config.serving)?;
            let listener = TcpListener::bind(config.serving.listen).await?;
            let shutdown = stop::signal(config.serving.stop_with_stdin);
            fondue_gateway::run(config, listener, shutdown).await?;
        }
        Some("fondue-index") => {
            // The first word is `build`.
            let args = fondue_embed::build::Args::parse_from(std::env::args_os().skip(1));
            tokio::task::spawn_blocking(move || fondue_embed::build::run(&args)).await??;
        }
        other => bail!("{other:?} is no service of Fondue's"),
    }
    Ok(())
}
