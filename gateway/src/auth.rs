//! Who may come in: the guard of every call, by gRPC, by gRPC from browsers and by HTTP, before its body is read.
//!
//! What it knows of the caller travels with the call as [`Caller`]; handlers ask that for room, and what it uses is charged to it.
//! Where nobody is asked, the guard looks whether a browser was led here under a stranger's name (DNS rebinding).

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    http::{Extensions, Method, header::HOST, request::Parts, uri::Authority},
    response::{IntoResponse, Response},
};
use fondue_auth::{Caller, Door, Refusal};
use fondue_domain::{Classify, Fault};
use fondue_serving::{
    server::{Guard, Tongue},
    status::status,
};

use crate::{config::Config, failure::Failure, http::refused};

/// What is open to all, so that probes and load balancers work and a browser can show the page that asks for a key.
const PROBES: [&str; 2] = ["/livez", "/readyz"];
const HEALTH: &str = "/grpc.health.v1.Health/";
const PAGE: &str = "/";
const ASSETS: &str = "/assets/";
const METRICS: &str = "/metrics";

/// The guard of a gateway; without a door everybody may come in.
pub fn guard(door: Option<Arc<Door>>, config: &Config) -> Guard {
    let metrics_open = config.auth.metrics_open;
    let hosts = (door.is_none() && config.serving.is_local()).then(|| Hosts::of(config));
    Guard::new(move |parts, tongue| {
        let judged = judge(door.as_deref(), hosts.as_ref(), metrics_open, parts);
        let caller = judged.map_err(|failure| Box::new(answer(failure, tongue)))?;
        let tenant = caller.tenant().map(str::to_owned);
        parts.extensions.insert(caller);
        Ok(tenant)
    })
}

fn judge(
    door: Option<&Door>,
    hosts: Option<&Hosts>,
    metrics_open: bool,
    parts: &Parts,
) -> Result<Caller, Failure> {
    if let Some(hosts) = hosts {
        hosts.check(parts)?;
    }
    let Some(door) = door else { return Ok(Caller::anyone()) };
    if is_open(parts, metrics_open) {
        return Ok(Caller::anyone());
    }
    let caller = door.caller(&parts.headers).and_then(|caller| caller.request().map(|()| caller));
    caller.map_err(failure)
}

fn is_open(parts: &Parts, metrics_open: bool) -> bool {
    let path = parts.uri.path();
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    PROBES.contains(&path)
        || path.starts_with(HEALTH)
        || (reads && (path == PAGE || path.starts_with(ASSETS)))
        || (metrics_open && path == METRICS)
}

fn answer(failure: Failure, tongue: Tongue) -> Response {
    match tongue {
        Tongue::Grpc => status(failure).into_http::<tonic::body::Body>().map(Body::new),
        Tongue::Http => refused(failure).into_response(),
    }
}

/// A refusal as the caller is told of it, counted.
pub fn failure(refusal: Refusal) -> Failure {
    count(refusal.reason());
    Failure::new(refusal.fault(), refusal.to_string())
}

fn count(reason: &'static str) {
    metrics::counter!("fondue_auth_refused_total", "reason" => reason).increment(1);
}

/// Who makes a call, as the guard left it.
///
/// # Errors
/// A defect: a call that no guard has seen does not pass for anybody's.
pub fn caller(extensions: &Extensions) -> Result<Caller, Failure> {
    let unseen = || Failure::new(Fault::Internal, "a call came in past the guard");
    extensions.get::<Caller>().cloned().ok_or_else(unseen)
}

/// The names that browsers may know a server by that only this machine reaches. A page elsewhere can have its own name point here, and
/// would then count as this server's page; the request still tells the name.
#[derive(Debug)]
struct Hosts(Vec<String>);

impl Hosts {
    fn of(config: &Config) -> Self {
        let public =
            config.http.public_url.split_once("://").and_then(|(_, at)| at.parse::<Authority>().ok());
        let public = public.map(|at| at.host().to_ascii_lowercase());
        Self(config.auth.hosts.iter().cloned().chain(public).collect())
    }

    /// A name in `host` or `:authority` must be known. Addresses pass, for nobody can have them point elsewhere; so do requests
    /// without either, which no browser makes.
    fn check(&self, parts: &Parts) -> Result<(), Failure> {
        let header = parts.headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        let authority = parts.uri.authority().map(Authority::as_str);
        match header.chain(authority).find(|at| !self.knows(at)) {
            None => Ok(()),
            Some(at) => {
                count("host");
                let message = format!(
                    "this server does not go by the name `{at:.100}`; its operator allows that with `allowed_hosts`"
                );
                Err(Failure::new(Fault::Denied, message))
            }
        }
    }

    fn knows(&self, at: &str) -> bool {
        let Ok(at) = at.parse::<Authority>() else { return false };
        let host = at.host().to_ascii_lowercase();
        let name = host.strip_suffix('.').unwrap_or(&host);
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || address.parse::<IpAddr>().is_ok()
            || self.0.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(request: axum::http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_names_can_lead_a_browser_astray() {
        let hosts = Hosts(vec!["fondue.example.org".to_owned()]);
        for known in [
            "localhost",
            "LOCALHOST:7400",
            "localhost.",
            "chat.localhost:1",
            "127.0.0.1",
            "127.0.0.1:80",
            "[::1]:7400",
            "10.0.0.7:1",
            "fondue.example.org",
            "Fondue.example.org:443",
        ] {
            assert!(hosts.check(&parts(Request::get("/").header("host", known))).is_ok(), "{known}");
        }
        for strange in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xlocalhost",
            "a b",
            "",
            "[::1",
            "x@127.0.0.1.nip.io",
        ] {
            let refused = hosts.check(&parts(Request::get("/").header("host", strange))).unwrap_err();
            assert_eq!(refused.fault(), Fault::Denied, "{strange}");
        }
        assert!(hosts.check(&parts(Request::get("/"))).is_ok());
        let by_http2 = |at: &str| hosts.check(&parts(Request::post(format!("http://{at}/x.Y/Z"))));
        assert!(by_http2("127.0.0.1:7400").is_ok() && by_http2("evil.example").is_err());
        let two = Request::get("/").header("host", "localhost").header("host", "evil.example");
        assert!(hosts.check(&parts(two)).is_err());
    }

    #[test]
    fn little_is_open() {
        let open =
            |method: &str, path: &str| is_open(&parts(Request::builder().method(method).uri(path)), false);
        for (method, path) in [
            ("GET", "/livez"),
            ("GET", "/readyz"),
            ("POST", "/grpc.health.v1.Health/Check"),
            ("GET", "/"),
            ("HEAD", "/assets/a.js"),
            ("GET", "/?x=1"),
        ] {
            assert!(open(method, path), "{path}");
        }
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/v1/models"),
            ("POST", "/"),
            ("GET", "//livez"),
            ("GET", "/livez/"),
            ("GET", "/v1/images/a/b"),
            ("POST", "/fondue.dialogue.v1.Dialogue/Reply"),
            ("POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
            ("POST", "/grpc.health.v1.Healthy/Check"),
        ] {
            assert!(!open(method, path), "{path}");
        }
        assert!(is_open(&parts(Request::get("/metrics")), true));
    }
}
