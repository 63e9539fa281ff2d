//! How good the mapping layers are on rows that are not trained on: retrieval over all of them, and captions.
//!
//! Source: the reference's `validate.py`: contrastive accuracy over the whole set, 32 greedy tokens without `[RET]`, texts cut
//! behind a first sentence of more than five letters, BLEU-1 to 4.

use anyhow::Result;
use fondue_domain::TokenId;
use fondue_model::{Tokenizer, layers::values};
use tch::{Kind, Tensor, no_grad};

use super::{bleu::bleu, data::Data, frozen::Frozen, layout, layout::Text, trained::Trained};

/// Tokens of a generated caption.
const NEW_TOKENS: usize = 32;
/// Rows at a time.
const PIECE: usize = 64;
const BOS: i64 = 2;

/// A generated caption and the table's.
pub type Said = (String, String);

/// What came out, in percent, BLEU 0 to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Validation {
    /// Texts whose picture is first, and among the first five.
    pub text_to_image: [f64; 2],
    /// Pictures whose text is first, and among the first five.
    pub image_to_text: [f64; 2],
    /// BLEU-1 to BLEU-4.
    pub bleu: [f64; 4],
    /// The first captions that were generated, with what the table says.
    pub examples: Vec<Said>,
}

impl Validation {
    /// Validates; the row of `[RET]` must be shown to the frozen model.
    ///
    /// # Errors
    /// libtorch's.
    pub fn run(
        data: &Data,
        frozen: &Frozen,
        trained: &Trained,
        tokenizer: &Tokenizer,
        captions: usize,
    ) -> Result<Self> {
        no_grad(|| {
            let (text_to_image, image_to_text) = retrieval(data, frozen, trained)?;
            let (bleu, examples) = spoken(data, frozen, trained, tokenizer, captions)?;
            Ok(Self { text_to_image, image_to_text, bleu, examples })
        })
    }

    /// For the metrics.
    pub fn numbers(&self) -> Vec<(&'static str, f64)> {
        let names = ["validation/bleu1", "validation/bleu2", "validation/bleu3", "validation/bleu4"];
        let mut numbers = vec![
            ("validation/text_to_image_top1", self.text_to_image[0]),
            ("validation/text_to_image_top5", self.text_to_image[1]),
            ("validation/image_to_text_top1", self.image_to_text[0]),
            ("validation/image_to_text_top5", self.image_to_text[1]),
        ];
        numbers.extend(names.into_iter().zip(self.bleu));
        numbers
    }
}

/// Top 1 and 5 of texts to pictures and of pictures to texts.
fn retrieval(data: &Data, frozen: &Frozen, trained: &Trained) -> Result<([f64; 2], [f64; 2])> {
    let asking: Vec<u32> = (0..).zip(&data.texts).filter(|(_, text)| text.asks).map(|(n, _)| n).collect();
    let (mut pictures, mut texts) = (Vec::new(), Vec::new());
    let unit = |rows: Tensor| -> Result<Tensor> {
        Ok(rows.f_div(&rows.f_norm_scalaropt_dim(2, [-1i64].as_slice(), true)?)?)
    };
    for piece in asking.chunks(PIECE) {
        pictures.push(unit(trained.pictures(&data.features(piece, |_| 0, frozen)?)?)?);
        let rows: Vec<&Text> = piece.iter().map(|row| &data.texts[*row as usize]).collect();
        let packed = layout::retrieval(&rows);
        let before = frozen.embed(&packed.before.ids, trained.ret_row())?;
        let before = before.f_view([rows.len() as i64, packed.before.width as i64, -1])?;
        let last = trained.ret_row().f_unsqueeze(0)?.f_expand([rows.len() as i64, 1, -1], false)?;
        let lengths = frozen.upload(&packed.lengths)?;
        let (_, states) = frozen.net().forward_last(&before, &last, &lengths)?;
        texts.push(unit(trained.queries(&states.f_view([rows.len() as i64, -1])?)?)?);
    }
    if asking.is_empty() {
        return Ok(([0.0; 2], [0.0; 2]));
    }
    let (pictures, texts) = (Tensor::f_cat(&pictures, 0)?, Tensor::f_cat(&texts, 0)?);
    Ok((ranks(&texts, &pictures)?, ranks(&pictures, &texts)?))
}

