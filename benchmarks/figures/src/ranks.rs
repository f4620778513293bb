//! Mean ranks on a line, with bars over those that cannot be told apart (Demšar, "Statistical Comparisons of Classifiers
//! over Multiple Data Sets", JMLR 2006).

use crate::Chart;
use crate::canvas::{Anchor, Canvas, Ink, Shape, Stroke, at, mark};
use crate::font;
use crate::frame::{NORMAL, SMALL};

/// Mean ranks of methods.
#[derive(Clone, Debug, PartialEq)]
pub struct RankDiagram {
    /// What it shows.
    pub title: String,
    /// Each method as a series, by its number, with its name and its mean rank, of which 1 is the best.
    pub ranks: Vec<(usize, String, f64)>,
    /// By how much two mean ranks must differ, and under what conditions, if that is known.
    pub critical_difference: Option<(f64, String)>,
}

impl Chart for RankDiagram {
    fn draw(&self, width: f64) -> Canvas {
        let widest = self.ranks.iter().map(|(_, name, _)| font::width(name, NORMAL)).fold(0.0, f64::max);
        let side = (widest + 12.0).min(width / 3.0);
        let count = self.ranks.len().max(2) as f64;
        let (left, right, axis) = (side, width - side, 34.0);
        let place = |rank: f64| left + (rank - 1.0) / (count - 1.0) * (right - left);
        let mut shapes = vec![Shape::line(&[at(left, axis), at(right, axis)], Stroke::solid(Ink::Text, 0.8))];
        for rank in 1..=count as usize {
            let x = place(rank as f64);
            shapes.push(Shape::line(&[at(x, axis - 3.0), at(x, axis)], Stroke::solid(Ink::Text, 0.6)));
            shapes.push(Shape::text(at(x, axis - 5.0), rank.to_string(), SMALL, Anchor::Middle));
        }
        let mut sorted: Vec<&(usize, String, f64)> = self.ranks.iter().collect();
        sorted.sort_by(|one, two| one.2.total_cmp(&two.2));
        if let Some((difference, conditions)) = &self.critical_difference {
            // No two ranks are further apart than the axis is long.
            let ends = [left, left + (difference / (count - 1.0)).min(1.0) * (right - left)];
            shapes.push(Shape::line(&[at(ends[0], 14.0), at(ends[1], 14.0)], Stroke::solid(Ink::Text, 1.2)));
            let text = format!("critical difference {difference:.2} ({conditions})");
            shapes.push(Shape::text(at(ends[0], 9.0), text, SMALL, Anchor::Start));
        }
        let bars = self.groups(&sorted);
        let first_row = axis + 8.0 + 5.0 * bars.len() as f64;
        for (row, (from, to)) in bars.iter().enumerate() {
            let y = axis + 5.0 + 5.0 * row as f64;
            shapes.push(Shape::line(
                &[at(place(*from) - 3.0, y), at(place(*to) + 3.0, y)],
                Stroke::solid(Ink::Text, 2.0),
            ));
        }
        let half = sorted.len().div_ceil(2);
        for (order, (series, name, rank)) in sorted.iter().enumerate() {
            let (row, end, anchor) = if order < half {
                (order, left - 6.0, Anchor::End)
            } else {
                (sorted.len() - 1 - order, right + 6.0, Anchor::Start)
            };
            let y = first_row + 6.0 + row as f64 * 11.0;
            let x = place(*rank);
            let parts = vec![
                Shape::line(&[at(x, axis), at(x, y), at(end, y)], Stroke::solid(Ink::Text, 0.5)),
                mark(*series, at(x, axis), 2.2),
                Shape::text(at(end + if order < half { -2.0 } else { 2.0 }, y + NORMAL * 0.36), name, NORMAL, anchor),
            ];
            let data = vec![("column", name.clone())];
            shapes.push(Shape::Group { data, title: format!("{name}: mean rank {rank:.2}"), shapes: parts });
        }
        Canvas { title: self.title.clone(), width, height: first_row + 10.0 + half as f64 * 11.0, shapes }
    }
}

impl RankDiagram {
    /// The longest runs of methods whose ranks differ by less than the critical difference: first and last rank.
    fn groups(&self, sorted: &[&(usize, String, f64)]) -> Vec<(f64, f64)> {
        let Some((difference, _)) = &self.critical_difference else { return Vec::new() };
        let ranks: Vec<f64> = sorted.iter().map(|(_, _, rank)| *rank).collect();
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for first in 0..ranks.len() {
            let last = ranks.partition_point(|rank| *rank < ranks[first] + difference) - 1;
            if last > first && groups.last().is_none_or(|(_, before)| last > *before) {
                groups.push((first, last));
            }
        }
        groups.into_iter().map(|(first, last)| (ranks[first], ranks[last])).collect()
    }
}
