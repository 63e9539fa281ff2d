//! The gateway: the dialogue API, one turn composed of vision, language and retrieval.
