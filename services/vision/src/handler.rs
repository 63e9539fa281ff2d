//! The RPCs: checks what came, decodes pictures on the blocking pool, hands them to the engine.

use std::{sync::Arc, time::Instant};

use fondue_domain::{Classify, Fault, Violation};
use fondue_engine::VisionEngine;
use fondue_imaging::{Compat, Fit, ImagingError, Picture, Preprocess};
use fondue_model::Placement;
use fondue_proto::vision::{
    Compat as WireCompat, DescribeRequest, DescribeResponse, EncodeRequest, EncodeResponse, Features,
    Fit as WireFit, Image, vision_server::Vision,
};
use fondue_serving::{
    deadline::deadline,
    loading::Loading,
    status::{from_parts, status},
};
use futures::future::try_join_all;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::config::Limits;

/// The vision service.
pub struct Handler {
    model: Arc<Loading<Loaded>>,
    limits: Limits,
    decoding: Arc<Semaphore>,
}

/// What is there once the model has loaded.
pub struct Loaded {
    pub(crate) engine: VisionEngine,
    pub(crate) preprocess: Preprocess,
    pub(crate) fingerprint: String,
    pub(crate) feature_dim: usize,
    pub(crate) image_size: usize,
    pub(crate) placement: Placement,
}

/// A request that cannot be served as it is.
#[derive(Debug, thiserror::Error)]
enum EncodeError {
    #[error("{field}: {reason}")]
    Field { field: String, reason: String },
    #[error("images[{index}].data: {source}")]
    Picture { index: usize, source: ImagingError },
    #[error("decoding a picture was broken off")]
    Broken,
}

impl Classify for EncodeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Field { .. } => Fault::Invalid,
            Self::Picture { source, .. } => source.fault(),
            Self::Broken => Fault::Internal,
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Field { field, reason } => vec![Violation::new(field, reason)],
            Self::Picture { index, source } => {
                vec![Violation::new(format!("images[{index}].data"), source.to_string())]
            }
            Self::Broken => Vec::new(),
        }
    }
}

impl Handler {
    /// A service for a model that may still be loading.
    pub fn new(model: Arc<Loading<Loaded>>, limits: Limits) -> Self {
        Self { model, limits, decoding: Arc::new(Semaphore::new(limits.decoding)) }
    }

    fn check(&self, images: Vec<Image>) -> Result<Vec<Shown>, EncodeError> {
        let (n, max) = (images.len(), self.limits.images);
        if n == 0 || n > max {
            let reason = format!("{n} pictures, expected 1 … {max}");
            return Err(EncodeError::Field { field: "images".to_owned(), reason });
        }
        images.into_iter().enumerate().map(|(index, image)| shown(index, image)).collect()
    }

    async fn pixels(
        &self,
        index: usize,
        Shown { image, fit, compat }: Shown,
        preprocess: Preprocess,
    ) -> Result<Vec<f32>, EncodeError> {
        // A permit bounds the memory of decoded pictures; it goes with the work, even if the caller has gone.
        let permit = Arc::clone(&self.decoding).acquire_owned().await.map_err(|_| EncodeError::Broken)?;
        let limits = self.limits.image;
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            preprocess.picture_pixels(&Picture::decode(&image.data, &limits, compat)?, fit)
        });
        let pixels = work.await.map_err(|_| EncodeError::Broken)?;
        pixels.map_err(|source| EncodeError::Picture { index, source })
    }
}

/// A picture of a request, checked.
struct Shown {
    image: Image,
    fit: Fit,
    compat: Compat,
}

fn shown(index: usize, image: Image) -> Result<Shown, EncodeError> {
    let fit = match WireFit::try_from(image.fit) {
        Ok(WireFit::Unspecified | WireFit::Crop) => Fit::Crop,
        Ok(WireFit::Squash) => Fit::Squash,
        Err(_) => return Err(unknown(index, "fit", image.fit, "Fit")),
    };
    let compat = match WireCompat::try_from(image.compat) {
        Ok(WireCompat::Unspecified) => Compat::Off,
        Ok(WireCompat::Reference) => Compat::Reference,
        Err(_) => return Err(unknown(index, "compat", image.compat, "Compat")),
    };
    Ok(Shown { image, fit, compat })
}

