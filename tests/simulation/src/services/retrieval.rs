//! Retrieval that finds something for every query, after a while.

use std::time::Duration;

use fondue_proto::retrieval::{
    ActivateRequest, ActivateResponse, CompactRequest, CompactResponse, DeleteRequest, DeleteResponse,
    DescribeRequest, DescribeResponse, FetchRequest, FetchResponse, Hit, IngestRequest, IngestResponse,
    Picture, SearchRequest, SearchResponse, retrieval_server::Retrieval,
};
use tokio::time::sleep;
use tonic::{Request, Response, Status, Streaming};

use super::Replica;

#[tonic::async_trait]
impl Retrieval for Replica {
    async fn search(&self, request: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        self.admit()?;
        let asked = request.into_inner();
        let turn = asked.query.first().map_or(0, |turn| *turn as u64);
        let _working = self.journal.work(turn, self.service, self.index);
        sleep(Duration::from_millis(5 + turn % 60)).await;
        let ids = (0..).map(|n| format!("p{n}")).filter(|id| !asked.excluded_ids.contains(id));
        let hits = ids.take(usize::try_from(asked.k).unwrap_or(0)).map(|id| Hit {
            score: 0.5,
            picture: Some(Picture {
                data: id.clone().into_bytes().into(),
                media_type: "image/png".to_owned(),
                id,
                ..Picture::default()
            }),
        });
        let generation = "first".to_owned();
        Ok(Response::new(SearchResponse { hits: hits.collect(), generation, exact: true }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse { generation: "first".to_owned(), ..DescribeResponse::default() }))
    }

    async fn ingest(&self, _: Request<Streaming<IngestRequest>>) -> Result<Response<IngestResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn activate(&self, _: Request<ActivateRequest>) -> Result<Response<ActivateResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn compact(&self, _: Request<CompactRequest>) -> Result<Response<CompactResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }

    async fn fetch(&self, _: Request<FetchRequest>) -> Result<Response<FetchResponse>, Status> {
        Err(Status::unimplemented("no turn asks for it"))
    }
}
