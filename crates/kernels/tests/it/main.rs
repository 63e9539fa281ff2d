//! Kernels against their definitions in f64, on every kind of machine that this one is of, by teams of one to three threads.

#![allow(clippy::unwrap_used)] // the lint knows test functions only, not what they share

mod activations;
mod among;
mod attention;
mod buffers;
mod dialogue;
mod drawn;
mod loads;
mod norms;
mod passes;
mod products;
mod spans;
mod weights;
