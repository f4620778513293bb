//! FGVCAircraft's text files: `variants.txt`, and for each split lines of an image and its variant.
//!
//! The archive has the same lists for manufacturers and families; variants are the classes. Their names hold spaces and
//! slashes (`F-16A/B`), so they are never paths.

use super::{Listings, RelativePath};
use crate::dataset::Sample;
use crate::dataset::classes::check_name;
use crate::dataset::listed::Contents;
use crate::error::suggest;
use crate::{Error, Result, files};
use std::collections::HashMap;
use std::path::Path;

/// Reads the lists in `folder`; sample paths begin with `images`.
pub(super) fn read(folder: &Path, images: &Path) -> Result<Contents> {
    let class_names = read_variants(&folder.join("variants.txt"))?;
    let mut listings = Listings::default();
    let mut split = |name| {
        let file = folder.join(format!("images_variant_{name}.txt"));
        parse_list(&files::read_text(&file)?, &class_names, images, name, &mut listings).map_err(|e| e.at(&file))
    };
    let (train, val, test) = (split("train")?, split("val")?, split("test")?);
    Ok(Contents { class_names, train, val: Some(val), test, ..Contents::default() })
}

/// One variant a line; its label is the line's index.
fn read_variants(file: &Path) -> Result<Vec<String>> {
    let text = files::read_text(file)?;
    let mut lines: HashMap<&str, usize> = HashMap::new();
    // Empty lines at the end are no variants; one among them would shift labels.
    let variants = text.trim_end().lines().map(str::trim);
    for (index, variant) in variants.clone().enumerate() {
        let error = if variant.is_empty() {
            Error::new("an empty line among the variants")
        } else if let Some(first) = lines.insert(variant, index) {
            Error::new(format!("the variant `{variant}` is on line {} already", first + 1))
        } else if let Err(error) = check_name(index, variant) {
            error
        } else {
            continue;
        };
        return Err(error.at(file).line(index + 1));
    }
    if lines.is_empty() {
        return Err(Error::new("the list of variants is empty").at(file).expected("one variant a line"));
    }
    Ok(variants.map(str::to_owned).collect())
}

/// Lines of an image, without `.jpg`, and its variant.
fn parse_list(
    text: &str,
    class_names: &[String],
    images: &Path,
    split: &'static str,
    listings: &mut Listings,
) -> Result<Vec<Sample>> {
    let labels: HashMap<&str, u32> = class_names.iter().zip(0..).map(|(name, label)| (name.as_str(), label)).collect();
    let mut parse = |line: &str| {
        let (image, variant) = line.trim().split_once([' ', '\t']).ok_or_else(|| {
            Error::new(format!("`{line}` is not an image and its variant")).expected("lines like `1025794 707-320`")
        })?;
        let variant = variant.trim_start();
        let label = *labels.get(variant).ok_or_else(|| {
            Error::new(format!("the variant `{variant}` is not in `variants.txt`"))
                .help(suggest(variant, class_names.iter().map(String::as_str)))
        })?;
        let path = images.join(RelativePath::file(&format!("{image}.jpg"))?);
        listings.add(&path, split)?;
        Ok(Sample { path, label })
    };
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| parse(line).map_err(|e: Error| e.line(i + 1))).collect()
}
