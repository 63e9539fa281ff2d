//! Addresses of pictures, and answers as Markdown with such addresses: written, and read back. Pure.
//!
//! A picture in an answer is `\n![caption](ADDRESS#ret=R&at=OFFSET)\n`: which `[RET]` asked for it and where in the text that
//! stands, in code points, so that the model's own words can be told from what a client sends back. A picture that has
//! an address elsewhere also has `&id=ID`.

use std::collections::{BTreeMap, HashSet};

use axum::http::{HeaderMap, header::HOST};
use fondue_proto::dialogue::FoundImage;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where this server's pictures are.
pub(super) const IMAGES: &str = "/v1/images/";

/// What is escaped in a piece of a path.
const PIECE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How `[RET]` reads in a transcript.
const RET: &str = " [RET]";

/// What clients call this server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hosts<'a> {
    /// As the request's `host` says.
    pub(super) asked: Option<&'a str>,
    /// The setting `public_url`; empty for none.
    pub(super) public: &'a str,
}

impl<'a> Hosts<'a> {
    /// Of a request with these headers.
    pub(super) fn of(headers: &'a HeaderMap, public: &'a str) -> Self {
        Self { asked: headers.get(HOST).and_then(|host| host.to_str().ok()), public }
    }

    fn has(self, authority: &str) -> bool {
        let public = self.public.split_once("://").map(|(_, authority)| authority);
        [self.asked, public].into_iter().flatten().any(|host| host.eq_ignore_ascii_case(authority))
    }
}

/// A stored picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    /// Which index; empty for the first.
    pub(super) index: String,
    pub(super) generation: String,
    pub(super) id: String,
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PIECE).to_string()
}

fn unescaped(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

/// Where a picture can be had: here, or where it is if the index holds only that.
pub(super) fn address(image: &FoundImage) -> String {
    if image.media_type.is_empty() && !image.url.is_empty() {
        return image.url.clone();
    }
    let query =
        if image.index.is_empty() { String::new() } else { format!("?index={}", escaped(&image.index)) };
    format!("{IMAGES}{}/{}{query}", escaped(&image.generation), escaped(&image.id))
}

/// The stored picture that `url` names, if it is one of this server: a path, or a URL at one of `hosts`; `None` are all.
pub(super) fn stored(url: &str, hosts: Option<Hosts<'_>>) -> Option<Stored> {
    let path = if url.starts_with('/') {
        url
    } else {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let (authority, _) = rest.split_once('/')?;
        let ours = hosts.is_none_or(|hosts| hosts.has(authority));
        ours.then_some(&rest[authority.len()..])?
    };
    let rest = path.strip_prefix(IMAGES)?.split('#').next()?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (generation, id) = place.split_once('/')?;
    let index = query.split('&').find_map(|pair| pair.strip_prefix("index=")).unwrap_or_default();
    let stored = Stored { index: unescaped(index)?, generation: unescaped(generation)?, id: unescaped(id)? };
    (!id.contains('/') && !stored.id.is_empty() && !stored.generation.is_empty()).then_some(stored)
}

/// A picture in an answer. `public` is the setting `public_url`.
pub(super) fn markdown(image: &FoundImage, public: &str) -> String {
    let mut caption = String::with_capacity(image.caption.len());
    for c in image.caption.chars() {
        if matches!(c, '[' | ']' | '\\' | '`' | '<') {
            caption.push('\\');
        }
        caption.push(if c.is_control() { ' ' } else { c });
    }
    let address = address(image);
    let address: String = address.split('#').next().unwrap_or_default().chars().map(plain).collect();
    let (public, id) = match address.starts_with(IMAGES) {
        true => (public, String::new()),
        false => ("", format!("&id={}", escaped(&image.id))),
    };
    format!("\n![{caption}]({public}{address}#ret={}&at={}{id})\n", image.ret_index, image.text_offset)
}

/// What would end an address within Markdown is escaped in it.
fn plain(c: char) -> String {
    if c.is_whitespace() || c.is_control() || matches!(c, '(' | ')' | '<' | '>' | '\\') {
        utf8_percent_encode(c.encode_utf8(&mut [0; 4]), NON_ALPHANUMERIC).to_string()
    } else {
        c.to_string()
    }
}

/// A picture within Markdown.
struct Link {
    id: String,
    ret: Option<u32>,
    /// In code points of the text without pictures.
    at: Option<usize>,
}

/// The link that `text` begins with, if it is one of ours, and its length in bytes. What ours have escaped ends the search, so that
/// reading a text takes time in proportion to its length, whatever it holds.
fn link(text: &str) -> Option<(usize, Link)> {
    let mut escape = false;
    let inner = text.strip_prefix("![")?;
    let caption = inner.find(|c| {
        let ends = matches!(c, ']' | '[' | '\n') && !escape;
        escape = c == '\\' && !escape;
        ends
    })?;
    let begin = 2 + caption + 2;
    let url = text.get(begin - 2..)?.strip_prefix("](")?;
    let url = &url[..url.find([')', '(', '\n'])?];
    if !text[begin + url.len()..].starts_with(')') {
        return None;
    }
    let (address, fragment) = url.split_once('#').unwrap_or((url, ""));
    let field = |name: &str| fragment.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let ret = field("ret").and_then(|text| text.parse().ok());
    let at = field("at").and_then(|text| text.parse().ok());
    let id = match stored(address, None) {
        Some(stored) => stored.id,
        None if ret.is_some() => unescaped(field("id")?)?,
        None => return None,
    };
    Some((begin + url.len() + 1, Link { id, ret, at }))
}

/// The model's own words of an answer that was told as Markdown, with `[RET]`, and the ids of the pictures found in it.
pub(super) fn transcript(markdown: &str) -> (String, Vec<String>) {
    let (mut text, mut n_chars, mut links) = (String::with_capacity(markdown.len()), 0, Vec::new());
    let mut rest = markdown;
    while let Some(c) = rest.chars().next() {
        let found = if c == '!' { link(rest) } else { None };
        let Some((length, link)) = found else {
            text.push(c);
            n_chars += 1;
            rest = &rest[c.len_utf8()..];
            continue;
        };
        if text.ends_with('\n') {
            text.pop();
            n_chars -= 1;
        }
        rest = &rest[length..];
        rest = rest.strip_prefix('\n').unwrap_or(rest);
        links.push((n_chars, link));
    }
    let (mut by_ret, mut by_place, mut ids, mut met) =
        (BTreeMap::new(), Vec::new(), Vec::new(), HashSet::new());
    for (place, Link { id, ret, at }) in links {
        let at = at.unwrap_or(place).min(n_chars);
        match ret {
            Some(ret) => _ = by_ret.entry(ret).or_insert(at),
            // Pictures side by side were asked for by one.
            None if by_place.last() != Some(&at) => by_place.push(at),
            None => {}
        }
        if met.insert(id.clone()) {
            ids.push(id);
        }
    }
    let mut places: Vec<usize> = by_ret.into_values().chain(by_place).collect();
    places.sort_unstable();
    let (mut words, mut places) = (String::with_capacity(text.len()), places.into_iter().peekable());
    for (index, c) in text.chars().map(Some).chain([None]).enumerate() {
        while places.next_if(|place| *place == index).is_some() {
            words.push_str(RET);
        }
        words.extend(c);
    }
    (words, ids)
}

#[cfg(test)]
mod tests;
