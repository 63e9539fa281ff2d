//! Attempts to be led to where nobody outside should reach.

use fondue_fetch::{Fetcher, NotPublic, Reason, System};
use std::sync::Arc;

use crate::{
    fetcher, limits, open, rules, says,
    server::{Server, ok, redirect, say},
};

/// The fetch of a URL is refused for its address, and no connection was made.
async fn refused(server: &Server, fetcher: &Fetcher, url: &str, expected: NotPublic) {
    let before = server.n_asked();
    let error = fetcher.fetch(url).await.unwrap_err();
    assert!(matches!(&error.reason, Reason::NotPublic { kind, .. } if *kind == expected), "{url}: {error}");
    assert_eq!(server.n_asked(), before, "{url}");
}

#[tokio::test]
async fn loopback_in_every_spelling() {
    let server = Server::saying(ok(b"secret")).await;
    let fetcher = fetcher(rules(server.port, false), limits(), &[&["127.0.0.1"]]);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "１２７.0.0.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "localhost",
        "pictures.example",
    ] {
        refused(&server, &fetcher, &format!("http://{host}:{}/x", server.port), NotPublic::Loopback).await;
    }
    for (host, kind) in [
        ("169.254.169.254", NotPublic::LinkLocal),
        ("2852039166", NotPublic::LinkLocal),
        ("[fd00:ec2::254]", NotPublic::UniqueLocal),
        ("0", NotPublic::Unspecified),
        ("100.100.100.200", NotPublic::SharedAddress),
        ("255.255.255.255", NotPublic::Broadcast),
    ] {
        refused(&server, &fetcher, &format!("http://{host}/latest/meta-data/"), kind).await;
    }
}

#[tokio::test]
async fn the_systems_resolver_is_judged_too() {
    let server = Server::saying(ok(b"secret")).await;
    let system = |loopback| {
        Fetcher::new(rules(server.port, loopback), limits(), Arc::new(System), "fondue-test").unwrap()
    };
    let url = format!("http://localhost:{}/", server.port);
    refused(&server, &system(false), &url, NotPublic::Loopback).await;
}

#[tokio::test]
async fn redirects_are_judged_at_every_hop() {
    for target in ["http://127.0.0.1:PORT/", "http://[::1]/", "//2130706433/", "http://inside.example/"] {
        let server = Server::start(move |path, stream| async move {
            let to = target.replace("PORT", &stream.local_addr().unwrap().port().to_string());
            // Two innocent hops before.
            let answer = match path.as_str() {
                "/0" => redirect("/1"),
                "/1" => redirect("2?x=secret"),
                "/2?x=secret" => redirect(&to),
                _ => ok(b"secret"),
            };
            say(stream, &answer).await;
        })
        .await;
        // By its name the server may be asked, by its address it may not.
        let mut rules = rules(server.port, false);
        rules.allowed_hosts = vec!["pictures.example".parse().unwrap()];
        let fetcher = fetcher(rules, limits(), &[&["127.0.0.1"]]);
        let error = fetcher.fetch(&server.url("/0")).await.unwrap_err();
        assert!(
            matches!(error.reason, Reason::NotPublic { kind: NotPublic::Loopback, .. }),
            "{target}: {error}"
        );
        says(&error, &["pictures.example", "redirected to", "loopback"]);
        assert_eq!(server.n_asked(), 3, "{target}");
    }
}

#[tokio::test]
async fn redirects_to_other_schemes_ports_and_users_are_refused() {
    for (target, part) in [
        ("file:///etc/passwd", "`file:`"),
        ("ftp://pictures.example/", "`ftp:`"),
        ("http://pictures.example:22/", "port 22"),
        ("http://user:password@pictures.example/", "user or a password"),
        ("http://:::/", "no place"),
    ] {
        let server = Server::saying(redirect(target)).await;
        let error = open(&server, limits()).fetch(&server.url("/")).await.unwrap_err();
        says(&error, &[part]);
        assert!(!error.to_string().contains("password@"), "{error}");
    }
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|path, stream| async move {
        let answer = match path.strip_prefix("/n/").and_then(|n| n.parse::<u32>().ok()) {
            Some(0) => ok(b"file"),
            Some(n) => redirect(&format!("/n/{}", n - 1)),
            None => redirect(if path == "/a" { "/b#x" } else { "/a" }),
        };
        say(stream, &answer).await;
    })
    .await;
    let fetcher = open(&server, limits());
    let fetched = fetcher.fetch(&server.url("/n/3")).await.unwrap();
    assert_eq!((fetched.bytes.as_slice(), fetched.url.path()), (&b"file"[..], "/n/0"));
    let error = fetcher.fetch(&server.url("/n/4")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Redirects { max: 3 }), "{error}");
    let error = fetcher.fetch(&server.url("/a")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::RedirectLoop), "{error}");
}

