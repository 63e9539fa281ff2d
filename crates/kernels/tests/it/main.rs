//! Kernels against their definitions.