fn unknown(index: usize, field: &str, value: i32, kind: &str) -> EncodeError {
    EncodeError::Field { field: format!("images[{index}].{field}"), reason: format!("{value} is no {kind}") }
}

#[tonic::async_trait]
impl Vision for Handler {
    #[tracing::instrument(skip_all, fields(images = request.get_ref().images.len()), err(level = "debug", Display))]
    async fn encode(&self, request: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        let until = deadline(request.metadata(), self.limits.timeout);
        let images = self.check(request.into_inner().images).map_err(status)?;
        let model = self.model.get().map_err(status)?;
        // Before the work of decoding: what finds no room is refused while it is cheap.
        let room = model.engine.reserve(images.len()).map_err(status)?;
        let work = async {
            let decoded = images
                .into_iter()
                .enumerate()
                .map(|(index, shown)| self.pixels(index, shown, model.preprocess.clone()));
            let pixels = try_join_all(decoded).await.map_err(status)?;
            model.engine.encode(room, pixels, until).await.map_err(status)
        };
        let late = || from_parts(Fault::Deadline, "the deadline passed while pictures were read", Vec::new());
        let features = tokio::time::timeout_at(Instant::into(until), work).await.map_err(|_| late())??;
        let features = features.into_iter().map(|values| Features { values }).collect();
        Ok(Response::new(EncodeResponse { features }))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let model = self.model.get().map_err(status)?;
        Ok(Response::new(DescribeResponse {
            feature_dim: model.feature_dim as u32,
            image_size: model.image_size as u32,
            fingerprint: model.fingerprint.clone(),
            dtype: model.placement.dtype.to_string(),
            device: model.placement.device_name(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fondue_imaging::ImageLimits;

    use super::*;

    #[test]
    fn fit_and_behaviour_are_the_wires_and_others_are_named() {
        let image = |fit, compat| Image { fit, compat, ..Image::default() };
        let of = |fit, compat| shown(2, image(fit, compat)).map(|shown| (shown.fit, shown.compat));
        assert_eq!(of(0, 0).unwrap(), (Fit::Crop, Compat::Off));
        assert_eq!(of(2, 1).unwrap(), (Fit::Squash, Compat::Reference));
        for (fit, compat, field) in [(3, 0, "images[2].fit"), (0, 2, "images[2].compat")] {
            assert_eq!(of(fit, compat).unwrap_err().violations()[0].field, field);
        }
    }

    /// Shot with a camera on its side, and a palette.
    const TURNED: &[u8] = include_bytes!("../../../crates/imaging/tests/data/exif6.jpg");
    const PALETTE: &[u8] = include_bytes!("../../../crates/imaging/tests/data/palette.png");

    #[tokio::test]
    async fn each_picture_is_shown_as_its_request_says() {
        let image = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
        let limits = Limits { images: 2, image, decoding: 1, timeout: Duration::from_secs(60) };
        let handler = Handler::new(Arc::new(Loading::new("nothing")), limits);
        let preprocess = Preprocess::new(20, [0.0; 3], [1.0; 3]);
        for (data, fit, wire_fit) in
            [(TURNED, Fit::Crop, WireFit::Crop), (PALETTE, Fit::Squash, WireFit::Squash)]
        {
            let mut seen = Vec::new();
            for (compat, wire) in
                [(Compat::Off, WireCompat::Unspecified), (Compat::Reference, WireCompat::Reference)]
            {
                let asked = Image { data: data.into(), fit: wire_fit.into(), compat: wire.into() };
                let shown = shown(0, asked).unwrap();
                let pixels = handler.pixels(0, shown, preprocess.clone()).await.unwrap();
                let picture = Picture::decode(data, &image, compat).unwrap();
                assert_eq!(pixels, preprocess.picture_pixels(&picture, fit).unwrap());
                seen.push(pixels);
            }
            assert_ne!(seen[0], seen[1], "{fit:?}");
        }
        let cut = Image { data: TURNED[..TURNED.len() / 2].into(), ..Image::default() };
        let error = handler.pixels(1, shown(1, cut).unwrap(), preprocess).await.unwrap_err();
        assert_eq!(error.fault(), Fault::Invalid);
        assert!(
            error.to_string().contains("images[1].data") && error.to_string().contains("ends early"),
            "{error}"
        );
    }
}
