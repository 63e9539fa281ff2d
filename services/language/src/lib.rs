//! The language service: prompts to text and retrieval queries.
