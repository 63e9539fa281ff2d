//! Vision that takes its time.

use std::time::Duration;

use fondue_proto::vision::{
    DescribeRequest, DescribeResponse, EncodeRequest, EncodeResponse, Features, vision_server::Vision,
};
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use super::{Replica, turn_of};

#[tonic::async_trait]
impl Vision for Replica {
    async fn encode(&self, request: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        self.admit()?;
        let images = request.into_inner().images;
        let turn = images.iter().map(|image| turn_of(&String::from_utf8_lossy(&image.data))).max();
        let turn = turn.unwrap_or(0);
        let _working = self.journal.work(turn, self.service, self.index);
        sleep(Duration::from_millis(10 + turn % 50)).await;
        let features = images.iter().map(|_| Features { values: vec![0.5] }).collect();
        Ok(Response::new(EncodeResponse { features }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse::default()))
    }
}
