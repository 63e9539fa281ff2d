//! Ingest, delete, compact.

use std::collections::{BTreeMap, HashSet};

use fondue_domain::Embedding;
use fondue_index::{IndexError, NewItem, columns::MAX_COLUMNS, metadata::Kind};
use milvus::v2::prelude::{
    CompactRequest, DeleteRequest, FlushRequest, InsertRequest, QueryRequest, UpsertRequest,
};

use super::{
    Milvus, among,
    catalogue::Facts,
    server::Trouble,
    table::{self, ID},
    wrong,
};
use crate::store::{Compacted, Deleted, Ingested, StoreError};

/// Ids that are asked for in one call.
const IDS: usize = 1000;
/// Milliseconds for what was written to leave the log.
const FLUSH: i64 = 60_000;

impl Milvus {
    pub(super) async fn write(&self, mut batch: Vec<(NewItem, Embedding)>) -> Result<Ingested, StoreError> {
        let _one_at_a_time = self.writing.lock().await;
        let generation = self.active().await?;
        let facts = self.facts(&generation).await?;
        for (new, vector) in &mut batch {
            if new.picture.is_none() {
                new.item.media_type.clear(); // as in a generation
            }
            let (got, expected) = (vector.values().len(), facts.dim);
            if got != expected {
                return Err(IndexError::Dim { got, expected }.into());
            }
            table::check(new)?;
        }
        self.enter_fields(&generation, &facts, &batch).await?;
        let ids: HashSet<String> = batch.iter().map(|(new, _)| new.item.id.clone()).collect();
        let mut there = self.existing(&generation, ids.into_iter().collect()).await?;
        let replaced = batch.iter().filter(|(new, _)| !there.insert(new.item.id.clone())).count();
        self.upsert(&generation, &batch, true).await.map_err(|trouble| self.gone(&generation, trouble))?;
        Ok(Ingested { replaced, generation })
    }

    pub(super) async fn upsert(
        &self,
        generation: &str,
        batch: &[(NewItem, Embedding)],
        ingested: bool,
    ) -> Result<(), Trouble> {
        let rows = table::columns(batch, ingested);
        self.put(self.names.collection(generation), rows).await
    }

    pub(super) async fn put(
        &self,
        collection: String,
        columns: Vec<milvus::v2::FieldData>,
    ) -> Result<(), Trouble> {
        let wrong = |error| Trouble::Store(wrong(error));
        let rows =
            InsertRequest::builder().collection_name(collection).columns(columns).build().map_err(wrong)?;
        let request = UpsertRequest::builder().insert(rows).build().map_err(wrong)?;
        self.server.call(self.server.client().upsert(request)).await.map(drop)
    }

    /// Sees that each field has one kind of value, and enters those that are new into the catalogue.
    async fn enter_fields(
        &self,
        generation: &str,
        facts: &Facts,
        batch: &[(NewItem, Embedding)],
    ) -> Result<(), StoreError> {
        if merge(&facts.fields, batch)?.is_none() {
            return Ok(());
        }
        // Another service may have entered some meanwhile.
        let facts = self.fresh_facts(generation).await?;
        if let Some(fields) = merge(&facts.fields, batch)? {
            let facts = facts.with_fields(fields);
            self.put(self.names.catalogue(), facts.row(generation)?).await?;
            self.known().facts.remove(generation);
        }
        Ok(())
    }

    /// Which of some ids are there.
    async fn existing(&self, generation: &str, ids: Vec<String>) -> Result<HashSet<String>, StoreError> {
        let mut there = HashSet::new();
        for some in ids.chunks(IDS) {
            let request = QueryRequest::builder().filter(among(some)).output_fields([ID]);
            let rows = self.query(self.names.collection(generation), request).await;
            let rows = rows.map_err(|trouble| self.gone(generation, trouble))?;
            for row in rows.rows().map_err(wrong)? {
                there.insert(row.get_str(ID).map_err(wrong)?.to_owned());
            }
        }
        Ok(there)
    }

    pub(super) async fn remove(&self, ids: Vec<String>) -> Result<Deleted, StoreError> {
        let _one_at_a_time = self.writing.lock().await;
        let generation = self.active().await?;
        let ids: HashSet<String> = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let there: Vec<String> =
            self.existing(&generation, ids.into_iter().collect()).await?.into_iter().collect();
        for some in there.chunks(IDS) {
            let request = DeleteRequest::builder().collection_name(self.names.collection(&generation));
            let request = request.filter(among(some)).build().map_err(wrong)?;
            let deleted = self.server.call(self.server.client().delete(request)).await;
            deleted.map_err(|trouble| self.gone(&generation, trouble))?;
        }
        Ok(Deleted { deleted: there.len(), generation })
    }

    /// Milvus merges what was changed in the background; this asks it to begin, and keeps the generation.
    pub(super) async fn settle(&self) -> Result<Compacted, StoreError> {
        let generation = self.active().await?;
        let gone = |trouble| self.gone(&generation, trouble);
        self.flush(&generation).await.map_err(gone)?;
        let request = CompactRequest::builder().collection_name(self.names.collection(&generation));
        let request = request.build().map_err(wrong)?;
        self.server.call(self.server.client().compact(request)).await.map_err(gone)?;
        let rows = self.count(&generation, "").await.map_err(gone)?;
        Ok(Compacted { previous: generation.clone(), generation, rows })
    }

    pub(super) async fn flush(&self, generation: &str) -> Result<(), Trouble> {
        let request = FlushRequest::builder().collection_names([self.names.collection(generation)]);
        let request = request.wait_flushed_ms(FLUSH).build().map_err(|error| Trouble::Store(wrong(error)))?;
        self.server.patiently(self.server.client().flush(request)).await.map(drop)
    }
}

/// The fields with those of a batch; `None` if none is new.
fn merge(
    fields: &BTreeMap<String, Kind>,
    batch: &[(NewItem, Embedding)],
) -> Result<Option<BTreeMap<String, Kind>>, IndexError> {
    let mut merged = fields.clone();
    for (new, _) in batch {
        for (name, value) in new.item.metadata.iter() {
            let (field, got) = (name.to_owned(), value.kind());
            let expected = *merged.entry(field.clone()).or_insert(got);
            if expected != got {
                return Err(IndexError::FieldKind { field, got, expected });
            }
        }
    }
    if merged.len() > MAX_COLUMNS {
        return Err(IndexError::TooManyFields { max: MAX_COLUMNS });
    }
    Ok((merged.len() > fields.len()).then_some(merged))
}
