//! What a dialogue has shown and must not find again: pictures by id and by content. Pure.

use std::collections::{HashSet, VecDeque};

use fondue_proto::dialogue::FoundImage;

use crate::request::{MAX_EXCLUDED, parts::digest};

/// Pictures, the user's and the found ones; the newest 10,000 of each kind.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    ids: VecDeque<Name>,
    digests: VecDeque<[u8; 32]>,
}

/// A picture of an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    /// Which index; `None` if nobody told, so that it may be any.
    index: Option<String>,
    id: String,
}

impl Shown {
    /// All of several, oldest first.
    pub fn all<'a>(several: impl IntoIterator<Item = &'a Self>) -> Self {
        let (mut all, mut ids, mut digests) = (Self::default(), HashSet::new(), HashSet::new());
        for shown in several {
            all.ids.extend(shown.ids.iter().filter(|id| ids.insert(*id)).cloned());
            all.digests.extend(shown.digests.iter().filter(|digest| digests.insert(*digest)));
        }
        all.ids.drain(..all.ids.len().saturating_sub(MAX_EXCLUDED));
        all.digests.drain(..all.digests.len().saturating_sub(MAX_EXCLUDED));
        all
    }

    /// Notes a picture of some index.
    pub fn add_id(&mut self, id: String) {
        add(&mut self.ids, Name { index: None, id });
    }

    /// Notes the SHA-256 of a picture file.
    pub fn add_digest(&mut self, sha256: [u8; 32]) {
        add(&mut self.digests, sha256);
    }

    /// Notes a found picture; an index may hold the same file under several ids.
    pub fn add_found(&mut self, image: &FoundImage) {
        add(&mut self.ids, Name { index: Some(image.index.clone()), id: image.id.clone() });
        if !image.data.is_empty() {
            self.add_digest(digest(&image.data));
        }
    }

    /// Whether the picture `id` of an index was shown.
    pub fn has(&self, index: &str, id: &str) -> bool {
        self.of(index).any(|shown| shown == id)
    }

    /// Ids, as a search of an index takes them.
    pub fn ids(&self, index: &str) -> Vec<String> {
        self.of(index).map(str::to_owned).collect()
    }

    /// SHA-256 of the files, as a search takes them.
    pub fn digests(&self) -> Vec<Vec<u8>> {
        self.digests.iter().map(|digest| digest.to_vec()).collect()
    }

    /// Bytes that it takes, about.
    pub fn n_bytes(&self) -> usize {
        let name = |name: &Name| name.id.len() + size_of::<Name>();
        self.ids.iter().map(name).sum::<usize>() + 32 * self.digests.len()
    }

    fn of(&self, index: &str) -> impl Iterator<Item = &str> {
        let its = move |name: &&Name| name.index.as_deref().is_none_or(|known| known == index);
        self.ids.iter().filter(its).map(|name| name.id.as_str())
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
        assert_eq!(shown.ids("").len(), MAX_EXCLUDED);
        assert!(!shown.has("", "0") && shown.has("", "1"));
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
        assert_eq!(shown.ids(""), ["by url", "stored"]);
        assert!(shown.ids("another").is_empty());
        assert_eq!(shown.digests(), [Sha256::digest(b"x").to_vec()]);
    }

    #[test]
    fn several_are_one_without_repetition() {
        let of = |ids: std::ops::Range<usize>| {
            let mut shown = Shown::default();
            ids.for_each(|id| shown.add_id(id.to_string()));
            shown
        };
        let all = Shown::all(&[of(0..3), of(1..5)]);
        assert_eq!(all.ids("any"), ["0", "1", "2", "3", "4"]);
        let all = Shown::all(&[of(0..MAX_EXCLUDED), of(5..6), of(MAX_EXCLUDED..MAX_EXCLUDED + 1)]);
        assert_eq!((all.ids("").len(), all.has("", "0"), all.has("", "1")), (MAX_EXCLUDED, false, true));
    }
}
