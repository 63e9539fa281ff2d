//! Reads every tensor: can it be read, and are all its values finite numbers?
//!
//! Bits are enough for that, so no tensor is ever made: a number is finite unless all bits of its exponent are set.

use fondue_model::{
    ModelError,
    opt::{HEAD, TABLE},
    weights::{Found, StoredDtype, Survey, Weights},
};
use fondue_terminal::progress;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::Checked;
use crate::{
    parts::Kind,
    report::{NotFinite, Values},
};

/// Reads the tensors of all parts under one bar.
pub(super) fn read(checked: &mut [Checked]) {
    let total = checked.iter().filter_map(|checked| checked.survey.as_ref()).map(bytes).sum();
    let bar = progress::bytes(total, "reading");
    for part in checked {
        let Some(survey) = part.survey.take() else { continue };
        match of_part(part, &survey, &bar) {
            Ok(values) => part.part.values = Some(values),
            Err(error) => part.model_fault(&error, "download or copy the file again"),
        }
        part.survey = Some(survey);
    }
    bar.finish_and_clear();
}

fn bytes(survey: &Survey) -> u64 {
    survey.found.iter().map(|found| found.stored.bytes).sum()
}

fn of_part(checked: &mut Checked, survey: &Survey, bar: &ProgressBar) -> Result<Values, ModelError> {
    let folder = checked.part.folder.clone();
    // Lenient, as the survey was: what cannot be opened was told.
    let weights = match checked.part.kind {
        Kind::Fromage => Weights::look_mapping(&folder),
        Kind::Opt | Kind::Clip => Weights::look(&folder),
    }?;
    let mut values = Values::default();
    for found in &survey.found {
        let count = not_finite(&weights, found, |n| {
            values.read += n;
            bar.inc(n);
        })?;
        if count > 0 {
            values.not_finite.push(NotFinite { name: found.stored.name.clone(), values: count });
        }
    }
    if !values.not_finite.is_empty() {
        let names = values.not_finite.iter().map(|tensor| format!("{} ({})", tensor.name, tensor.values));
        let names: Vec<String> = names.collect();
        let list = super::tensors::shortened(names.iter().map(String::as_str));
        let what = format!("{} tensors have values that are no finite numbers: {list}", names.len());
        checked.fault(
            &folder,
            what,
            "the files are damaged, or the training went wrong; take an earlier checkpoint",
        );
    }
    compare_head(checked, survey, &weights)?;
    Ok(values)
}

fn not_finite(weights: &Weights<'_>, found: &Found, mut passed: impl FnMut(u64)) -> Result<u64, ModelError> {
    let mut count = 0;
    weights.stream(&found.stored.name, found.rows.as_ref(), |piece| {
        count += not_finite_in(piece, found.stored.dtype);
        passed(piece.len() as u64);
        Ok::<_, ModelError>(())
    })?;
    Ok(count)
}

/// How many numbers are infinite or none at all.
pub(crate) fn not_finite_in(bytes: &[u8], dtype: StoredDtype) -> u64 {
    let halves = |mask: u16| {
        let bad = bytes.chunks_exact(2).filter(|b| u16::from_le_bytes([b[0], b[1]]) & mask == mask);
        bad.count() as u64
    };
    match dtype {
        StoredDtype::F16 => halves(0x7c00),
        StoredDtype::Bf16 => halves(0x7f80),
        StoredDtype::F32 => {
            let bad = |b: &&[u8]| !f32::from_le_bytes([b[0], b[1], b[2], b[3]]).is_finite();
            bytes.chunks_exact(4).filter(bad).count() as u64
        }
        StoredDtype::F64 => {
            let bad = |b: &&[u8]| <[u8; 8]>::try_from(*b).is_ok_and(|b| !f64::from_le_bytes(b).is_finite());
            bytes.chunks_exact(8).filter(bad).count() as u64
        }
        StoredDtype::Other(_) => 0,
    }
}

/// A head of its own, where there is one, must be the token embedding once more: it is not read.
fn compare_head(checked: &mut Checked, survey: &Survey, weights: &Weights<'_>) -> Result<(), ModelError> {
    let (Some(table), true) = (survey.get(TABLE), checked.part.kind == Kind::Opt) else { return Ok(()) };
    let Some(head) = survey.unexpected.iter().find(|tensor| tensor.stored.name == HEAD) else {
        return Ok(());
    };
    let digest = |name: &str| {
        let mut digest = Sha256::new();
        let piece = |piece: &[u8]| {
            digest.update(piece);
            Ok::<_, ModelError>(())
        };
        weights.stream(name, None, piece).map(|()| digest.finalize())
    };
    let same = head.stored.shape == table.stored.shape
        && (head.stored.dtype != table.stored.dtype || digest(HEAD)? == digest(&table.stored.name)?);
    if !same {
        let folder = checked.part.folder.clone();
        let what = format!("`{HEAD}` is not the token embedding; OPT's head is");
        checked.fault(&folder, what, "this is a model with a head of its own, which is not read here");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn numbers_that_are_none_are_counted() {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let good = [0.0, -1.5, 65504.0, f64::MIN_POSITIVE, 1e-7];
        let all: Vec<f64> = good.into_iter().chain(bad).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(not_finite_in(&bytes, StoredDtype::F64), 3);
        let bytes: Vec<u8> = all.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
        assert_eq!(not_finite_in(&bytes, StoredDtype::F32), 3);
        let bytes: Vec<u8> = all.iter().flat_map(|value| f16::from_f64(*value).to_le_bytes()).collect();
        assert_eq!(not_finite_in(&bytes, StoredDtype::F16), 3);
        let bytes: Vec<u8> = all.iter().flat_map(|value| bf16::from_f64(*value).to_le_bytes()).collect();
        assert_eq!(not_finite_in(&bytes, StoredDtype::Bf16), 3);
    }
}
