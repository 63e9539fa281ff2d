//! What a browser gets.

use std::{collections::BTreeSet, fs, path::Path as Folder};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request},
};
use tower::ServiceExt;

use super::*;

async fn ask(method: Method, path: &str, tags: Option<&str>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(tags) = tags {
        request = request.header(header::IF_NONE_MATCH, tags);
    }
    let response = router::<()>().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

#[tokio::test]
async fn every_file_of_the_page_is_served_as_what_it_is() {
    let folder = Folder::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if name == "index.html" { "/".to_owned() } else { format!("/assets/{name}") };
        let (status, headers, body) = ask(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::OK, "{name} is not embedded");
        assert_eq!(body, fs::read(folder.join(&name)).unwrap(), "{name}");
        let wanted = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("what is a .{other}?"),
        };
        assert_eq!(headers[header::CONTENT_TYPE], wanted, "{name}");
        names.insert(name);
    }
    let embedded: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(embedded, names, "what is embedded, and what is there");
}

#[tokio::test]
async fn the_policy_holds_everywhere() {
    for path in ["/", "/assets/main.js"] {
        let (_, headers, _) = ask(Method::GET, path, None).await;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let (_, headers, _) = ask(Method::GET, "/assets/main.js", None).await;
    let tag = headers[header::ETAG].to_str().unwrap().to_owned();
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let (status, headers, body) = ask(Method::GET, "/assets/main.js", Some(&tags)).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{tags}");
        assert_eq!(headers[header::ETAG], *tag);
    }
    let (status, ..) = ask(Method::GET, "/assets/main.js", Some("\"other\"")).await;
    assert_eq!(status, StatusCode::OK);
    let (_, other, _) = ask(Method::GET, "/", None).await;
    assert_ne!(other[header::ETAG], *tag);
}

#[tokio::test]
async fn a_head_has_no_body_and_other_methods_are_refused() {
    let (_, whole, body) = ask(Method::GET, "/", None).await;
    let (status, head, none) = ask(Method::HEAD, "/", None).await;
    assert_eq!((status, none.len()), (StatusCode::OK, 0));
    assert_eq!(head[header::CONTENT_LENGTH], body.len().to_string());
    assert_eq!(head[header::ETAG], whole[header::ETAG]);
    assert_eq!(ask(Method::POST, "/", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn nothing_else_is_there() {
    for path in ["/assets/none.js", "/assets/..%2fCargo.toml", "/assets/index.html", "/assets/", "/x"] {
        assert_eq!(ask(Method::GET, path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}
