//! What a dialogue has shown and must not find again: pictures by id and by content. Pure.

use std::collections::VecDeque;

use fondue_proto::dialogue::FoundImage;

use crate::request::{MAX_EXCLUDED, parts::digest};

/// Pictures of a dialogue, the user's and the found ones; the newest 10,000 of each kind.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    ids: VecDeque<String>,
    digests: VecDeque<[u8; 32]>,
}

impl Shown {
    /// Notes a picture of the index.
    pub fn add_id(&mut self, id: String) {
        add(&mut self.ids, id);
    }

    /// Notes the SHA-256 of a picture file.
    pub fn add_digest(&mut self, sha256: [u8; 32]) {
        add(&mut self.digests, sha256);
    }

    /// Notes a found picture; an index may hold the same file under several ids.
    pub fn add_found(&mut self, image: &FoundImage) {
        self.add_id(image.id.clone());
        if !image.data.is_empty() {
            self.add_digest(digest(&image.data));
        }
    }

    /// Whether the picture `id` of the index was shown.
    pub fn has(&self, id: &str) -> bool {
        self.ids.iter().any(|shown| shown == id)
    }

    /// Ids, as a search takes them.
    pub fn ids(&self) -> Vec<String> {
        self.ids.iter().cloned().collect()
    }

    /// SHA-256 of the files, as a search takes them.
    pub fn digests(&self) -> Vec<Vec<u8>> {
        self.digests.iter().map(|digest| digest.to_vec()).collect()
    }
}

fn add<T: PartialEq>(shown: &mut VecDeque<T>, new: T) {
    if shown.contains(&new) {
        return;
    }
    if shown.len() == MAX_EXCLUDED {
        shown.pop_front();
    }
    shown.push_back(new);
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn each_is_kept_once_and_the_oldest_go_first() {
        let mut shown = Shown::default();
        (0..=MAX_EXCLUDED).for_each(|id| shown.add_id(id.to_string()));
        shown.add_id(MAX_EXCLUDED.to_string());
        assert_eq!(shown.ids().len(), MAX_EXCLUDED);
        assert!(!shown.has("0") && shown.has("1"));
    }

    #[test]
    fn found_pictures_count_by_id_and_by_content() {
        let mut shown = Shown::default();
        shown.add_found(&FoundImage { id: "by url".into(), ..FoundImage::default() });
        shown.add_found(&FoundImage {
            id: "stored".into(),
            data: b"x".as_slice().into(),
            ..FoundImage::default()
        });
        assert_eq!(shown.ids(), ["by url", "stored"]);
        assert_eq!(shown.digests(), [Sha256::digest(b"x").to_vec()]);
    }
}
