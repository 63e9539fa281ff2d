//! The vision service: picture bytes to CLIP features.
