//! Checked requests, or an error that names the field.

use fondue_domain::{Classify, Embedding, Fault, Violation};
use fondue_index::Exclusions;
use fondue_proto::retrieval::SearchRequest;

use crate::config::Limits;

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

/// A search, checked but for the vector's length, which its generation knows.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) query: Embedding,
    pub(crate) k: usize,
    pub(crate) exclusions: Exclusions,
    pub(crate) generation: String,
    pub(crate) include_data: bool,
}

impl Search {
    pub(crate) fn check(asked: SearchRequest, limits: &Limits) -> Result<Self, RequestError> {
        let query = match Embedding::normalized(asked.query) {
            Ok(query) => query,
            Err(error) => return wrong("query", error.to_string()),
        };
        let k = match usize::try_from(asked.k) {
            Ok(k) if (1..=limits.k).contains(&k) => k,
            _ => return wrong("k", format!("{}, expected 1 … {}", asked.k, limits.k)),
        };
        for (field, n) in
            [("excluded_ids", asked.excluded_ids.len()), ("excluded_sha256", asked.excluded_sha256.len())]
        {
            if n > limits.excluded {
                return wrong(field, format!("{n} entries, limit {}", limits.excluded));
            }
        }
        let mut exclusions =
            Exclusions { ids: asked.excluded_ids.into_iter().collect(), ..Exclusions::default() };
        for (index, digest) in asked.excluded_sha256.iter().enumerate() {
            match <[u8; 32]>::try_from(digest.as_ref()) {
                Ok(digest) => exclusions.sha256.insert(digest),
                Err(_) => {
                    return wrong(
                        format!("excluded_sha256[{index}]"),
                        format!("{} bytes, expected 32", digest.len()),
                    );
                }
            };
        }
        Ok(Self { query, k, exclusions, generation: asked.generation, include_data: asked.include_data })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits {
        k: 10,
        excluded: 2,
        data_bytes: 0,
        searching: 1,
        queued: 0,
        open: 0,
        timeout: Duration::from_secs(1),
    };

    fn field(change: impl FnOnce(&mut SearchRequest)) -> Option<String> {
        let mut asked = SearchRequest { query: vec![1.0, 2.0], k: 10, ..SearchRequest::default() };
        change(&mut asked);
        Search::check(asked, &LIMITS).err().map(|error| error.field)
    }

    #[test]
    fn each_bound_is_checked_and_named() {
        assert_eq!(field(|_| {}), None);
        assert_eq!(field(|s| s.query.clear()).as_deref(), Some("query"));
        assert_eq!(field(|s| s.query[1] = f32::NAN).as_deref(), Some("query"));
        for k in [0, -1, 11, i32::MIN] {
            assert_eq!(field(|s| s.k = k).as_deref(), Some("k"));
        }
        assert_eq!(field(|s| s.excluded_ids = vec![String::new(); 2]), None);
        assert_eq!(field(|s| s.excluded_ids = vec![String::new(); 3]).as_deref(), Some("excluded_ids"));
        assert_eq!(field(|s| s.excluded_sha256 = vec![vec![0; 32]; 2]), None);
        assert_eq!(field(|s| s.excluded_sha256 = vec![vec![0; 31]]).as_deref(), Some("excluded_sha256[0]"));
    }
}
