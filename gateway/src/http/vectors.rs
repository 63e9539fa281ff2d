//! What is looked for: a prompt, or a picture like which others are.

use fondue_proto::dialogue as wire;
use tokio::time::Instant;

use super::{
    Front,
    content::{self, Content, What},
    errors::Problem,
    links::Hosts,
};

/// What is looked for.
#[derive(Debug)]
pub(super) enum Sought {
    /// A prompt that ends in `[RET]`.
    Prompt(Vec<wire::Part>),
    /// A picture itself.
    Picture(wire::Part),
}

/// What `content` at `path` looks for, its pictures fetched, and where each of its parts lies in the request.
///
/// # Errors
/// [`Problem`] that names the part at fault.
pub(super) async fn sought(
    front: &Front,
    content: Content,
    path: &str,
    hosts: Hosts<'_>,
    deadline: Instant,
) -> Result<(Sought, Vec<String>), Problem> {
    let mut pieces = content::pieces(content, path, hosts)?;
    content::fetch(front, pieces.iter_mut(), deadline).await?;
    let paths = pieces.iter().map(|piece| piece.path.clone()).collect();
    let is_text = |piece: &content::Piece| matches!(piece.what, What::Text(_));
    if !pieces.is_empty() && !pieces.iter().any(is_text) {
        let [_] = pieces[..] else {
            let message =
                format!("{path}: a picture alone or with a text can be looked for, not several alone");
            return Err(Problem::invalid("invalid_value", path.to_owned(), message));
        };
        let picture = pieces.into_iter().next().map(|piece| content::to_wire(piece.what, None));
        return Ok((Sought::Picture(picture.unwrap_or_default()), paths));
    }
    if pieces.iter().all(|piece| matches!(&piece.what, What::Text(text) if text.trim().is_empty())) {
        let message = format!("{path}: needs a picture or a text that is not blank");
        return Err(Problem::invalid("invalid_value", path.to_owned(), message));
    }
    // Whatever the server's usual behaviour: there must be one for it to be read.
    let last = pieces.iter_mut().rev().find_map(|piece| match &mut piece.what {
        What::Text(text) => Some(text),
        _ => None,
    });
    if let Some(text) = last.filter(|text| !text.contains("[RET]")) {
        text.push_str("[RET]");
    }
    Ok((Sought::Prompt(pieces.into_iter().map(|piece| content::to_wire(piece.what, None)).collect()), paths))
}

/// The field of the dialogue API's request in the words of HTTP. `paths` are the parts', `whole` is where they lie.
pub(super) fn translate(field: &str, paths: &[String], whole: &str) -> String {
    let Some(rest) = field.strip_prefix("parts") else { return field.to_owned() };
    let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')?.0.parse::<usize>().ok());
    index.and_then(|index| paths.get(index)).cloned().unwrap_or_else(|| whole.to_owned())
}
