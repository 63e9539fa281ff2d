//! Searches, fetches, descriptions.

use std::collections::HashMap;

use bytes::Bytes;
use fondue_index::IndexError;
use milvus::v2::{
    SearchVectors,
    prelude::{ConsistencyLevel, QueryRequest, SearchRequest, SearchResults},
};

use super::{
    Milvus, among,
    catalogue::Facts,
    expression::{Expression, expression, literal},
    server::Trouble,
    settings::Consistency,
    table::{self, DESCRIPTION, ID, INGESTED, PICTURE, VECTOR},
    wrong,
};
use crate::store::{Description, Found, Picture, Search, StoreError};

/// Bytes of pictures that are asked for in one call: in base64 and with what goes along they fit the 4 MiB that the SDK
/// reads.
const TOGETHER: usize = table::MAX_PICTURE;
/// Descriptions that are asked for in one call where those of a whole search are too long.
const FEW: usize = 8;

const INEXACT: StoreError = StoreError::Unsupported(
    "this generation's index in Milvus is approximate; search without `exact`, or load it with --milvus-index flat",
);

impl Milvus {
    pub(super) async fn find(&self, search: Search) -> Result<Found, StoreError> {
        let (id, facts) = self.resolve(&search.generation).await?;
        let (got, expected) = (search.query.values().len(), facts.dim);
        if got != expected {
            return Err(IndexError::Dim { got, expected }.into());
        }
        let exact = facts.index.is_exact();
        if search.exact && !exact {
            return Err(INEXACT);
        }
        let filter = match expression(&search.filter, &search.exclusions) {
            Expression::All => String::new(),
            Expression::Where(filter) => filter,
            Expression::None => return Ok(Found { hits: Vec::new(), generation: id, exact }),
        };
        let hits = match self.nearest(&id, &facts, &search, &filter, &DESCRIPTION).await {
            Ok(answer) => described(&answer),
            Err(Trouble::TooLong) => self.nearest_then_described(&id, &facts, &search, &filter).await,
            Err(other) => return Err(self.gone(&id, other)),
        }?;
        let hits = self.with_files(&id, hits, search.data_bytes).await?;
        Ok(Found { hits, generation: id, exact })
    }

    async fn nearest(
        &self,
        id: &str,
        facts: &Facts,
        search: &Search,
        filter: &str,
        columns: &[&str],
    ) -> Result<SearchResults, Trouble> {
        let effort = search.effort.unwrap_or(self.config.effort);
        let collection = self.names.collection(id);
        let sees = match self.config.consistency {
            Consistency::Strong => ConsistencyLevel::Strong,
            Consistency::Session => ConsistencyLevel::Session,
            Consistency::Bounded => ConsistencyLevel::Bounded,
        };
        let request = SearchRequest::builder()
            .collection_name(&collection)
            .vector_field(VECTOR)
            .vectors(SearchVectors::Float(vec![search.query.values().to_vec()]))
            .limit(search.k as i64)
            .filter(filter)
            .output_fields(columns.iter().copied())
            .extra_params(facts.index.search(search.k, effort))
            .consistency_level(sees)
            .build()
            .map_err(|error| Trouble::Store(wrong(error)))?;
        let answer = self
            .loaded(&collection, || self.server.call(self.server.client().search(request.clone())))
            .await?;
        Ok(answer.results().clone())
    }

    /// For descriptions that are too long to come with the hits: they come after them, a few at a time.
    async fn nearest_then_described(
        &self,
        id: &str,
        facts: &Facts,
        search: &Search,
        filter: &str,
    ) -> Result<Vec<(f32, Picture, usize)>, StoreError> {
        let gone = |trouble| self.gone(id, trouble);
        let answer = self.nearest(id, facts, search, filter, &[ID]).await.map_err(gone)?;
        let mut scores = Vec::new();
        if let Some(result) = answer.iter().next() {
            for row in result.rows().map_err(wrong)? {
                scores
                    .push((row.get_str(ID).map_err(wrong)?.to_owned(), row.get_f32("score").map_err(wrong)?));
            }
        }
        let mut hits = Vec::with_capacity(scores.len());
        for few in scores.chunks(FEW) {
            let ids: Vec<String> = few.iter().map(|(id, _)| id.clone()).collect();
            let request = QueryRequest::builder().filter(among(&ids)).output_fields(DESCRIPTION);
            let rows = self.query(self.names.collection(id), request).await.map_err(gone)?;
            let mut known = HashMap::new();
            for row in rows.rows().map_err(wrong)? {
                let (picture, bytes) = table::picture(&row)?;
                known.insert(picture.item.id.clone(), (picture, bytes));
            }
            // What was deleted since is left out.
            let found = few.iter().filter_map(|(id, score)| Some((score, known.remove(id)?)));
            hits.extend(found.map(|(score, (picture, bytes))| (score.clamp(-1.0, 1.0), picture, bytes)));
        }
        Ok(hits)
    }

