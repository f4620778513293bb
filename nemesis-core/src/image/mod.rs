//! Images: decoding, exact resizing, augmentation.
