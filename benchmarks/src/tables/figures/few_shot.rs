//! Few-shot curves: accuracy by shots, a panel for the average and for each data set.

use super::{Figure, lacking, number_of, series, spread};
use crate::tables::{PublishedLine, Table};
use nemesis_figures::{LineChart, LinePanel, Mark, Series};
use std::collections::BTreeSet;

/// The curves of a few-shot table with at least two numbers of shots. Zero-shot CLIP, if it is there, is a mark at 0, and what others have
/// published is dashed.
pub(in crate::tables) fn few_shot(table: &Table, published: &[PublishedLine]) -> Option<Figure> {
    let series = series(table);
    let shots: Vec<Option<f64>> = table.groups.iter().map(|group| group.key.parse().ok()).collect();
    let most = shots.iter().flatten().copied().fold(0.0, f64::max);
    // All images stand behind the largest number of shots.
    let x: Vec<(f64, String)> = shots
        .iter()
        .zip(&table.groups)
        .map(|(shots, group)| {
            shots.map_or((2.0 * most.max(1.0), group.key.clone()), |shots| (shots, shots.to_string()))
        })
        .collect();
    if x.iter().filter(|(shots, _)| *shots > 0.0).count() < 2 {
        return None;
    }
    let mut rows: Vec<_> = table.rows.iter().collect();
    rows.sort_by_key(|row| !row.summary);
    let mut sources: BTreeSet<&str> = BTreeSet::new();
    let panels = rows.into_iter().map(|row| {
        let mut curves: Vec<Series> =
            (0..series.len()).map(|number| Series { number, points: Vec::new(), reference: false }).collect();
        let mut marks = Vec::new();
        for ((group, values), (shots, _)) in table.groups.iter().zip(&row.values).zip(&x) {
            for (column, value) in group.columns.iter().zip(values) {
                let Some(measure) = value.measure() else { continue };
                let number = number_of(&series, &column.label);
                if group.baseline {
                    marks.push(Mark { number, x: *shots, y: measure.mean });
                } else {
                    curves[number].points.push((*shots, measure.mean, measure.deviation));
                }
            }
        }
        curves.retain(|curve| !curve.points.is_empty());
        // Only the shots that ours have as well: others have no place on the axis.
        let has_place = |(shots, _): &&(f64, f64)| x.iter().any(|(known, _)| known.total_cmp(shots).is_eq());
        for line in published.iter().filter(|line| line.row == row.heading.key && series.contains(&line.column)) {
            let points: Vec<_> =
                line.points.iter().filter(has_place).map(|(shots, value)| (*shots, *value, None)).collect();
            if points.len() > 1 {
                sources.insert(line.source.as_str());
                curves.push(Series { number: number_of(&series, &line.column), points, reference: true });
            }
        }
        LinePanel {
            key: row.heading.key.clone(),
            title: row.heading.label.clone(),
            x: x.clone(),
            y_label: None,
            decimals: 1,
            series: curves,
            marks,
        }
    });
    let chart = LineChart {
        title: table.title.clone(),
        x_label: "Training images per class".to_owned(),
        y_label: "Accuracy (%)".to_owned(),
        panels: panels.collect(),
        series: series.clone(),
    };
    let dashed = if sources.is_empty() {
        String::new()
    } else {
        format!("; dashed: published ({})", sources.into_iter().collect::<Vec<_>>().join(", "))
    };
    let shaded = spread(table);
    let lacking = lacking(table);
    let has_values =
        |group: usize| table.rows.iter().any(|row| row.values[group].iter().any(|v| v.measure().is_some()));
    let is_at_zero = table.groups.iter().enumerate().any(|(place, group)| group.baseline && has_values(place));
    let at_zero = if is_at_zero { "; at 0: zero-shot CLIP" } else { "" };
    let caption = format!("Accuracy by training images per class; shaded: {shaded}{dashed}{at_zero}.{lacking}");
    Some(Figure::new("few-shot", caption, Box::new(chart)))
}
