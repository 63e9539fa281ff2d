//! Builds index generations from folders of captioned pictures.
