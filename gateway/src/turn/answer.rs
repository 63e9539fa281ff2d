//! What the model has answered so far, and where in it the pictures belong. Pure.

use std::collections::BTreeMap;

use fondue_domain::Compat;
use fondue_proto::dialogue::FoundImage;

use crate::{
    dialogue::prompt::{Piece, push},
    request::{Picture, parts::Origin},
};

/// How `[RET]` reads in a transcript.
const RET: &str = " [RET]";

/// An answer in the making.
#[derive(Debug, Default)]
pub struct Answer {
    /// As sent to the client: without white space at its start, unless the published behaviour is asked for.
    text: String,
    compat: Compat,
    n_chars: u32,
    /// White-space characters left out at the start.
    n_stripped: u32,
    /// `[RET]`s by their index in the reply.
    rets: BTreeMap<u32, Ret>,
}

#[derive(Debug)]
struct Ret {
    /// In code points of `text`.
    offset: u32,
    /// Pictures to feed back.
    found: Vec<Picture>,
}

impl Answer {
    /// An empty answer.
    pub fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    /// What of `delta` the client gets; empty while only white space has come. It is not added yet.
    pub fn visible(&mut self, delta: String) -> String {
        if self.compat.is_reference() || !self.text.is_empty() {
            return delta;
        }
        let kept = delta.trim_start();
        self.n_stripped = self.n_stripped.saturating_add(count(&delta) - count(kept));
        kept.to_owned()
    }

    /// Adds what the client got.
    pub fn push(&mut self, sent: &str) {
        self.text.push_str(sent);
        self.n_chars = self.n_chars.saturating_add(count(sent));
    }

    /// Notes `[RET]` number `index` at `offset` of the model's own text; gives its offset in the answer.
    pub fn ret(&mut self, index: u32, offset: u32) -> u32 {
        let offset = offset.saturating_sub(self.n_stripped).min(self.n_chars);
        self.rets.insert(index, Ret { offset, found: Vec::new() });
        offset
    }

    /// Notes a picture that `[RET]` number `image.ret_index` brought and that the model shall see from now on.
    pub fn feed_back(&mut self, image: &FoundImage) {
        if let Some(ret) = self.rets.get_mut(&image.ret_index)
            && !image.data.is_empty()
        {
            ret.found.push(Picture::new(image.data.clone(), None, self.compat, Origin::Found));
        }
    }

    /// The answer as sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its length in code points.
    pub fn n_chars(&self) -> u32 {
        self.n_chars
    }

    /// The answer as the model wrote it, with `[RET]`.
    pub fn transcript(&self) -> String {
        let texts = self.segments().map(|(text, ret)| text.to_owned() + if ret.is_some() { RET } else { "" });
        texts.collect()
    }

    /// The answer for the history; the pictures to feed back stand after their `[RET]`.
    pub fn into_pieces(self) -> (Vec<Piece>, Vec<Picture>) {
        let (mut pieces, mut pictures) = (Vec::new(), Vec::new());
        for (text, ret) in self.segments() {
            push(&mut pieces, Piece::Text(text.to_owned()));
            let Some(ret) = ret else { continue };
            push(&mut pieces, Piece::Text(RET.to_owned()));
            for picture in &ret.found {
                push(&mut pieces, Piece::Picture(picture.key));
                pictures.push(picture.clone());
            }
        }
        (pieces, pictures)
    }

    /// The text between `[RET]`s, each with the one that ends it; the last has none.
    fn segments(&self) -> impl Iterator<Item = (&str, Option<&Ret>)> {
        let mut begin = 0;
        self.rets.values().map(Some).chain([None]).map(move |ret| {
            let end = ret.map_or(self.text.len(), |ret| self.byte(ret.offset)).max(begin);
            let text = &self.text[begin..end];
            begin = end;
            (text, ret)
        })
    }

    /// The byte at which code point `offset` begins.
    fn byte(&self, offset: u32) -> usize {
        self.text.char_indices().nth(offset as usize).map_or(self.text.len(), |(byte, _)| byte)
    }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer of what the model writes; `None` is `[RET]`.
    fn answer(written: &[Option<&str>]) -> Answer {
        let (mut answer, mut offset, mut n_rets) = (Answer::default(), 0, 0);
        for piece in written {
            if let Some(text) = piece {
                let sent = answer.visible((*text).to_owned());
                answer.push(&sent);
                offset += count(text);
            } else {
                answer.ret(n_rets, offset);
                n_rets += 1;
            }
        }
        answer
    }

    #[test]
    fn white_space_at_the_start_is_left_out_and_offsets_follow() {
        let mut answer = answer(&[Some(" "), Some("\u{a0} Größe"), None, Some(" da")]);
        assert_eq!(answer.text(), "Größe da");
        assert_eq!(answer.n_chars(), 8);
        assert_eq!(answer.transcript(), "Größe [RET] da");
        assert_eq!(answer.rets[&0].offset, 5);
        assert_eq!(answer.ret(1, 1), 0, "an offset within the white space that was left out");
        assert_eq!(answer.ret(2, u32::MAX), 8, "an offset behind the text");
    }

    #[test]
    fn the_published_code_keeps_white_space_at_the_start() {
        let mut answer = Answer::new(Compat::Reference);
        let sent = answer.visible(" It is".to_owned());
        answer.push(&sent);
        assert_eq!(answer.ret(0, 6), 6);
        assert_eq!((answer.text(), answer.transcript().as_str()), (" It is", " It is [RET]"));
    }

    #[test]
    fn rets_without_text_around_them_stay_in_order() {
        assert_eq!(answer(&[None, None]).transcript(), " [RET] [RET]");
        assert_eq!(answer(&[Some("a"), None, Some(" b"), None]).transcript(), "a [RET] b [RET]");
        assert_eq!(answer(&[]).transcript(), "");
    }

    #[test]
    fn fed_back_pictures_stand_after_their_ret() {
        let mut answer = answer(&[Some(" a"), None, Some(" b")]);
        let image = FoundImage { id: "x".into(), data: vec![1].into(), ..FoundImage::default() };
        answer.feed_back(&image);
        let (pieces, pictures) = answer.into_pieces();
        let key = pictures[0].key;
        assert_eq!(pieces, [Piece::Text("a [RET]".into()), Piece::Picture(key), Piece::Text(" b".into())]);
    }
}
