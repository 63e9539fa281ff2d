//! The retrieval service: query embeddings to pictures.
