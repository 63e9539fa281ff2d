//! The browser chat: the files of `gateway/web/`, in the binary as they are. Start reading the page at its `main.js`.
//!
//! No file has a version in its name, so that browsers ask each time (`no-cache`), and are told by an `ETag` that theirs is
//! still right. The policy lets the page load its own scripts, styles and pictures, talk to this gateway, and nothing else.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest, Sha256};

use crate::http::missing;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

macro_rules! files {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("../web/", $name)).as_slice())),*]
    };
}

/// The page and everything that it loads, by name.
static FILES: [(&str, &[u8]); 40] = files! {
    "index.html"
    "announce.js" "answer.js" "answer_view.js" "api.js" "button.js" "composer.js" "dialog.js" "dom.js" "fault_view.js"
    "gestures.js" "icons.js" "index_browser.js" "key.js" "key_dialog.js" "limits.js" "links.js" "main.js" "picture_dialog.js"
    "picture_view.js" "points.js" "request.js" "settings.js" "settings_dialog.js" "sse.js" "store.js" "strip.js" "theme.js" "timing.js" "toolbar.js"
    "transcript.js" "tree.js" "turn_view.js" "welcome.js"
    "composer.css" "dialog.css" "page.css" "theme.css" "turn.css"
    "icon.svg"
};

/// The files' entity tags, in their order.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |(_, bytes): &(_, &[u8])| format!("\"{:x}\"", Sha256::digest(bytes));
    FILES.iter().map(tag).collect()
});

/// Serves the page at `/` and what it loads at `/assets/{file}`; GET and HEAD.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = async |headers: HeaderMap| answer("index.html", &headers);
    let asset = async |name: Result<Path<String>, PathRejection>, headers: HeaderMap| match name {
        // The page has one address.
        Ok(Path(name)) if name != "index.html" => answer(&name, &headers),
        Ok(_) => missing("/assets/index.html"),
        Err(_) => missing("/assets/…"),
    };
    Router::new().route("/", get(page)).route("/assets/{file}", get(asset))
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    let file = FILES.iter().zip(TAGS.iter()).find(|((each, _), _)| *each == name);
    let Some(((_, bytes), tag)) = file else { return missing(&format!("/assets/{name}")) };
    let told: [(HeaderName, &str); 5] = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    if known(asked, tag) {
        return (StatusCode::NOT_MODIFIED, told).into_response();
    }
    (told, [(header::CONTENT_TYPE, kind(name))], *bytes).into_response()
}

/// Whether the client has what `tag` names. Weak tags count: proxies that compress make them.
fn known(asked: &HeaderMap, tag: &str) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|each| each == "*" || each.strip_prefix("W/").unwrap_or(each) == tag)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
