//! The towers as networks that gradients pass through.

pub(crate) mod attention;
pub mod opt;
