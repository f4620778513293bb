//! The small CLIP's weights, which the program carries with it.

use nemesis_core::{Result, files};
use std::path::{Path, PathBuf};

/// Made by `nemesis mini pretrain` from the recipe that lies beside it.
const WEIGHTS: &[u8] = include_bytes!("../mini-clip.safetensors");

/// Whether this is the hash of the small CLIP's checkpoint.
pub fn is_mini(hash: &str) -> bool {
    blake3::hash(WEIGHTS).to_hex().as_str() == hash
}

/// Makes sure that the small CLIP's checkpoint lies in `folder`, and returns its path.
///
/// # Errors
///
/// When the file cannot be written.
pub fn ensure_weights(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("mini-clip.safetensors");
    let wanted = blake3::hash(WEIGHTS).to_hex().to_string();
    if !path.is_file() || files::hash(&path)? != wanted {
        files::write_atomic(&path, WEIGHTS)?;
    }
    Ok(path)
}
