//! What CLIP's images go through before they are encoded.

use crate::image::{Preprocess, RandomCrop};

/// OpenAI's normalisation, at a side of `size` pixels.
pub fn preprocess(size: usize) -> Preprocess {
    Preprocess {
        size,
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
        crop: RandomCrop::COOP,
    }
}
