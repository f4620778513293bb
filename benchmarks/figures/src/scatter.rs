//! Two values of each method and data set against each other: accuracy on base classes, and on new ones.

use crate::Chart;
use crate::canvas::{Anchor, Canvas, Ink, Shape, Stroke, at, mark};
use crate::frame::{Frame, SMALL, axis_labels};
use crate::legend::legend;
use crate::scale::Scale;

/// Points of several series.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterChart {
    /// What it shows.
    pub title: String,
    /// What the horizontal axis shows.
    pub x_label: String,
    /// What the vertical axis shows.
    pub y_label: String,
    /// The names of the series, in the order of their colours.
    pub series: Vec<String>,
    /// The points.
    pub points: Vec<ScatterPoint>,
}

/// A point of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct ScatterPoint {
    /// Its place among the chart's series.
    pub number: usize,
    /// The key of the data set.
    pub key: String,
    /// What it is.
    pub label: String,
    /// The horizontal value.
    pub x: f64,
    /// The vertical value.
    pub y: f64,
    /// Whether its label is written beside it.
    pub labelled: bool,
}

/// Room for the labels of the vertical axis.
const LEFT: f64 = 36.0;

impl Chart for ScatterChart {
    /// About as high as wide, with a line where both values are equal.
    fn draw(&self, width: f64) -> Canvas {
        // A square of both columns' width would be a page of its own.
        let width = width.min(320.0);
        let (mut shapes, top) = legend(&self.series, at(LEFT, 3.0), width - LEFT);
        let values = || self.points.iter().flat_map(|point| [point.x, point.y]);
        let (x, y) = (Scale::around(values(), 5), Scale::around(values(), 5));
        let side = width - LEFT - 8.0;
        let corner = at(LEFT, top + 8.0);
        let frame = Frame { corner, width: side, height: side, x: &x, y: &y };
        shapes.extend(frame.shapes("", [5, 5]));
        if let Scale::Linear(low, high) = x {
            let equal = [frame.place(low, low), frame.place(high, high)];
            shapes.push(Shape::line(&equal, Stroke { ink: Ink::Text, width: 0.5, dashes: &[2.0, 2.0] }));
        }
        for point in &self.points {
            let place = frame.place(point.x, point.y);
            let mut marks = vec![mark(point.number, place, 2.2)];
            if point.labelled {
                marks.push(Shape::text(at(place.x + 4.0, place.y - 2.0), &point.label, SMALL, Anchor::Start));
            }
            shapes.push(Shape::Group {
                data: vec![("column", self.series[point.number].clone()), ("dataset", point.key.clone())],
                title: format!("{}, {}: {:.1} and {:.1}", self.series[point.number], point.label, point.x, point.y),
                shapes: marks,
            });
        }
        shapes.extend(axis_labels(corner, side, side, &self.x_label, &self.y_label, 26.0));
        Canvas { title: self.title.clone(), width, height: corner.y + side + 24.0, shapes }
    }
}