    /// Adds the files of the best, as far as they fit.
    async fn with_files(
        &self,
        id: &str,
        hits: Vec<(f32, Picture, usize)>,
        mut room: usize,
    ) -> Result<Vec<(f32, Picture)>, StoreError> {
        let mut wanted: Vec<(String, usize)> = Vec::new();
        for (_, picture, bytes) in &hits {
            if *bytes > 0 && *bytes <= room {
                room -= bytes;
                wanted.push((picture.item.id.clone(), *bytes));
            }
        }
        let mut files: HashMap<String, Bytes> = HashMap::new();
        let mut rest = wanted.as_slice();
        while !rest.is_empty() {
            let (mut n, mut bytes) = (0, 0);
            while n < rest.len() && (n == 0 || bytes + rest[n].1 <= TOGETHER) {
                bytes += rest[n].1;
                n += 1;
            }
            let (now, later) = rest.split_at(n);
            let ids: Vec<String> = now.iter().map(|(id, _)| id.clone()).collect();
            let request = QueryRequest::builder().filter(among(&ids)).output_fields([ID, PICTURE]);
            let rows = self.query(self.names.collection(id), request).await;
            let rows = rows.map_err(|trouble| self.gone(id, trouble))?;
            for row in rows.rows().map_err(wrong)? {
                files.insert(row.get_str(ID).map_err(wrong)?.to_owned(), table::file(&row)?);
            }
            rest = later;
        }
        let with_file = |(score, picture, _): (f32, Picture, usize)| {
            let data = files.remove(&picture.item.id).unwrap_or_default();
            (score, Picture { data, ..picture })
        };
        Ok(hits.into_iter().map(with_file).collect())
    }

    pub(super) async fn read(
        &self,
        id: &str,
        generation: &str,
    ) -> Result<Option<(Picture, String)>, StoreError> {
        let (generation, _) = self.resolve(generation).await?;
        let columns = DESCRIPTION.iter().copied().chain([PICTURE]);
        let request =
            QueryRequest::builder().filter(format!("{ID} == {}", literal(id))).output_fields(columns);
        let rows = self.query(self.names.collection(&generation), request).await;
        let rows = rows.map_err(|trouble| self.gone(&generation, trouble))?;
        let Some(row) = rows.rows().map_err(wrong)?.next() else { return Ok(None) };
        let (picture, _) = table::picture(&row)?;
        Ok(Some((Picture { data: table::file(&row)?, ..picture }, generation)))
    }

    pub(super) async fn tell(&self, generation: &str) -> Result<Description, StoreError> {
        let active = self.active().await?;
        let mut all = self.catalogue("").await?;
        let generation = if generation.is_empty() { active.clone() } else { generation.to_owned() };
        let generations = all.keys().cloned().collect();
        let no_generation = || IndexError::NoGeneration { id: generation.clone() };
        let facts = all.remove(&generation).ok_or_else(no_generation)?;
        let gone = |trouble| self.gone(&generation, trouble);
        let rows = self.count(&generation, "").await.map_err(gone)?;
        let ingested = self.count(&generation, &format!("{INGESTED} == true")).await.map_err(gone)?;
        let began_with = usize::try_from(facts.rows).unwrap_or(usize::MAX);
        Ok(Description {
            active,
            generations,
            rows,
            dim: facts.dim,
            fingerprint: facts.fingerprint,
            vision_fingerprint: facts.vision_fingerprint,
            created_seconds: facts.created,
            parent: facts.parent,
            precision: "f32".to_owned(),
            has_graph: !facts.index.is_exact(),
            ingested,
            removed: began_with.saturating_sub(rows.saturating_sub(ingested)),
            fields: facts.fields.into_iter().collect(),
            backend: "milvus",
            generation,
        })
    }
}

/// Scores, pictures without their files, and how long those are.
fn described(answer: &SearchResults) -> Result<Vec<(f32, Picture, usize)>, StoreError> {
    let mut hits = Vec::new();
    // One query, one result; none if nothing was found.
    let Some(result) = answer.iter().next() else { return Ok(hits) };
    for row in result.rows().map_err(wrong)? {
        let (picture, bytes) = table::picture(&row)?;
        let score = row.get_f32("score").map_err(wrong)?;
        hits.push((score.clamp(-1.0, 1.0), picture, bytes));
    }
    Ok(hits)
}
