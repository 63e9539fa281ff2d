//! The connection: calls with a time limit, and what their failures mean.

use std::{sync::Arc, time::Duration};

use milvus::v2::{
    ClientV2,
    prelude::{ConnectConfig, Error, RetryConfig, TelemetryConfig},
};

use super::settings::MilvusConfig;
use crate::store::StoreError;

/// Tries of a call that a server refuses for now; it reconnects between them.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(50);

/// A failed call.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A collection or alias that the call names is not there.
    NotThere,
    /// The collection is there, but no query node holds it.
    NotLoaded,
    /// The answer is longer than the SDK reads.
    TooLong,
    /// What a caller is told.
    Store(StoreError),
}

/// A connected client; clones share the connection, which comes back by itself after it was lost.
#[derive(Clone)]
pub(super) struct Server {
    client: Arc<ClientV2>,
    timeout: Duration,
}

impl Server {
    /// Connects.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server does not answer or refuses the user.
    pub(super) async fn connect(config: &MilvusConfig) -> Result<Self, StoreError> {
        let mut connect = ConnectConfig::new()
            .uri(&config.url)
            .secure(config.url.starts_with("https://"))
            .database(&config.database)
            .connect_timeout(config.timeout)
            .rpc_timeout(config.timeout)
            .retry(
                RetryConfig::new()
                    .max_attempts(TRIES)
                    .initial_backoff(PAUSE)
                    .max_retry_timeout(config.timeout),
            )
            // It would tell the server of this machine every ten seconds.
            .telemetry(TelemetryConfig::new().enabled(false));
        if let Some(file) = &config.ca {
            connect = connect.ca_certificate(file.to_string_lossy());
        }
        if let Some((user, password)) = &config.login {
            connect = connect.username(user).password(password.expose());
        }
        if let Some(token) = &config.token {
            connect = connect.token(token.expose());
        }
        let client = within(config.timeout, ClientV2::new(&connect)).await.map_err(StoreError::from)?;
        Ok(Self { client: Arc::new(client), timeout: config.timeout })
    }

    /// The SDK's client.
    pub(super) fn client(&self) -> &ClientV2 {
        &self.client
    }

    /// Waits for a call, but no longer than the time limit.
    pub(super) async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        within(self.timeout, call).await
    }

    /// Waits for a call of which the server itself says how long it takes: loading, flushing.
    pub(super) async fn patiently<T>(
        &self,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        call.await.map_err(trouble)
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    // Beyond the SDK's own limit, which ends one try at a time.
    match tokio::time::timeout(limit + PAUSE, call).await {
        Ok(answer) => answer.map_err(trouble),
        Err(_) => Err(Trouble::Store(unavailable(format!("no answer within {} s", limit.as_secs_f32())))),
    }
}

fn trouble(error: Error) -> Trouble {
    use tonic::Code;
    match error {
        Error::RetryExhausted { source, .. } => trouble(*source),
        // The SDK has another tonic than ours; codes are numbers in both.
        Error::Grpc(status) => match Code::from(status.code() as i32) {
            Code::OutOfRange => Trouble::TooLong,
            Code::Unauthenticated | Code::PermissionDenied => Trouble::Store(unavailable(format!(
                "it refuses the user: {}; see milvus_user, milvus_password_file, milvus_token_file",
                status.message()
            ))),
            Code::InvalidArgument | Code::Unimplemented | Code::DataLoss | Code::FailedPrecondition => {
                Trouble::Store(broken(format!("Milvus: {}", status.message())))
            }
            _ => Trouble::Store(unavailable(status.message().to_owned())),
        },
        Error::Timeout(reason) | Error::Cancelled(reason) => Trouble::Store(unavailable(reason)),
        // Codes of Milvus' own: pkg/util/merr, and the ones that older servers send beside.
        Error::Server(error) => match (error.code(), error.legacy_code()) {
            (100 | 1600, _) | (0, 4) => Trouble::NotThere,
            (101 | 103, _) => Trouble::NotLoaded,
            // Not ready, unavailable, out of memory, disk or room, rate limits, and the like.
            (1..=5 | 7..=9, _) | (0, 49) => Trouble::Store(unavailable(error.reason().to_owned())),
            (code, _) => Trouble::Store(broken(format!("Milvus says {code}: {}", error.reason()))),
        },
        other => Trouble::Store(broken(other.to_string())),
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store(error) => error,
            Trouble::NotThere => broken("Milvus lacks a collection that its catalogue names".to_owned()),
            Trouble::NotLoaded => unavailable("a collection is not loaded on its query nodes".to_owned()),
            Trouble::TooLong => broken("Milvus' answer is longer than 4 MiB".to_owned()),
        }
    }
}

pub(super) fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable { reason: format!("Milvus: {reason}; see whether it runs and is reachable") }
}

pub(super) fn broken(reason: String) -> StoreError {
    StoreError::Broken { reason }
}
