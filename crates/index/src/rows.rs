//! How vectors are stored: rows of unit length, in one of three precisions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a stored value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 4 bytes, as the vectors came.
    #[default]
    F32,
    /// 2 bytes, IEEE half: a score is off by 0.0005 at most.
    F16,
    /// 1 byte to search by, with one scale a row, and 4 bytes to rank what was found by: scores are those of f32.
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Int8];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|precision| precision.name() == text);
        known.ok_or_else(|| format!("must be f32, f16 or int8, got `{text}`"))
    }
}

/// All vectors of a generation: `[rows, dim]`, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// As they came.
    F32(&'a [f32]),
    /// IEEE half bits.
    F16(&'a [u16]),
    /// In eight bits, and whole.
    Int8 {
        /// `x ≈ code · scale`, codes −127 … 127.
        codes: &'a [i8],
        /// One a row: the largest |x| ÷ 127.
        scales: &'a [f32],
        /// The same rows as they came.
        exact: &'a [f32],
    },
}

impl Rows<'_> {
    /// How many rows of `dim` values there are.
    pub fn len(&self, dim: usize) -> usize {
        let values = match self {
            Self::F32(values) => values.len(),
            Self::F16(bits) => bits.len(),
            Self::Int8 { codes, .. } => codes.len(),
        };
        values.checked_div(dim).unwrap_or(0)
    }

    /// Writes a row's values to `out`, whose length is the dimension. False, and nothing written, if there is no such
    /// row.
    pub fn read(&self, row: usize, out: &mut [f32]) -> bool {
        let dim = out.len();
        let place = row.saturating_mul(dim)..row.saturating_add(1).saturating_mul(dim);
        match self {
            Self::F32(values) | Self::Int8 { exact: values, .. } => match values.get(place) {
                Some(values) => out.copy_from_slice(values),
                None => return false,
            },
            Self::F16(bits) => match bits.get(place) {
                Some(bits) => {
                    out.iter_mut()
                        .zip(bits)
                        .for_each(|(out, &bits)| *out = half::f16::from_bits(bits).to_f32());
                }
                None => return false,
            },
        }
        true
    }
}

/// A row in eight bits: its codes, and the scale that gives the values back.
pub fn quantize(values: &[f32], codes: &mut Vec<i8>) -> f32 {
    let largest = values.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    // A row of zeros, or one too small to tell from it: every code is 0.
    let scale = if largest > f32::MIN_POSITIVE * 127.0 { largest / 127.0 } else { 0.0 };
    let code = |&value: &f32| if scale > 0.0 { (value / scale).round_ties_even() as i8 } else { 0 };
    codes.clear();
    codes.extend(values.iter().map(code));
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_within_half_a_step() {
        let values: Vec<f32> = (0..100).map(|n| ((n * 37) % 100) as f32 / 100.0 - 0.5).collect();
        let mut codes = Vec::new();
        let scale = quantize(&values, &mut codes);
        for (value, code) in values.iter().zip(&codes) {
            assert!((value - f32::from(*code) * scale).abs() <= scale * 0.5001, "{value} {code}");
        }
        assert_eq!(codes.iter().map(|code| code.unsigned_abs()).max(), Some(127));
        assert_eq!((quantize(&[0.0, 0.0], &mut codes), codes.as_slice()), (0.0, &[0, 0][..]));
    }

    #[test]
    fn rows_are_read_in_every_precision() {
        let values = [0.5f32, -0.25, 1.0, 0.0];
        let bits = values.map(|value| half::f16::from_f32(value).to_bits());
        let int8 = Rows::Int8 { codes: &[64, -32, 127, 0], scales: &[0.0, 0.0], exact: &values };
        for rows in [Rows::F32(&values), Rows::F16(&bits), int8] {
            let mut row = [0.0; 2];
            assert!(rows.read(1, &mut row) && row == [1.0, 0.0] && rows.len(2) == 2);
            assert!(!rows.read(2, &mut row) && !rows.read(usize::MAX, &mut row));
        }
    }

    #[test]
    fn names_come_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
            assert_eq!(serde_json::to_string(&precision).unwrap(), format!("\"{precision}\""));
        }
        assert!("f64".parse::<Precision>().unwrap_err().contains("f64"));
    }
}
