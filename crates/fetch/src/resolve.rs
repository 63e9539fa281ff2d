//! Names to addresses.

use std::{io, net::IpAddr};

use futures::{FutureExt, future::BoxFuture};

/// Resolves hosts' names. Tests have one of their own, whose answers change.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name; asked once for each connection.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Resolve for System {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) }.boxed()
    }
}
