//! SUN397's lists: `/a/apse/indoor/sun_x.jpg`, an image below its class's folder, which may be nested.

use super::{Pool, Row, malformed, parse_lines};
use crate::error::suggest;
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// Reads the classes and the first of the published partitions; a class's label is its line in `ClassName.txt`.
pub(super) fn read(folder: &Path) -> Result<Pool> {
    let class = |line: &str| line.strip_prefix('/').map(str::to_owned).ok_or_else(|| malformed(line, "/a/abbey"));
    let classes = parse_lines(&folder.join("ClassName.txt"), class)?;
    let labels: HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let list = |name| parse_lines(&folder.join(name), |line| parse(line, &classes, &labels));
    Ok(Pool::Tested { trainval: list("Training_01.txt")?, test: list("Testing_01.txt")? })
}

fn parse(line: &str, classes: &[String], labels: &HashMap<&str, u32>) -> Result<Row> {
    let example = "/a/abbey/sun_aaalbzqrimafwbiv.jpg";
    let image = line.strip_prefix('/').ok_or_else(|| malformed(line, example))?;
    let (class, _file) = image.rsplit_once('/').ok_or_else(|| malformed(line, example))?;
    let label = *labels.get(class).ok_or_else(|| {
        Error::new(format!("the class `/{class}` is not in `ClassName.txt`"))
            .help(suggest(class, classes.iter().map(String::as_str)))
    })?;
    // Without the letter, and backwards, so that `apse/indoor` reads `indoor apse`.
    let name = class.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(" ");
    Ok((image.to_owned(), label, name))
}
