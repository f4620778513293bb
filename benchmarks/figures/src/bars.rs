//! Bars in groups, with the spread of each.

use crate::Chart;
use crate::canvas::{Anchor, Canvas, Ink, Shape, Stroke, at};
use crate::frame::{Frame, SMALL, axis_labels};
use crate::legend::legend;
use crate::scale::Scale;

/// Groups of bars from one baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct BarChart {
    /// What it shows.
    pub title: String,
    /// What the vertical axis shows.
    pub y_label: String,
    /// The names of the series, in the order of their colours.
    pub series: Vec<String>,
    /// The groups, from left to right.
    pub groups: Vec<BarGroup>,
}

/// Bars side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct BarGroup {
    /// The key of what it is of.
    pub key: String,
    /// What stands below it.
    pub label: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Its place among the chart's series.
    pub number: usize,
    /// Its value.
    pub value: f64,
    /// How far the spread reaches to both sides, if it is known.
    pub spread: Option<f64>,
}

impl Chart for BarChart {
    /// The axis begins at zero, so that lengths compare.
    fn draw(&self, width: f64) -> Canvas {
        const LEFT: f64 = 36.0;
        const HEIGHT: f64 = 120.0;
        let (mut shapes, top) = legend(&self.series, at(LEFT, 3.0), width - LEFT);
        let bars = self.groups.iter().flat_map(|group| &group.bars);
        let ends = bars.flat_map(|bar| [bar.value - bar.spread.unwrap_or(0.0), bar.value + bar.spread.unwrap_or(0.0)]);
        let y = Scale::around(ends.chain([0.0]), 5);
        let x = Scale::Linear(0.0, self.groups.len().max(1) as f64);
        let corner = at(LEFT, top + 8.0);
        let across = width - LEFT - 6.0;
        let frame = Frame { corner, width: across, height: HEIGHT, x: &x, y: &y };
        shapes.extend(frame.shapes("", [0, 5]).into_iter().filter(|shape| !is_lone_tick(shape, corner.y + HEIGHT)));
        let each = across / self.groups.len().max(1) as f64;
        let longest = self.groups.iter().map(|group| crate::font::width(&group.label, SMALL)).fold(0.0, f64::max);
        let most = self.groups.iter().map(|group| group.bars.len()).max().unwrap_or(1).max(1);
        let thick = each * 0.8 / most as f64;
        for (place, group) in self.groups.iter().enumerate() {
            let left = corner.x + each * (place as f64 + 0.1);
            let mut parts = Vec::new();
            for (index, Bar { number, value, spread }) in group.bars.iter().enumerate() {
                let x = left + index as f64 * thick;
                let [zero, tip] = [0.0, *value].map(|value| frame.place(0.0, value).y);
                let mut bar = vec![Shape::rectangle(
                    at(x, tip.min(zero)),
                    thick * 0.9,
                    (tip - zero).abs(),
                    Ink::Series(*number),
                    1.0,
                )];
                if let Some(spread) = spread {
                    let [low, high] = [value - spread, value + spread].map(|value| frame.place(0.0, value).y);
                    let middle = x + thick * 0.45;
                    bar.push(Shape::line(&[at(middle, low), at(middle, high)], Stroke::solid(Ink::Text, 0.6)));
                }
                let spread = spread.map_or(String::new(), |spread| format!(" ± {spread:.1}"));
                parts.push(Shape::Group {
                    data: vec![("column", self.series[*number].clone())],
                    title: format!("{}, {}: {value:.1}{spread}", self.series[*number], group.label),
                    shapes: bar,
                });
            }
            let label = at(corner.x + each * (place as f64 + 0.5), corner.y + HEIGHT + 4.0);
            parts.push(if longest <= each {
                Shape::text(at(label.x, label.y + SMALL), &group.label, SMALL, Anchor::Middle)
            } else {
                turned(label, &group.label)
            });
            shapes.push(Shape::Group {
                data: vec![("dataset", group.key.clone())],
                title: String::new(),
                shapes: parts,
            });
        }
        shapes.extend(axis_labels(corner, across, HEIGHT, "", &self.y_label, 26.0));
        let below = if longest <= each { SMALL } else { longest };
        Canvas { title: self.title.clone(), width, height: corner.y + HEIGHT + below + 10.0, shapes }
    }
}

/// Whether a shape is what marks a place along the horizontal axis, which has groups and no numbers.
fn is_lone_tick(shape: &Shape, bottom: f64) -> bool {
    match shape {
        Shape::Text { place, anchor: Anchor::Middle, .. } => place.y > bottom,
        Shape::Path { segments, .. } => {
            segments.len() == 2
                && matches!(segments[0], crate::Segment::Move(from) if (from.y - bottom).abs() < 1e-9)
                && matches!(segments[1], crate::Segment::Line(to) if to.y > bottom)
        }
        _ => false,
    }
}

/// A label that is read from bottom to top and ends below a place.
fn turned(place: crate::Point, label: &str) -> Shape {
    Shape::Text {
        place: at(place.x + SMALL * 0.36, place.y),
        text: label.to_owned(),
        size: SMALL,
        anchor: Anchor::End,
        upwards: true,
        ink: Ink::Text,
    }
}
