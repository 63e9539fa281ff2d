//! Checks the model against reference vectors.
