//! Vision whose features tell the picture: `[first byte, number of bytes]`. A picture `bad` cannot be read.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use fondue_domain::{Fault, Violation};
use fondue_proto::vision::{
    Compat, DescribeRequest, DescribeResponse, EncodeRequest, EncodeResponse, Features, Fit,
    vision_server::{Vision, VisionServer},
};
use fondue_serving::status::from_parts;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status, service::Routes};

/// Pictures of one call.
pub(crate) const MAX_IMAGES: usize = 20;

#[derive(Clone, Default)]
pub(crate) struct VisionFake {
    asked: Arc<Mutex<Vec<EncodeRequest>>>,
    fingerprint: Arc<Mutex<&'static str>>,
    waits: Arc<AtomicBool>,
    permits: Arc<Permits>,
}

pub(crate) struct Permits {
    /// One permit for each call that has come in.
    pub(crate) came: Semaphore,
    /// One permit for each call that the gateway dropped while it waited.
    pub(crate) dropped: Semaphore,
}

impl Default for Permits {
    fn default() -> Self {
        Self { came: Semaphore::new(0), dropped: Semaphore::new(0) }
    }
}

impl std::ops::Deref for VisionFake {
    type Target = Permits;

    fn deref(&self) -> &Permits {
        &self.permits
    }
}

/// Notes that a call was dropped.
struct Dropped(Arc<Permits>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.add_permits(1);
    }
}

impl VisionFake {
    pub(crate) fn routes(&self) -> Routes {
        Routes::new(VisionServer::new(self.clone()).max_decoding_message_size(64 << 20))
    }

    /// The model that it runs from now on.
    pub(crate) fn be(&self, fingerprint: &'static str) {
        *self.fingerprint.lock().unwrap() = fingerprint;
    }

    /// From now on calls wait for ever.
    pub(crate) fn wait(&self) {
        self.waits.store(true, Ordering::Relaxed);
    }

    /// How many pictures each call brought.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.asked.lock().unwrap().iter().map(|request| request.images.len()).collect()
    }

    /// How each picture was to be brought to the square: fit, and whether as the published code does it.
    pub(crate) fn manners(&self) -> Vec<(Fit, bool)> {
        let asked = self.asked.lock().unwrap();
        let images = asked.iter().flat_map(|request| &request.images);
        images.map(|image| (image.fit(), image.compat() == Compat::Reference)).collect()
    }

    /// All pictures that were encoded, by content and fit.
    pub(crate) fn encoded(&self) -> Vec<(Vec<u8>, i32)> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .flat_map(|request| &request.images)
            .map(|image| (image.data.to_vec(), image.fit))
            .collect()
    }
}

#[tonic::async_trait]
impl Vision for VisionFake {
    async fn encode(&self, request: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        let request = request.into_inner();
        self.came.add_permits(1);
        if self.waits.load(Ordering::Relaxed) {
            let _dropped = Dropped(self.permits.clone());
            std::future::pending::<()>().await;
        }
        if request.images.len() > MAX_IMAGES {
            let violation = Violation::new("images", format!("expected 1 … {MAX_IMAGES}"));
            return Err(from_parts(Fault::Invalid, "too many", vec![violation]));
        }
        if let Some(index) = request.images.iter().position(|image| *image.data == *b"bad") {
            let violation = Violation::new(format!("images[{index}].data"), "not a picture");
            return Err(from_parts(Fault::Invalid, "not a picture", vec![violation]));
        }
        let tell = |data: &[u8]| Features { values: vec![f32::from(data[0]), data.len() as f32] };
        let features = request.images.iter().map(|image| tell(&image.data)).collect();
        self.asked.lock().unwrap().push(request);
        Ok(Response::new(EncodeResponse { features }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let fingerprint = self.fingerprint.lock().unwrap().to_string();
        Ok(Response::new(DescribeResponse { fingerprint, ..DescribeResponse::default() }))
    }
}
