//! Whether to behave as is right, or as the published code does where that differs.

use std::{fmt, str::FromStr};

/// The switch for behaviours of the published model's code that are wrong in principle, but without which its
/// published numbers and examples do not come out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compat {
    /// What is right.
    #[default]
    Off,
    /// What the published code does.
    Reference,
}

impl Compat {
    /// Whether the published code is followed.
    pub fn is_reference(self) -> bool {
        self == Self::Reference
    }
}

impl fmt::Display for Compat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Reference => "reference",
        })
    }
}

/// A word that names no behaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `off` or `reference`, got `{0}`")]
pub struct CompatError(String);

impl FromStr for Compat {
    type Err = CompatError;

    fn from_str(text: &str) -> Result<Self, CompatError> {
        match text {
            "off" => Ok(Self::Off),
            "reference" => Ok(Self::Reference),
            other => Err(CompatError(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for compat in [Compat::Off, Compat::Reference] {
            assert_eq!(compat.to_string().parse(), Ok(compat));
        }
        let error = "Reference".parse::<Compat>().unwrap_err().to_string();
        assert!(error.contains("`off` or `reference`") && error.contains("Reference"), "{error}");
    }
}
