//! Index generations: build, open, search; pure.
