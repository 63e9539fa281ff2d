//! Starts real services in one process on free ports, for tests.
