//! Recognises the format of a file by its first bytes.

use std::fmt;

/// An image format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Format {
    Jpeg,
    Png,
    Gif,
    Bmp,
    WebP,
    Tiff,
    Jpeg2000,
    Heif,
}

impl Format {
    /// How many bytes of a file determine its format.
    pub const HEAD: usize = 12;

    /// The format of a file that begins with these bytes, if we know it.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', ..] => Some(Self::Gif),
            [b'B', b'M', ..] => Some(Self::Bmp),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some(Self::Tiff),
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Some(Self::Jpeg2000),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..]
                if [&b"avif"[..], b"avis", b"heic", b"heix", b"mif1"].iter().any(|known| brand.starts_with(known)) =>
            {
                Some(Self::Heif)
            }
            _ => None,
        }
    }

    /// Whether [`super::decode`] reads it.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
            Self::Jpeg2000 => "JPEG 2000",
            Self::Heif => "HEIF or AVIF",
        })
    }
}
