//! The replicas of one service, and calls to them.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use fondue_domain::Fault;
use http::{HeaderValue, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tonic::body::Body;
use tower::retry::budget::{Budget, TpsBudget};

use super::{
    BoxError, CONNECT_TIMEOUT, Upstream,
    attempt::{Attempt, attempt},
    choice::{self, Affinity},
    keeper,
    replica::Replica,
};
use crate::{deadline, status::from_parts};

/// Attempts at one call, the first included.
const MAX_ATTEMPTS: usize = 3;
/// How far back the budget of retries looks.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// Retries a second that are allowed in any case, so that a quiet gateway can retry at all.
const ALWAYS_RETRIES: u32 = 5;

/// Marks a request that may be sent again as long as no message of its answer has come: it changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Repeatable;

/// The replicas of a service.
pub(super) struct Pool {
    pub(super) upstream: Upstream,
    replicas: RwLock<Arc<[Arc<Replica>]>>,
    /// Retries left; `None` if there are to be none.
    budget: Option<TpsBudget>,
    /// Why there is no replica, as long as there never was one; whoever keeps the set watches the other end.
    pub(super) resolved: watch::Sender<Resolved>,
}

/// How far finding the replicas is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// Nothing is known yet.
    Asking,
    /// No address is known, and why.
    Failed(String),
    /// There are replicas.
    Found,
}

impl Pool {
    /// The pool, its replicas looked for from now on. It must be made within a tokio runtime.
    pub(super) fn new(upstream: Upstream) -> Arc<Self> {
        let ratio = upstream.balance.retry_ratio;
        let budget = (ratio > 0.0).then(|| TpsBudget::new(BUDGET_WINDOW, ALWAYS_RETRIES, one_of_n(ratio)));
        let (resolved, _) = watch::channel(Resolved::Asking);
        let pool = Arc::new(Self { upstream, replicas: RwLock::new([].into()), budget, resolved });
        tokio::spawn(keeper::keep(Arc::downgrade(&pool), pool.resolved.subscribe()));
        pool
    }

