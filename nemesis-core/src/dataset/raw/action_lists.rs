//! UCF101's lists of videos, of which CoOp takes the middle frame: `ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`.

use super::{Pool, Row, from_one, malformed, parse_lines};
use crate::error::suggest;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads the classes and the first of the published partitions in `lists`.
pub(super) fn read(lists: &Path) -> Result<Pool> {
    let class = |line: &str| {
        let (label, action) = line.split_once(' ').ok_or_else(|| malformed(line, "1 ApplyEyeMakeup"))?;
        Ok((action.to_owned(), from_one(label)?))
    };
    let labels: BTreeMap<String, u32> = parse_lines(&lists.join("classInd.txt"), class)?.into_iter().collect();
    let list = |name| parse_lines(&lists.join(name), |line| parse(line, &labels));
    Ok(Pool::Tested { trainval: list("trainlist01.txt")?, test: list("testlist01.txt")? })
}

/// The label that a training list adds is left aside, as CoOp does.
fn parse(line: &str, labels: &BTreeMap<String, u32>) -> Result<Row> {
    let video = line.split(' ').next().unwrap_or(line);
    let (action, file) =
        video.split_once('/').ok_or_else(|| malformed(line, "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1"))?;
    let label = *labels.get(action).ok_or_else(|| {
        Error::new(format!("the action `{action}` is not in `classInd.txt`"))
            .help(suggest(action, labels.keys().map(String::as_str)))
    })?;
    let name = words(action);
    // The file keeps its own spelling, which may differ in case from its folder's (`v_HandStandPushups_…`).
    Ok((format!("{name}/{}", file.replace(".avi", ".jpg")), label, name))
}

/// `ApplyEyeMakeup` as `Apply_Eye_Makeup`.
fn words(action: &str) -> String {
    let mut words = String::new();
    for letter in action.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(letter);
    }
    words
}
