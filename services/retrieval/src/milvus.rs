//! The back end on Milvus, for an index past one machine.
//!
//! A generation is a collection, the catalogue ([`catalogue`]) tells which there are, an alias names the active one.
//! Milvus keeps what was changed by itself, so changes go into the generation's own collection; reads are strongly
//! consistent and see what was written before them. Several services may share one Milvus.
//!
//! Unlike the local back end: equal scores come in an order of Milvus' own; a batch is written by one call, which Milvus
//! itself spreads over its shards; pictures, texts and metadata have limits ([`table`]).

pub mod index;
pub mod load;
pub mod settings;
pub mod table;

mod catalogue;
mod expression;
mod reading;
mod server;
mod writing;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use fondue_domain::Embedding;
use fondue_index::{IndexError, NewItem};
use milvus::v2::prelude::{
    AlterAliasRequest, ConsistencyLevel, CreateAliasRequest, DescribeAliasRequest, LoadCollectionRequest,
    QueryRequest, QueryResults,
};

use self::{
    catalogue::{Facts, Names, is_id},
    expression::literal,
    server::{Server, Trouble, broken},
    settings::MilvusConfig,
};
use crate::store::{
    Activated, Compacted, Deleted, Description, Found, Ingested, Picture, Search, Store, StoreError,
};

/// How long a search believes that the active generation is still the one that it was: another service may have
/// activated another meanwhile.
const BELIEVED: Duration = Duration::from_millis(500);
/// Generations whose facts are kept.
const MAX_KNOWN: usize = 64;

/// An index in Milvus.
pub struct Milvus {
    server: Server,
    names: Names,
    config: MilvusConfig,
    known: Mutex<Known>,
    /// Held by whoever writes: what was there before is counted, and new fields are entered, one batch at a time.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    active: Option<(String, Instant)>,
    facts: HashMap<String, Arc<Facts>>,
}

impl Milvus {
    /// Connects, and makes the catalogue if there is none.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if Milvus does not answer, [`StoreError::Broken`] if it answers what it should not.
    pub async fn connect(config: MilvusConfig) -> Result<Self, StoreError> {
        let (server, names) = (Server::connect(&config).await?, Names::new(&config.prefix));
        let this = Self { server, names, config, known: Mutex::default(), writing: Default::default() };
        this.make_catalogue().await?;
        Ok(this)
    }

    /// The generation that is asked for, or the active one.
    async fn resolve(&self, asked: &str) -> Result<(String, Arc<Facts>), StoreError> {
        let id = if asked.is_empty() { self.believed_active().await? } else { asked.to_owned() };
        let facts = self.facts(&id).await?;
        Ok((id, facts))
    }

    async fn believed_active(&self) -> Result<String, StoreError> {
        let believed = self.known().active.clone();
        match believed {
            Some((id, since)) if since.elapsed() < BELIEVED => Ok(id),
            _ => self.active().await,
        }
    }

    /// The active generation, as Milvus has it now.
    async fn active(&self) -> Result<String, StoreError> {
        let active = self.named_by_alias().await?;
        active.ok_or_else(|| StoreError::Unavailable {
            reason: format!(
                "no generation of `{}` is active in Milvus; load one with `fondue-retrieval load --activate`",
                self.config.prefix
            ),
        })
    }

