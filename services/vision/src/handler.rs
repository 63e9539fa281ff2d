//! The RPCs: checks what came, hands the pictures to the engine.

use std::sync::Arc;

use fondue_domain::{Classify, Fault, Violation};
use fondue_engine::{EngineError, PictureFile, VisionEngine};
use fondue_imaging::{Compat, Fit, ImagingError};
use fondue_model::Placement;
use fondue_proto::vision::{
    Compat as WireCompat, DescribeRequest, DescribeResponse, EncodeRequest, EncodeResponse, Features,
    Fit as WireFit, Image, vision_server::Vision,
};
use fondue_serving::{deadline::deadline, loading::Loading, status::status};
use tonic::{Request, Response, Status};

use crate::config::Limits;

/// The vision service.
pub struct Handler {
    model: Arc<Loading<Loaded>>,
    limits: Limits,
}

/// What is there once the model has loaded.
pub struct Loaded {
    pub(crate) engine: VisionEngine,
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
    Picture { index: usize, source: Arc<ImagingError> },
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for EncodeError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Picture { index, source } => Self::Picture { index, source },
            error => Self::Engine(error),
        }
    }
}

impl Classify for EncodeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Field { .. } => Fault::Invalid,
            Self::Picture { source, .. } => source.fault(),
            Self::Engine(error) => error.fault(),
        }
    }

    fn violations(&self) -> Vec<Violation> {
        match self {
            Self::Field { field, reason } => vec![Violation::new(field, reason)],
            Self::Picture { index, source } => {
                vec![Violation::new(format!("images[{index}].data"), source.to_string())]
            }
            Self::Engine(error) => error.violations(),
        }
    }
}

impl Handler {
    /// A service for a model that may still be loading.
    pub fn new(model: Arc<Loading<Loaded>>, limits: Limits) -> Self {
        Self { model, limits }
    }

    fn check(&self, images: Vec<Image>) -> Result<Vec<PictureFile>, EncodeError> {
        let (n, max) = (images.len(), self.limits.images);
        if n == 0 || n > max {
            let reason = format!("{n} pictures, expected 1 … {max}");
            return Err(EncodeError::Field { field: "images".to_owned(), reason });
        }
        images.into_iter().enumerate().map(|(index, image)| shown(index, image)).collect()
    }
}

/// A picture of a request, checked.
fn shown(index: usize, image: Image) -> Result<PictureFile, EncodeError> {
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
    Ok(PictureFile { data: image.data, fit, compat })
}

fn unknown(index: usize, field: &str, value: i32, kind: &str) -> EncodeError {
    EncodeError::Field { field: format!("images[{index}].{field}"), reason: format!("{value} is no {kind}") }
}

#[tonic::async_trait]
impl Vision for Handler {
    #[tracing::instrument(skip_all, level = "debug", fields(images = request.get_ref().images.len() as i64))]
    async fn encode(&self, request: Request<EncodeRequest>) -> Result<Response<EncodeResponse>, Status> {
        let until = deadline(request.metadata(), self.limits.timeout).into_std();
        let images = self.check(request.into_inner().images).map_err(status)?;
        let model = self.model.get().map_err(status)?;
        let features =
            model.engine.encode(images, until).await.map_err(|error| status(EncodeError::from(error)))?;
        let features = features.iter().map(|values| Features { values: values.to_vec() }).collect();
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
    use fondue_imaging::{ImageLimits, Picture};

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

    #[test]
    fn a_picture_that_cannot_be_read_is_named_by_its_field() {
        let limits = ImageLimits { max_pixels: 1 << 20, max_bytes: 1 << 20 };
        let file = include_bytes!("../../../crates/imaging/tests/data/exif6.jpg");
        let source = Picture::decode(&file[..file.len() / 2], &limits, Compat::Off).unwrap_err();
        let error = EncodeError::from(EngineError::Picture { index: 1, source: source.into() });
        assert_eq!((error.fault(), error.violations()[0].field.as_str()), (Fault::Invalid, "images[1].data"));
        let text = error.to_string();
        assert!(text.contains("images[1].data") && text.contains("ends early"), "{text}");
        assert_eq!(EncodeError::from(EngineError::Late).fault(), Fault::Deadline);
    }
}
