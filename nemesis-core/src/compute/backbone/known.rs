//! Published backbones that a checkpoint may be known to be.

use crate::files;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// A checkpoint that OpenAI published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// OpenAI's name for it.
    pub name: &'static str,
    /// The name of its file.
    pub file: &'static str,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: &'static str,
    /// Its sizes, as `BackboneSpec::shape` tells them.
    pub shape: &'static str,
}

/// All of OpenAI's checkpoints. Names, files and sums are from `clip/clip.py` of github.com/openai/CLIP; shapes follow
/// from the tensors' sizes, as `build_model` in its `clip/model.py` reads them off.
pub const OPENAI: [Published; 9] = [
    published(
        "RN50",
        "RN50.pt",
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        "ResNet of width 64 with 3, 4, 6 and 3 blocks, 224 pixels; text of width 512, 12 layers; 1024 dimensions",
    ),
    published(
        "RN101",
        "RN101.pt",
        "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        "ResNet of width 64 with 3, 4, 23 and 3 blocks, 224 pixels; text of width 512, 12 layers; 512 dimensions",
    ),
    published(
        "RN50x4",
        "RN50x4.pt",
        "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        "ResNet of width 80 with 4, 6, 10 and 6 blocks, 288 pixels; text of width 640, 12 layers; 640 dimensions",
    ),
    published(
        "RN50x16",
        "RN50x16.pt",
        "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
        "ResNet of width 96 with 6, 8, 18 and 8 blocks, 384 pixels; text of width 768, 12 layers; 768 dimensions",
    ),
    published(
        "RN50x64",
        "RN50x64.pt",
        "be1cfb55d75a9666199fb2206c106743da0f6468c9d327f3e0d0a543a9919d9c",
        "ResNet of width 128 with 3, 15, 36 and 10 blocks, 448 pixels; text of width 1024, 12 layers; 1024 dimensions",
    ),
    published(
        "ViT-B/32",
        "ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        "ViT of width 768, 12 layers, patches of 32, 224 pixels; text of width 512, 12 layers; 512 dimensions",
    ),
    published(
        "ViT-B/16",
        "ViT-B-16.pt",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        "ViT of width 768, 12 layers, patches of 16, 224 pixels; text of width 512, 12 layers; 512 dimensions",
    ),
    published(
        "ViT-L/14",
        "ViT-L-14.pt",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        "ViT of width 1024, 24 layers, patches of 14, 224 pixels; text of width 768, 12 layers; 768 dimensions",
    ),
    published(
        "ViT-L/14@336px",
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        "ViT of width 1024, 24 layers, patches of 14, 336 pixels; text of width 768, 12 layers; 768 dimensions",
    ),
];

const fn published(name: &'static str, file: &'static str, sha256: &'static str, shape: &'static str) -> Published {
    Published { name, file, sha256, shape }
}

/// The published checkpoint whose file has this SHA-256.
pub fn by_sha256(sha256: &str) -> Option<&'static Published> {
    OPENAI.iter().find(|published| published.sha256 == sha256)
}

/// The published checkpoint of this shape. Any number of other models may have the same one.
pub fn by_shape(shape: &str) -> Option<&'static Published> {
    OPENAI.iter().find(|published| published.shape == shape)
}

/// What a model has in place of the layers of the published one whose other sizes are all its own, in a sentence; nothing
/// when there is no such model. A model without its text tower is compared in what it has.
pub(super) fn other_depth(shape: &str) -> Option<String> {
    let parts: Vec<&str> = shape.split("; ").collect();
    let found = OPENAI.iter().find_map(|published| {
        let theirs: Vec<&str> = published.shape.split("; ").collect();
        // The text tower is the part that may be missing.
        let theirs = if parts.len() == 2 { vec![theirs[0], theirs[2]] } else { theirs };
        let same = parts.len() == theirs.len()
            && parts.iter().zip(&theirs).all(|(part, their)| without_depth(part) == without_depth(their));
        same.then_some((published, theirs))
    });
    let (published, theirs) = found?;
    let (part, their) = parts.iter().zip(theirs).find(|(part, their)| *part != their)?;
    let tower = if their.starts_with("text") { "text" } else { "image" };
    let [here, there] = [part, their].map(depth);
    Some(format!("{} has {there} in its {tower} tower, and this file has {here}", published.name))
}

/// How deep a tower is, in the words of its sizes: `12 layers`, or `3, 4, 6 and 3 blocks`.
fn depth(part: &str) -> &str {
    let layers = part.split(", ").find(|words| words.ends_with(" layers"));
    layers.or_else(|| part.split_once(" with ")?.1.split_inclusive(" blocks").next()).unwrap_or_default()
}

/// The sizes of a tower but for how deep it is.
fn without_depth(part: &str) -> String {
    let depth = depth(part);
    if depth.is_empty() { part.to_owned() } else { part.replacen(depth, "", 1) }
}

/// The published checkpoint that a file is, byte by byte. Only files that can be one are read; one that cannot be read
/// is none.
pub fn of_file(path: &Path) -> Option<&'static Published> {
    let mut beginning = [0; ARCHIVE.len()];
    files::open(path).and_then(|mut file| file.read_exact(&mut beginning)).ok()?;
    if beginning != ARCHIVE {
        return None;
    }
    by_sha256(&sha256(&std::fs::read(path).ok()?))
}

/// What published checkpoints begin with: they are zip archives.
const ARCHIVE: [u8; 4] = *b"PK\x03\x04";

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sums_and_shapes_tell_all_apart() {
        let sums: BTreeSet<&str> = OPENAI.iter().map(|published| published.sha256).collect();
        let shapes: BTreeSet<&str> = OPENAI.iter().map(|published| published.shape).collect();
        assert_eq!((sums.len(), shapes.len()), (OPENAI.len(), OPENAI.len()));
        assert!(sums.iter().all(|sum| sum.len() == 64));
    }

    #[test]
    fn a_published_model_of_another_depth_is_told() {
        assert!(OPENAI.iter().all(|published| other_depth(published.shape).is_none()));
        let said = |name: &str, from: &str, to: &str| {
            let published = OPENAI.iter().find(|published| published.name == name).unwrap();
            assert!(published.shape.contains(from));
            other_depth(&published.shape.replacen(from, to, 1)).unwrap_or_default()
        };
        let shorter = said("ViT-B/32", "12 layers, patches", "11 layers, patches");
        assert_eq!(shorter, "ViT-B/32 has 12 layers in its image tower, and this file has 11 layers");
        let text = said("RN50x64", "1024, 12 layers", "1024, 13 layers");
        assert_eq!(text, "RN50x64 has 12 layers in its text tower, and this file has 13 layers");
        let blocks = said("RN50", "6 and 3", "6 and 2");
        assert_eq!(blocks, "RN50 has 3, 4, 6 and 3 blocks in its image tower, and this file has 3, 4, 6 and 2 blocks");
        let alone = said(
            "ViT-B/16",
            "12 layers, patches of 16, 224 pixels; text of width 512, 12 layers",
            "1 layers, patches of 16, 224 pixels",
        );
        assert_eq!(alone, "ViT-B/16 has 12 layers in its image tower, and this file has 1 layers");
        // Another width is another model.
        assert_eq!(said("ViT-B/16", "768, 12", "640, 11"), "");
    }

    #[test]
    fn a_file_is_known_by_its_sum_alone() {
        let file = "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f";
        assert_eq!(by_sha256(file).unwrap().name, "ViT-B/16");
        assert_eq!(by_sha256(&sha256(b"")), None);
        // The sum of nothing, from FIPS 180's test vectors.
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