#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let server = Server::start(|path, stream| async move {
        say(stream, &if path == "/again" { redirect("/secret") } else { ok(b"secret") }).await;
    })
    .await;
    // Judged public, then loopback: what was judged is connected to (nobody answers there), not what the name means now.
    let quick = || fondue_fetch::Limits { connect: std::time::Duration::from_millis(100), ..limits() };
    let rebinding = fetcher(rules(server.port, false), quick(), &[&["192.31.196.1"], &["127.0.0.1"]]);
    let error = rebinding.fetch(&server.url("/")).await.unwrap_err();
    assert!(
        matches!(&error.reason, Reason::Connect { address, .. } if address.to_string() == "192.31.196.1"),
        "{error}"
    );
    assert_eq!(server.n_asked(), 0);
    // The next fetch asks anew, and is refused.
    refused(&server, &rebinding, &server.url("/"), NotPublic::Loopback).await;
    // Allowed at first, not at the redirect.
    let rebinding = fetcher(rules(server.port, true), limits(), &[&["127.0.0.1"], &["127.0.0.2"]]);
    let error = rebinding.fetch(&server.url("/again")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::NotPublic { .. }), "{error}");
    assert_eq!(server.n_asked(), 1);
    // One bad address among good ones is enough, wherever it stands.
    for answer in [["1.1.1.1", "127.0.0.1"], ["127.0.0.1", "1.1.1.1"], ["1.1.1.1", "::ffff:127.0.0.1"]] {
        let mixed = fetcher(rules(server.port, false), limits(), &[&answer]);
        refused(&server, &mixed, &server.url("/"), NotPublic::Loopback).await;
    }
}

#[tokio::test]
async fn of_several_addresses_the_first_that_answers_is_taken() {
    let server = Server::saying(ok(b"file")).await;
    let mut rules = rules(server.port, true);
    rules.allowed_networks.push("127.0.0.9/32".parse().unwrap());
    let fetcher = fetcher(rules, limits(), &[&["127.0.0.9", "127.0.0.1"]]);
    assert_eq!(fetcher.fetch(&server.url("/")).await.unwrap().bytes, b"file");
}

#[tokio::test]
async fn only_hosts_that_are_named() {
    let server = Server::start(|path, stream| async move {
        let away = format!("http://elsewhere.example:{}/", stream.local_addr().unwrap().port());
        say(stream, &if path == "/away" { redirect(&away) } else { ok(b"file") }).await;
    })
    .await;
    let mut rules = rules(server.port, true);
    rules.only_hosts = Some(vec!["*.example".parse().unwrap(), "pictures.example".parse().unwrap()]);
    assert!(fetcher(rules.clone(), limits(), &[&["127.0.0.1"]]).fetch(&server.url("/away")).await.is_ok());
    rules.only_hosts = Some(vec!["pictures.example".parse().unwrap()]);
    let fetcher = fetcher(rules, limits(), &[&["127.0.0.1"]]);
    assert!(fetcher.fetch(&server.url("/")).await.is_ok());
    let error = fetcher.fetch(&server.url("/away")).await.unwrap_err();
    assert!(matches!(error.reason, Reason::Host), "{error}");
}

#[tokio::test]
async fn messages_hold_no_secrets() {
    let fetcher = fetcher(rules(80, true), limits(), &[&[]]);
    for url in [
        "http://user:hunter2@a.example/x?key=hunter2",
        "http://a.example/x?key=hunter2#hunter2",
        "user:hunter2@x y",
    ] {
        let error = fetcher.fetch(url).await.unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn what_is_sent_says_who_asks_and_nothing_else() {
    let server = Server::saying(ok(b"file")).await;
    let fetched = open(&server, limits()).fetch(&server.url("/a%20b?q=1#f")).await.unwrap();
    assert_eq!(fetched.bytes, b"file");
    let asked = server.asked.lock().unwrap()[0].to_lowercase();
    assert!(asked.starts_with("get /a%20b?q=1 http/1.1\r\n"), "{asked}");
    for part in [
        &format!("host: pictures.example:{}\r\n", server.port),
        "user-agent: fondue-test\r\n",
        "accept-encoding: identity\r\n",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    assert!(
        !asked.contains("cookie") && !asked.contains("referer") && !asked.contains("authorization"),
        "{asked}"
    );
}