    /// All replicas.
    pub(super) fn replicas(&self) -> Arc<[Arc<Replica>]> {
        self.replicas.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_replicas(&self, replicas: Arc<[Arc<Replica>]>) {
        *self.replicas.write().unwrap_or_else(PoisonError::into_inner) = replicas;
    }

    /// Sends no calls to a replica for a while, unless half of them would get none then.
    pub(super) fn eject(&self, replica: &Replica) {
        let all = self.replicas();
        let ejected = all.iter().filter(|other| other.is_ejected()).count();
        if 2 * (ejected + 1) <= all.len() && !replica.is_ejected() {
            replica.eject();
            let service = self.upstream.service.clone();
            metrics::counter!("fondue_upstream_ejections_total", "service" => service.clone()).increment(1);
            tracing::warn!(%service, address = %replica.address, "a replica that fails again and again gets no calls for a while");
        }
    }

    /// Makes a call, and makes it again where that is safe and may help.
    ///
    /// # Errors
    /// The last attempt's, or a status if there is no replica.
    pub(super) async fn call(
        self: Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, BoxError> {
        let affinity = request.extensions_mut().remove::<Affinity>();
        let is_repeatable = request.extensions_mut().remove::<Repeatable>().is_some();
        let until = deadline::asked(request.headers()).map(|left| Instant::now() + left);
        self.found(until).await?;
        match &self.budget {
            Some(budget) if is_repeatable => self.try_again(budget, request, affinity, until).await,
            _ => match attempt(&self, self.choose(affinity, &[])?, request, false).await {
                Attempt::Answered(response) | Attempt::Refused(response) => Ok(response),
                Attempt::Broken(error) | Attempt::Over(error) => Err(error),
            },
        }
    }

    async fn try_again(
        self: &Arc<Self>,
        budget: &TpsBudget,
        request: Request<Body>,
        affinity: Option<Affinity>,
        until: Option<Instant>,
    ) -> Result<Response<Body>, BoxError> {
        let (mut head, body) = request.into_parts();
        let message = body.collect().await?.to_bytes();
        budget.deposit();
        let mut tried = Vec::new();
        loop {
            let replica = self.choose(affinity, &tried)?;
            let address = replica.address;
            // Paid for before an attempt that may still be answered is given up.
            let may_leave = |tried: &[SocketAddr]| {
                let has_time = until.is_none_or(|until| until > Instant::now());
                let other = choice::has_other(&self.replicas(), tried);
                other && has_time && tried.len() < MAX_ATTEMPTS && self.afford(budget)
            };
            tried.push(address);
            let attempted = self.attempt(replica, again(&head, &message), || may_leave(&tried)).await;
            let Some(result) = attempted else {
                tell_time_left(&mut head, until);
                tracing::debug!(service = %self.upstream.service, %address, "the replica is lost; the call is made again");
                continue;
            };
            let may_help = match &result {
                Attempt::Answered(_) | Attempt::Over(_) => false,
                Attempt::Refused(_) => choice::has_other(&self.replicas(), &tried),
                // Perhaps the connection alone was gone.
                Attempt::Broken(_) => true,
            };
            let has_time = tell_time_left(&mut head, until);
            if may_help && has_time && tried.len() < MAX_ATTEMPTS && self.afford(budget) {
                tracing::debug!(service = %self.upstream.service, %address, "the call is made again");
                continue;
            }
            return match result {
                Attempt::Answered(response) | Attempt::Refused(response) => Ok(response),
                Attempt::Broken(error) | Attempt::Over(error) => Err(error),
            };
        }
    }

    /// An attempt; `None` if it is given up because its replica is lost before it has said a word, and the call `may_leave`.
    async fn attempt(
        self: &Arc<Self>,
        replica: Arc<Replica>,
        request: Request<Body>,
        may_leave: impl Fn() -> bool,
    ) -> Option<Attempt> {
        let mut attempt = pin!(attempt(self, replica.clone(), request, true));
        loop {
            let lost = replica.lost();
            tokio::select! {
                biased;
                done = &mut attempt => return Some(done),
                () = lost => if may_leave() {
                    return None;
                }
            }
        }
    }

    fn afford(&self, budget: &TpsBudget) -> bool {
        let affordable = budget.withdraw();
        let outcome = if affordable { "made" } else { "over_budget" };
        let service = self.upstream.service.clone();
        metrics::counter!("fondue_upstream_retries_total", "service" => service, "outcome" => outcome)
            .increment(1);
        affordable
    }

    fn choose(&self, affinity: Option<Affinity>, tried: &[SocketAddr]) -> Result<Arc<Replica>, BoxError> {
        let random = |n: usize| rand::random_range(0..n);
        choice::choose(&self.replicas(), affinity, tried, random).ok_or_else(|| self.nowhere())
    }

    /// Waits until some replica is known, but no longer than for a connection.
    async fn found(&self, until: Option<Instant>) -> Result<(), BoxError> {
        let mut resolved = self.resolved.subscribe();
        let patience = Instant::now() + CONNECT_TIMEOUT;
        let until = until.map_or(patience, |until| until.min(patience));
        let known = timeout_at(until, resolved.wait_for(|resolved| *resolved != Resolved::Asking)).await;
        // The lock that `known` holds is given back before it is taken again: whoever waits to write would stop both.
        let is_found = matches!(&known, Ok(Ok(resolved)) if **resolved == Resolved::Found);
        drop(known);
        if is_found { Ok(()) } else { Err(self.nowhere()) }
    }

    fn nowhere(&self) -> BoxError {
        let why = match &*self.resolved.borrow() {
            Resolved::Failed(why) => why.clone(),
            Resolved::Asking | Resolved::Found => "its addresses are not known yet".to_owned(),
        };
        Box::new(from_parts(Fault::Unavailable, format!("{}: {why}", self.upstream.targets), vec![]))
    }
}

/// The largest 1/n that is no more than `ratio`: the budget counts whole calls that pay for one more, and would round the share up.
fn one_of_n(ratio: f32) -> f32 {
    1.0 / (1.0 / ratio).ceil()
}

/// The same request once more.
fn again(head: &Parts, message: &Bytes) -> Request<Body> {
    Request::from_parts(head.clone(), Body::new(Full::new(message.clone())))
}

/// Writes the time that is left into the request; `false` if there is none.
fn tell_time_left(head: &mut Parts, until: Option<Instant>) -> bool {
    let Some(until) = until else { return true };
    let left = until.saturating_duration_since(Instant::now());
    let header = HeaderValue::from_str(&deadline::told(left)).ok();
    let told = header.map(|header| head.headers.insert(deadline::HEADER, header));
    !left.is_zero() && told.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_one_of_so_many_whole_calls() {
        for (ratio, share) in [(1.0, 1.0), (0.99, 0.5), (0.5, 0.5), (0.3, 0.25), (0.2, 0.2), (0.01, 0.01)] {
            assert_eq!(one_of_n(ratio), share, "{ratio}");
        }
    }
}
