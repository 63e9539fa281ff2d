//! Captions as token rows, and what of them is input and what is target in the two passes.
//!
//! Source: Koh et al. 2023, section 3.2; the reference's `fromage/data.py` and `models.py`.

use anyhow::{Result, ensure};
use fondue_domain::TokenId;
use fondue_model::{Tokenizer, tokenizer::RET};

/// Beginning of a text.
const BOS: i64 = 2;
/// What fills rows up; it changes nothing before it.
const PAD: i64 = 1;

/// One caption's tokens: BOS, a prompt's if there is one, the caption's, `[RET]` if it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// All of them.
    pub ids: Vec<i64>,
    /// Of these the prompt's, behind BOS: input, and no target of the captioning pass.
    pub prompt: usize,
    /// Whether it ends with `[RET]`: takes part in the retrieval pass.
    pub asks: bool,
    /// Place of the first `[RET]`, or the end: what the captioning pass sees of it.
    shown: usize,
}

impl Text {
    /// Tokenises. At most `max_len` tokens: more are cut off, and the last one is `[RET]` if it asks.
    ///
    /// # Errors
    /// If the tokenizer refuses it.
    pub fn new(
        tokenizer: &Tokenizer,
        prompt: &str,
        caption: &str,
        asks: bool,
        max_len: usize,
    ) -> Result<Self> {
        let caption = if asks { format!("{caption}{RET}") } else { caption.to_owned() };
        let (prompt, caption) = (tokenizer.encode(prompt)?, tokenizer.encode(&caption)?);
        Self::of(&prompt, &caption, asks, max_len, tokenizer.ret())
    }

    /// Of ids: `caption` ends with `ret` already if it asks.
    ///
    /// # Errors
    /// If `max_len` has no room for BOS, a token and `[RET]`.
    pub fn of(
        prompt: &[TokenId],
        caption: &[TokenId],
        asks: bool,
        max_len: usize,
        ret: TokenId,
    ) -> Result<Self> {
        ensure!(max_len >= 3, "{max_len} tokens have no room for BOS, a caption and [RET]");
        let mut ids = vec![BOS];
        ids.extend(prompt.iter().chain(caption).map(|id| id.as_i64()));
        ids.truncate(max_len);
        if let Some(last) = ids.last_mut()
            && asks
        {
            *last = ret.as_i64();
        }
        let shown = ids.iter().position(|&id| id == ret.as_i64()).unwrap_or(ids.len());
        let prompt = prompt.len().min(ids.len() - 1);
        Ok(Self { ids, prompt, asks, shown })
    }

    /// Whether `[RET]` stands before the end too.
    fn asks_within(&self) -> bool {
        self.asks && self.shown + 1 < self.ids.len()
    }
}

/// Rows of one pass: what stands where, and what is told against what.
#[derive(Debug, PartialEq, Eq)]
pub struct Packed {
    /// Rows.
    pub rows: usize,
    /// Positions of each; those behind a row's end hold padding.
    pub width: usize,
    /// Token ids, `[rows, width]`; padding where a picture's vectors stand.
    pub ids: Vec<i64>,
    /// Flat places of the pictures' vectors, picture by picture.
    pub pictures: Vec<i64>,
    /// Flat places of states that are told against a token.
    pub states: Vec<i64>,
    /// These tokens.
    pub targets: Vec<i64>,
}

/// One position of a row.
#[derive(Clone, Copy)]
enum Place {
    /// The next vector of the next picture.
    Picture,
    /// A token, and whether it is a target.
    Token(i64, bool),
}

impl Packed {
    fn new(rows: &[Vec<Place>]) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut packed = Self {
            rows: rows.len(),
            width,
            ids: vec![PAD; rows.len() * width],
            pictures: Vec::new(),
            states: Vec::new(),
            targets: Vec::new(),
        };
        for (n, row) in rows.iter().enumerate() {
            for (place, what) in row.iter().enumerate() {
                let at = n * width + place;
                match *what {
                    Place::Picture => packed.pictures.push(at as i64),
                    Place::Token(id, told) => {
                        packed.ids[at] = id;
                        // The state before it tells it; the first of a row has none.
                        if told && place > 0 {
                            packed.states.push(at as i64 - 1);
                            packed.targets.push(id);
                        }
                    }
                }
            }
        }
        packed
    }
}

/// The captioning pass: `k` vectors of the picture, then the caption up to `[RET]`; all its tokens are targets, BOS
/// too, but a prompt's. With `pairs`, rows 0 and 1, 2 and 3, … stand behind each other in one.
///
/// # Errors
/// If pairs are asked for and the number of texts is odd.
pub fn captioning(texts: &[&Text], k: usize, pairs: bool) -> Result<Packed> {
    ensure!(!pairs || texts.len().is_multiple_of(2), "{} captions are no pairs", texts.len());
    let valid = |text: &&Text| {
        let told = |n: usize| !(1..=text.prompt).contains(&n);
        let tokens = text.ids[..text.shown].iter().enumerate().map(|(n, &id)| Place::Token(id, told(n)));
        (0..k).map(|_| Place::Picture).chain(tokens).collect::<Vec<_>>()
    };
    let each = if pairs { 2 } else { 1 };
    let rows: Vec<Vec<Place>> =
        texts.chunks(each).map(|texts| texts.iter().flat_map(valid).collect()).collect();
    Ok(Packed::new(&rows))
}

/// The retrieval pass: texts that ask, without pictures; all tokens are targets, `[RET]` too.
#[derive(Debug)]
pub struct Asking {
    /// What stands before the last `[RET]`; its last state tells it.
    pub before: Packed,
    /// How many positions of each row that are: the place of its last `[RET]`.
    pub lengths: Vec<i64>,
    /// Whether another `[RET]` stands in one of them.
    pub within: bool,
}

/// The retrieval pass of `texts`, each of which asks.
pub fn retrieval(texts: &[&Text]) -> Asking {
    let row = |text: &&Text| text.ids.iter().map(|&id| Place::Token(id, true)).collect::<Vec<_>>();
    let mut before = Packed::new(&texts.iter().map(row).collect::<Vec<_>>());
    let lengths: Vec<i64> = texts.iter().map(|text| text.ids.len() as i64 - 1).collect();
    let within = texts.iter().any(|text| text.asks_within());
    // Each row is a column narrower without its last.
    let (old, width) = (before.width, before.width.saturating_sub(1));
    let narrowed = |at: i64| at / old.max(1) as i64 * width as i64 + at % old.max(1) as i64;
    before.states.iter_mut().for_each(|at| *at = narrowed(*at));
    before.ids = before.ids.chunks(old.max(1)).flat_map(|row| row[..width].to_vec()).collect();
    before.width = width;
    for (n, &length) in lengths.iter().enumerate() {
        if (length as usize) < width {
            before.ids[n * width + length as usize] = PAD;
        }
    }
    Asking { before, lengths, within }
}

#[cfg(test)]
mod tests;