/// Percent of rows of `from` that score their own row of `to` highest, and among the five highest.
fn ranks(from: &Tensor, to: &Tensor) -> Result<[f64; 2]> {
    let n = from.size()[0];
    let mut hits = [0i64; 2];
    for start in (0..n).step_by(PIECE * 16) {
        let some = from.f_narrow(0, start, (PIECE as i64 * 16).min(n - start))?;
        let scores = some.f_matmul(&to.f_transpose(0, 1)?)?;
        let right = scores.f_diagonal(start, 0, 1)?.f_unsqueeze(1)?;
        let above =
            scores.f_greater_tensor(&right)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)?;
        for (hits, k) in hits.iter_mut().zip([1, 5]) {
            *hits += above.f_less(k)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
        }
    }
    Ok(hits.map(|hits| 100.0 * hits as f64 / n as f64))
}

/// BLEU of the first `captions` rows, and some examples.
fn spoken(
    data: &Data,
    frozen: &Frozen,
    trained: &Trained,
    tokenizer: &Tokenizer,
    captions: usize,
) -> Result<([f64; 4], Vec<Said>)> {
    // Rows of one batch have one length, so that none needs padding on the left.
    let mut rows: Vec<u32> = (0..data.texts.len().min(captions) as u32).collect();
    rows.sort_by_key(|row| data.texts[*row as usize].prompt);
    let mut said = Vec::with_capacity(rows.len());
    for alike in rows.chunk_by(|a, b| data.texts[*a as usize].prompt == data.texts[*b as usize].prompt) {
        for piece in alike.chunks(PIECE) {
            let texts = generate(data, frozen, trained, tokenizer, piece)?;
            said.extend(piece.iter().zip(texts).map(|(row, text)| (*row, text)));
        }
    }
    said.sort_by_key(|(row, _)| *row);
    let pairs: Vec<Said> = said
        .into_iter()
        .map(|(row, text)| (text, data.rows[row as usize].caption.trim().to_owned()))
        .collect();
    let score = bleu(pairs.iter().map(|(text, caption)| (text.as_str(), caption.as_str())));
    Ok((score, pairs.into_iter().take(8).collect()))
}

/// Greedy captions of rows whose prompts have one length.
fn generate(
    data: &Data,
    frozen: &Frozen,
    trained: &Trained,
    tokenizer: &Tokenizer,
    rows: &[u32],
) -> Result<Vec<String>> {
    let (n, word) = (rows.len() as i64, frozen.word_dim());
    let prefix = trained.prefix(&data.features(rows, |_| 0, frozen)?)?.f_view([n, -1, word])?;
    let prompt: Vec<i64> = rows
        .iter()
        .flat_map(|row| {
            let text = &data.texts[*row as usize];
            std::iter::once(BOS).chain(text.ids[1..=text.prompt].iter().copied())
        })
        .collect();
    let start = frozen.embed(&prompt, trained.ret_row())?.f_view([n, -1, word])?;
    let mut embeds = Tensor::f_cat(&[&prefix, &start], 1)?;
    let words = frozen.table().f_narrow(0, 0, frozen.ret())?;
    let mut ids = Vec::with_capacity(NEW_TOKENS);
    let room = frozen.net().config().max_positions() as i64 - embeds.size()[1];
    for _ in 0..NEW_TOKENS.min(usize::try_from(room).unwrap_or(0)) {
        let hidden = frozen.net().forward(&embeds)?;
        let last = hidden.f_select(1, hidden.size()[1] - 1)?;
        // [RET] is the row behind the words.
        let next = last.f_matmul(&words.f_transpose(0, 1)?)?.f_argmax(1, false)?;
        embeds = Tensor::f_cat(&[embeds, frozen.table().f_index_select(0, &next)?.f_unsqueeze(1)?], 1)?;
        ids.push(next);
    }
    if ids.is_empty() {
        return Ok(vec![String::new(); rows.len()]);
    }
    let ids = values(&Tensor::f_stack(&ids, 1)?)?;
    let text = |ids: &[f32]| {
        let bytes: Vec<u8> =
            ids.iter().flat_map(|id| tokenizer.bytes(TokenId(*id as u32)).iter().copied()).collect();
        cut(String::from_utf8_lossy(&bytes).trim())
    };
    Ok(ids.chunks(ids.len() / rows.len()).map(text).collect())
}

/// Without what follows a first sentence.
fn cut(text: &str) -> String {
    match text.find('.') {
        Some(at) if at > 5 => text[..at].to_owned(),
        _ => text.to_owned(),
    }
}
