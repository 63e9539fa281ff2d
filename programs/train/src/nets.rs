//! The towers as networks that gradients pass through.

pub mod opt;
