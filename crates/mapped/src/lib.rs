//! Read-only memory maps of files: the one place with unsafe code.