    async fn named_by_alias(&self) -> Result<Option<String>, StoreError> {
        let request = DescribeAliasRequest::builder().alias(self.names.active()).build().map_err(wrong)?;
        let begun = Instant::now();
        let answer = match self.server.call(self.server.client().describe_alias(request)).await {
            Ok(answer) => answer,
            Err(Trouble::NotThere) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let collection = answer.collection_name();
        let id = self.names.generation(collection).ok_or_else(|| {
            broken(format!("the alias {} names `{collection}`, which is no generation", self.names.active()))
        })?;
        let mut known = self.known();
        // An activation may have overtaken the question.
        if known.active.as_ref().is_none_or(|(_, since)| *since < begun) {
            known.active = Some((id.to_owned(), begun));
        }
        Ok(Some(id.to_owned()))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn facts(&self, id: &str) -> Result<Arc<Facts>, StoreError> {
        if let Some(facts) = self.known().facts.get(id) {
            return Ok(Arc::clone(facts));
        }
        self.fresh_facts(id).await
    }

    async fn fresh_facts(&self, id: &str) -> Result<Arc<Facts>, StoreError> {
        let no_generation = || StoreError::from(IndexError::NoGeneration { id: id.to_owned() });
        // Only what is one gets into a name or an expression.
        if !is_id(id) {
            return Err(no_generation());
        }
        let facts = self.catalogue(&format!("id == \"{id}\"")).await?.remove(id).ok_or_else(no_generation)?;
        let facts = Arc::new(facts);
        let mut known = self.known();
        if known.facts.len() >= MAX_KNOWN {
            known.facts.clear();
        }
        known.facts.insert(id.to_owned(), Arc::clone(&facts));
        Ok(facts)
    }

    /// What the catalogue holds.
    async fn catalogue(&self, filter: &str) -> Result<BTreeMap<String, Facts>, StoreError> {
        let request = QueryRequest::builder()
            .filter(filter)
            .output_fields(["id", "facts"])
            .limit(settings::MAX_K as i64);
        let rows = self.query(self.names.catalogue(), request).await?;
        let mut all = BTreeMap::new();
        for row in rows.rows().map_err(wrong)? {
            let id = row.get_str("id").map_err(wrong)?;
            all.insert(id.to_owned(), Facts::read(id, row.get_str("facts").map_err(wrong)?)?);
        }
        Ok(all)
    }

    /// Asks for rows, as they are now.
    async fn query(
        &self,
        collection: String,
        request: milvus::v2::request::dql::QueryRequestBuilder,
    ) -> Result<QueryResults, Trouble> {
        let request =
            request.collection_name(&collection).consistency_level(ConsistencyLevel::Strong).build();
        let request = request.map_err(|error| Trouble::Store(wrong(error)))?;
        self.loaded(&collection, || self.server.call(self.server.client().query(request.clone())))
            .await
            .map(|answer| answer.results().clone())
    }

    /// Makes a call that needs a collection on query nodes, and brings it there if it is not.
    async fn loaded<T, F: Future<Output = Result<T, Trouble>>>(
        &self,
        collection: &str,
        call: impl Fn() -> F,
    ) -> Result<T, Trouble> {
        match call().await {
            Err(Trouble::NotLoaded) => {
                tracing::info!(collection, "loading a collection that no query node holds");
                self.load_collection(collection, self.config.replicas).await?;
                call().await
            }
            other => other,
        }
    }

    async fn load_collection(&self, collection: &str, replicas: i32) -> Result<(), Trouble> {
        let request = LoadCollectionRequest::builder().collection_name(collection).replica_number(replicas);
        let request = request.sync(true).build().map_err(|error| Trouble::Store(wrong(error)))?;
        self.server.patiently(self.server.client().load_collection(request)).await
    }

    async fn count(&self, id: &str, filter: &str) -> Result<usize, Trouble> {
        let request = QueryRequest::builder().filter(filter).output_fields(["count(*)"]);
        let counted = self.query(self.names.collection(id), request).await?;
        usize::try_from(counted.get_row_count()).map_err(|error| Trouble::Store(broken(error.to_string())))
    }

    /// What is said of a collection that was there a moment ago.
    fn gone(&self, id: &str, trouble: Trouble) -> StoreError {
        match trouble {
            Trouble::NotThere => {
                self.known().facts.remove(id);
                IndexError::NoGeneration { id: id.to_owned() }.into()
            }
            other => other.into(),
        }
    }

    async fn point_alias(&self, id: &str, previous: Option<&str>) -> Result<(), Trouble> {
        let (alias, collection) = (self.names.active(), self.names.collection(id));
        let client = self.server.client();
        let wrong = |error| Trouble::Store(wrong(error));
        if previous.is_some() {
            let request = AlterAliasRequest::builder().alias(alias).collection_name(collection).build();
            self.server.call(client.alter_alias(request.map_err(wrong)?)).await
        } else {
            let request = CreateAliasRequest::builder().alias(alias).collection_name(collection).build();
            self.server.call(client.create_alias(request.map_err(wrong)?)).await
        }
    }
}

#[tonic::async_trait]
impl Store for Milvus {
    async fn search(&self, search: Search) -> Result<Found, StoreError> {
        self.find(search).await
    }

    async fn fetch(&self, id: &str, generation: &str) -> Result<Option<(Picture, String)>, StoreError> {
        self.read(id, generation).await
    }

    async fn ingest(&self, batch: Vec<(NewItem, Embedding)>) -> Result<Ingested, StoreError> {
        self.write(batch).await
    }

    async fn delete(&self, ids: Vec<String>) -> Result<Deleted, StoreError> {
        self.remove(ids).await
    }

    async fn activate(&self, id: &str) -> Result<Activated, StoreError> {
        let previous = self.named_by_alias().await?;
        let active = match (id, &previous) {
            ("", Some(previous)) => previous.clone(),
            ("", None) => self.active().await?,
            (id, _) => id.to_owned(),
        };
        self.fresh_facts(&active).await?;
        if previous.as_ref() != Some(&active) {
            let gone = |trouble| self.gone(&active, trouble);
            let collection = self.names.collection(&active);
            self.load_collection(&collection, self.config.replicas).await.map_err(gone)?;
            self.point_alias(&active, previous.as_deref()).await.map_err(gone)?;
        }
        self.known().active = Some((active.clone(), Instant::now()));
        Ok(Activated { previous: previous.unwrap_or_default(), active })
    }

    async fn compact(&self) -> Result<Compacted, StoreError> {
        self.settle().await
    }

    async fn describe(&self, generation: &str) -> Result<Description, StoreError> {
        self.tell(generation).await
    }
}

/// The rows of some ids. Not by the SDK's own way, a template, which not every server fills in.
fn among(ids: &[String]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| literal(id)).collect();
    format!("{} in [{}]", table::ID, ids.join(", "))
}

/// The SDK refuses what it was given or what it got.
fn wrong(error: milvus::v2::prelude::Error) -> StoreError {
    broken(format!("Milvus' client: {error}"))
}
