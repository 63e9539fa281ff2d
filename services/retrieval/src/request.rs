//! Checked requests, or an error that names the field.

mod filter;
mod picture;

use fondue_domain::{Classify, Embedding, Fault, Violation};
use fondue_index::Exclusions;
use fondue_proto::retrieval::{DeleteRequest, SearchRequest};

pub(crate) use self::picture::check as new_picture;
use crate::{config::Limits, store::Search};

/// A request that cannot be served as it is.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub(crate) struct RequestError {
    field: String,
    reason: String,
}

impl Classify for RequestError {
    fn fault(&self) -> Fault {
        Fault::Invalid
    }

    fn violations(&self) -> Vec<Violation> {
        vec![Violation::new(&self.field, &self.reason)]
    }
}

fn wrong<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, RequestError> {
    Err(RequestError { field: field.into(), reason: reason.into() })
}

/// A search, checked.
pub(crate) fn search(asked: SearchRequest, limits: &Limits) -> Result<Search, RequestError> {
    let query = match Embedding::normalized(asked.query) {
        Ok(query) => query,
        Err(error) => return wrong("query", error.to_string()),
    };
    let k = match usize::try_from(asked.k) {
        Ok(k) if (1..=limits.k).contains(&k) => k,
        _ => return wrong("k", format!("{}, expected 1 … {}", asked.k, limits.k)),
    };
    let effort = match asked.effort as usize {
        0 => None,
        effort if effort <= limits.effort => Some(effort),
        effort => return wrong("effort", format!("{effort}, limit {}", limits.effort)),
    };
    Ok(Search {
        query,
        k,
        exclusions: exclusions(asked.excluded_ids, &asked.excluded_sha256, limits)?,
        filter: filter::check(asked.conditions, limits)?,
        generation: asked.generation,
        exact: asked.exact,
        effort,
        data_bytes: if asked.include_data { limits.data_bytes } else { 0 },
    })
}

fn exclusions(
    ids: Vec<String>,
    digests: &[impl AsRef<[u8]>],
    limits: &Limits,
) -> Result<Exclusions, RequestError> {
    for (field, n) in [("excluded_ids", ids.len()), ("excluded_sha256", digests.len())] {
        if n > limits.excluded {
            return wrong(field, format!("{n} entries, limit {}", limits.excluded));
        }
    }
    let mut exclusions = Exclusions { ids: ids.into_iter().collect(), ..Exclusions::default() };
    for (index, digest) in digests.iter().enumerate() {
        let digest = digest.as_ref();
        let Ok(digest) = <[u8; 32]>::try_from(digest) else {
            let field = format!("excluded_sha256[{index}]");
            return wrong(field, format!("{} bytes, expected 32", digest.len()));
        };
        exclusions.sha256.insert(digest);
    }
    Ok(exclusions)
}

/// Ids to remove, checked.
pub(crate) fn delete(asked: DeleteRequest, limits: &Limits) -> Result<Vec<String>, RequestError> {
    match asked.ids.len() {
        0 => wrong("ids", "is empty"),
        n if n > limits.deleted => wrong("ids", format!("{n} entries, limit {}", limits.deleted)),
        _ => Ok(asked.ids),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(super) const LIMITS: Limits = Limits {
        k: 10,
        excluded: 2,
        conditions: 2,
        values: 2,
        effort: 100,
        deleted: 2,
        batch_rows: 2,
        batch_bytes: 100,
        data_bytes: 0,
        searching: 1,
        queued: 0,
        timeout: Duration::from_secs(1),
    };

    fn field(change: impl FnOnce(&mut SearchRequest)) -> Option<String> {
        let mut asked = SearchRequest { query: vec![1.0, 2.0], k: 10, ..SearchRequest::default() };
        change(&mut asked);
        search(asked, &LIMITS).err().map(|error| error.field)
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        assert_eq!(field(|_| {}), None);
        assert_eq!(field(|s| s.query.clear()).as_deref(), Some("query"));
        assert_eq!(field(|s| s.query[1] = f32::NAN).as_deref(), Some("query"));
        assert_eq!(field(|s| s.effort = 100), None);
        assert_eq!(field(|s| s.effort = 101).as_deref(), Some("effort"));
        for k in [0, -1, 11, i32::MIN] {
            assert_eq!(field(|s| s.k = k).as_deref(), Some("k"));
        }
        assert_eq!(field(|s| s.excluded_ids = vec![String::new(); 2]), None);
        assert_eq!(field(|s| s.excluded_ids = vec![String::new(); 3]).as_deref(), Some("excluded_ids"));
        assert_eq!(field(|s| s.excluded_sha256 = vec![vec![0; 32]; 2]), None);
        assert_eq!(field(|s| s.excluded_sha256 = vec![vec![0; 31]]).as_deref(), Some("excluded_sha256[0]"));
    }

    #[test]
    fn some_ids_are_deleted_but_not_too_many() {
        let ids = |n| delete(DeleteRequest { ids: vec!["a".to_owned(); n] }, &LIMITS);
        assert_eq!(ids(2).unwrap(), ["a", "a"]);
        assert_eq!(ids(0).unwrap_err().field, "ids");
        assert_eq!(ids(3).unwrap_err().field, "ids");
    }
}
