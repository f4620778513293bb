//! Published values of the methods that were run, as lines of few-shot curves.

use super::{SideBySide, Splits, is_mini, is_of, normalised};
use crate::published::{AVERAGE, Protocol, Published};
use crate::results::{ELEVEN, Evaluation, Results};
use crate::tables::PublishedLine;
use nemesis_core::Result;
use serde_json::json;

/// The published few-shot lines of what our columns are, by the rules of [`super::compare`]: the same backbone by its hash,
/// the same options and splits, and the protocol `paper` as it stands. A line is shown where ours has a value in its row, and
/// that of the average where the table is of the same eleven data sets.
///
/// # Errors
///
/// When the embedded numbers or the built-in registry cannot be read, which their tests rule out.
pub fn published_lines(results: &Results) -> Result<Vec<PublishedLine>> {
    let Some(backbone) = results.published_backbone().filter(|_| is_mini(results).is_none()) else {
        return Ok(Vec::new());
    };
    let is_of_eleven =
        results.datasets.len() == ELEVEN.len() && ELEVEN.iter().all(|name| results.rank(name) < ELEVEN.len());
    let mut lines = Vec::new();
    for published in &Published::gather(&[])? {
        if published.table != Protocol::FewShot || normalised(backbone) != normalised(&published.backbone) {
            continue;
        }
        let side = SideBySide { published, results, said: None, splits: Splits::of(results)?, tolerance: 0.0 };
        for column in &results.columns {
            for block in &published.methods {
                // The published numbers are by the paper's protocol, and a figure has no place to say that ours are not.
                let is_paper = |run: &&Evaluation| {
                    run.record.cell.protocol.get("name") == Some(&json!("paper")) && !results.changes_protocol(run)
                };
                let runs = side.usable().filter(|run| run.column == *column && is_of(run, block)).filter(is_paper);
                let ours = side.values(runs);
                let rows = block.rows.keys().filter(|row| ours.keys().any(|(ours, _)| ours == *row));
                for row in rows.filter(|row| *row != AVERAGE || is_of_eleven) {
                    let point =
                        |group: &String| Some((group.parse::<f64>().ok()?, published.get(block, row, group)?.value));
                    let points: Vec<(f64, f64)> = published.groups.iter().filter_map(point).collect();
                    if points.len() > 1 {
                        lines.push(PublishedLine {
                            column: column.clone(),
                            row: row.clone(),
                            source: published.name.clone(),
                            points,
                        });
                    }
                }
            }
        }
    }
    Ok(lines)
}
