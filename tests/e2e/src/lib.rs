//! Dialogues against real services.
