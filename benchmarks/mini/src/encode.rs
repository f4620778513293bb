//! Pictures as JPEG and PNG files, the same bytes on every machine.

use super::paint::Picture;
use super::sets::Format;
use nemesis_core::{Error, Result};

/// High enough that the lossy coding does not hide what little pictures show.
const JPEG_QUALITY: f32 = 85.0;

/// The bytes of a picture's file.
pub(super) fn encode(picture: &Picture, format: Format) -> Result<Vec<u8>> {
    match format {
        Format::Jpeg => jpeg(picture).map_err(|e| Error::new(format!("cannot encode a JPEG picture: {e}"))),
        Format::Png => png(picture).map_err(|e| Error::new(format!("cannot encode a PNG picture: {e}"))),
    }
}

fn jpeg(picture: &Picture) -> std::io::Result<Vec<u8>> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    // Without mozjpeg's search for better quantisation, which computes in floating point.
    encoder.set_fastest_defaults();
    encoder.set_size(picture.width, picture.height);
    encoder.set_quality(JPEG_QUALITY);
    let mut started = encoder.start_compress(Vec::new())?;
    started.write_scanlines(&picture.bytes())?;
    started.finish()
}

fn png(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.bytes())?;
    writer.finish()?;
    Ok(bytes)
}
