//! Dialogues against real services: see `tests/it`.
