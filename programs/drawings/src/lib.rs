//! Draws the gallery: emoji as captioned PNG files.
