//! What the index stores of a picture: its file, a thumbnail, or nothing.

use std::io::Cursor;

use anyhow::{Context, Result};
use image::{DynamicImage, ImageFormat, codecs::jpeg::JpegEncoder, imageops::FilterType};

use super::kept::Picture;

/// Quality of thumbnails, of 100.
const QUALITY: u8 = 85;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Store {
    Files,
    /// Of at most so many pixels a side.
    Thumbnails(u32),
    Nothing,
}

impl Store {
    /// The media type and the bytes; `from_web` if they cannot be read a second time.
    pub(crate) fn keep(
        self,
        bytes: Vec<u8>,
        image: &DynamicImage,
        from_web: bool,
    ) -> Result<(String, Picture)> {
        let format = image::guess_format(&bytes).ok();
        let media_type = format.map_or("application/octet-stream", |format| format.to_mime_type()).to_owned();
        Ok(match self {
            Self::Nothing => (String::new(), Picture::Nothing),
            Self::Files if from_web => (media_type, Picture::Bytes(bytes)),
            Self::Files => (media_type, Picture::File),
            Self::Thumbnails(side) => {
                let (format, bytes) = thumbnail(image, side, format)?;
                (format.to_mime_type().to_owned(), Picture::Bytes(bytes))
            }
        })
    }
}

/// Encoded anew, so that nothing stays of what a camera notes (places, for one). Formats of drawings become PNG.
fn thumbnail(image: &DynamicImage, side: u32, from: Option<ImageFormat>) -> Result<(ImageFormat, Vec<u8>)> {
    let larger = image.width() > side || image.height() > side;
    let scaled = larger.then(|| image.resize(side, side, FilterType::Lanczos3));
    let image = scaled.as_ref().unwrap_or(image).to_rgb8();
    let mut bytes = Vec::new();
    let drawn = matches!(from, Some(ImageFormat::Png | ImageFormat::Gif | ImageFormat::Bmp));
    let format = if drawn { ImageFormat::Png } else { ImageFormat::Jpeg };
    let encoded = if drawn {
        image.write_to(&mut Cursor::new(&mut bytes), format)
    } else {
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&image)
    };
    encoded.context("making its thumbnail")?;
    Ok((format, bytes))
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn thumbnails_fit_and_small_pictures_do_not_grow() {
        for (size, from, expected, sides) in [
            ((400, 100), ImageFormat::Png, "image/png", (64, 16)),
            ((100, 400), ImageFormat::Jpeg, "image/jpeg", (16, 64)),
            ((64, 64), ImageFormat::WebP, "image/jpeg", (64, 64)),
            ((5000, 1), ImageFormat::Gif, "image/png", (64, 1)),
            ((3, 2), ImageFormat::Bmp, "image/png", (3, 2)),
        ] {
            let image = DynamicImage::from(RgbImage::from_pixel(size.0, size.1, image::Rgb([200, 30, 30])));
            let mut file = Vec::new();
            image.write_to(&mut Cursor::new(&mut file), from).unwrap();
            let (media_type, picture) = Store::Thumbnails(64).keep(file, &image, false).unwrap();
            let Picture::Bytes(bytes) = picture else { panic!("no bytes") };
            let small = image::load_from_memory(&bytes).unwrap();
            assert_eq!((media_type.as_str(), small.width(), small.height()), (expected, sides.0, sides.1));
            let red = small.to_rgb8().get_pixel(0, 0).0;
            assert!(red[0] > 180 && red[1] < 60, "{red:?}");
        }
    }

    #[test]
    fn files_are_kept_where_they_cannot_be_had_again() {
        let image = DynamicImage::from(RgbImage::new(2, 2));
        let mut file = Vec::new();
        image.write_to(&mut Cursor::new(&mut file), ImageFormat::Png).unwrap();
        let keep = |store: Store, web| store.keep(file.clone(), &image, web).unwrap();
        assert_eq!(keep(Store::Files, true), ("image/png".to_owned(), Picture::Bytes(file.clone())));
        assert_eq!(keep(Store::Files, false), ("image/png".to_owned(), Picture::File));
        assert_eq!(keep(Store::Nothing, true), (String::new(), Picture::Nothing));
    }
}
