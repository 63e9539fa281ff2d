//! Loads a generation that was built or imported here into Milvus.

use std::time::Duration;

use fondue_domain::Embedding;
use fondue_index::{Generation, IndexError, NewItem};
use milvus::v2::{
    CollectionSchema,
    prelude::{
        ConsistencyLevel, CreateCollectionRequest, CreateIndexRequest, DropCollectionRequest,
        HasCollectionRequest,
    },
};

use super::{
    Milvus,
    catalogue::{self, Facts},
    index::Index,
    server::{Trouble, broken},
    table, wrong,
};
use crate::store::StoreError;

/// Rows that go in one call at most, and their bytes, roughly.
const BATCH_ROWS: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;
/// Tries of a batch while the server is away, with pauses that grow to half a minute.
const TRIES: u32 = 8;

/// A collection to make.
struct Plan {
    name: String,
    schema: CollectionSchema,
    /// The column of its vectors.
    vectors: &'static str,
    index: Index,
    shards: i32,
    replicas: i32,
}

impl Milvus {
    pub(super) async fn make_catalogue(&self) -> Result<(), StoreError> {
        let (schema, name) = (catalogue::schema(), self.names.catalogue());
        let plan = Plan { name, schema, vectors: "unused", index: Index::Flat, shards: 1, replicas: 1 };
        if !self.exists(&plan.name).await? {
            return self.make(&plan).await;
        }
        match self.load_collection(&plan.name, plan.replicas).await {
            Err(Trouble::Store(StoreError::Broken { reason })) => {
                tracing::warn!(%reason, "the catalogue was made halfway; it is made whole");
                self.index(&plan).await
            }
            other => Ok(other?),
        }
    }

    async fn exists(&self, name: &str) -> Result<bool, StoreError> {
        let asked = HasCollectionRequest::builder().collection_name(name).build().map_err(wrong)?;
        Ok(self.server.call(self.server.client().has_collection(asked)).await?.exists())
    }

    async fn make(&self, plan: &Plan) -> Result<(), StoreError> {
        let request = CreateCollectionRequest::builder()
            .collection_name(&plan.name)
            .schema(plan.schema.clone())
            .num_shards(plan.shards)
            .consistency_level(ConsistencyLevel::Strong)
            .build()
            .map_err(wrong)?;
        self.server.call(self.server.client().create_collection(request)).await?;
        self.index(plan).await
    }

    async fn index(&self, plan: &Plan) -> Result<(), StoreError> {
        let request = CreateIndexRequest::builder()
            .collection_name(&plan.name)
            .index_params(vec![plan.index.build(plan.vectors)])
            .sync(false) // there is nothing to build yet, and loading waits for it
            .build()
            .map_err(wrong)?;
        self.server.patiently(self.server.client().create_index(request)).await?;
        Ok(self.load_collection(&plan.name, plan.replicas).await?)
    }

    /// Copies a generation into a collection of its own. It is not active then; [`crate::store::Store::activate`] is the
    /// next step. `progress` is told how many rows are there. One that was broken off is begun again, so there must be one load
    /// of a generation at a time; one that is there already is left alone.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] and the like for a picture that Milvus does not hold, [`IndexError`] for a damaged
    /// generation, [`StoreError::Unavailable`] if the server stays away.
    pub async fn load(
        &self,
        generation: &Generation,
        mut progress: impl FnMut(usize),
    ) -> Result<(), StoreError> {
        let (id, index) = (generation.id(), self.config.index);
        if let Index::IvfPq { parts, .. } = index
            && !generation.dim().is_multiple_of(parts)
        {
            return Err(broken(format!(
                "milvus_pq_bytes: {parts} does not divide {}, the length of the vectors",
                generation.dim()
            )));
        }
        match self.fresh_facts(id).await {
            Ok(_) => {
                progress(generation.len());
                return Ok(());
            }
            Err(StoreError::Index(IndexError::NoGeneration { .. })) => {}
            Err(other) => return Err(other),
        }
        let plan = Plan {
            name: self.names.collection(id),
            schema: table::schema(generation.dim()),
            vectors: table::VECTOR,
            index,
            shards: self.config.shards,
            replicas: self.config.replicas,
        };
        if self.exists(&plan.name).await? {
            tracing::info!(generation = id, "begun before and broken off: it is begun again");
            let request =
                DropCollectionRequest::builder().collection_name(&plan.name).build().map_err(wrong)?;
            self.server.patiently(self.server.client().drop_collection(request)).await?;
        }
        self.make(&plan).await?;
        let mut row = 0;
        while row < generation.len() {
            let batch = batch(generation, row)?;
            self.persist(id, &batch).await?;
            row += batch.len();
            progress(row);
        }
        self.flush(id).await?;
        let rows = self.count(id, "").await?;
        if rows != generation.len() {
            return Err(broken(format!("Milvus holds {rows} rows of {} that {id} has", generation.len())));
        }
        // Now it is one.
        self.put(self.names.catalogue(), Facts::of(generation, index).row(id)?).await?;
        Ok(())
    }

    /// Writes a batch, again and again while the server is away: a row that is written twice is one row.
    async fn persist(&self, id: &str, batch: &[(NewItem, Embedding)]) -> Result<(), StoreError> {
        let mut pause = Duration::from_millis(500);
        for _ in 1..TRIES {
            match self.upsert(id, batch, false).await {
                Err(Trouble::Store(StoreError::Unavailable { reason })) => {
                    tracing::warn!(%reason, pause = pause.as_secs_f32(), "a batch is sent again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(30));
                }
                other => return Ok(other?),
            }
        }
        Ok(self.upsert(id, batch, false).await?)
    }
}

/// Some rows from `first` on.
fn batch(generation: &Generation, first: usize) -> Result<Vec<(NewItem, Embedding)>, StoreError> {
    let rows = generation.rows()?;
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for row in first..generation.len() {
        let mut vector = vec![0.0; generation.dim()];
        rows.read(row, &mut vector);
        let vector = Embedding::normalized(vector).map_err(|error| broken(format!("row {row}: {error}")))?;
        let item = generation.item(row)?;
        let picture = generation.picture(row).map(<[u8]>::to_vec);
        let size = generation.dim() * size_of::<f32>()
            + picture.as_ref().map_or(0, Vec::len)
            + item.caption.len()
            + item.url.len();
        if !batch.is_empty() && bytes + size > BATCH_BYTES {
            break;
        }
        bytes += size;
        let new = NewItem { item, picture, sha256: generation.sha256(row).unwrap_or_default() };
        table::check(&new)?;
        batch.push((new, vector));
        if batch.len() == BATCH_ROWS {
            break;
        }
    }
    Ok(batch)
}
