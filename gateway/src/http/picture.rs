//! A found picture as HTTP tells it.

use fondue_proto::dialogue::FoundImage;
use serde::Serialize;

use super::links;

/// A found picture, without its bytes: `url` leads to them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Image {
    id: String,
    generation: String,
    index: String,
    score: f32,
    caption: String,
    media_type: String,
    url: String,
    text_offset: u32,
    ret_index: u32,
    rank: u32,
}

impl From<FoundImage> for Image {
    fn from(image: FoundImage) -> Self {
        let url = links::address(&image);
        let FoundImage { id, generation, index, score, caption, media_type, .. } = image;
        let FoundImage { text_offset, ret_index, rank, .. } = image;
        Self { id, generation, index, score, caption, media_type, url, text_offset, ret_index, rank }
    }
}
