//! The frame of a panel: a title, two axes with ticks, and the lines behind the data.

use crate::canvas::{Anchor, Ink, Point, Shape, Stroke, at};
use crate::scale::Scale;

/// The size of text along axes, and of titles, in points.
pub(crate) const SMALL: f64 = 6.5;
pub(crate) const NORMAL: f64 = 7.5;

/// A panel's place on the canvas, and its scales.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    /// The top left corner of the area where data are drawn.
    pub(crate) corner: Point,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: &'a Scale,
    pub(crate) y: &'a Scale,
}

impl Frame<'_> {
    /// The place of a pair of values.
    pub(crate) fn place(&self, x: f64, y: f64) -> Point {
        at(self.corner.x + self.x.place(x) * self.width, self.corner.y + (1.0 - self.y.place(y)) * self.height)
    }

    /// Axes, ticks, and the title above.
    pub(crate) fn shapes(&self, title: &str, ticks: [usize; 2]) -> Vec<Shape> {
        let Point { x: left, y: top } = self.corner;
        let (right, bottom) = (left + self.width, top + self.height);
        let mut shapes = Vec::new();
        for (value, text) in self.y.ticks(ticks[1]) {
            let y = top + (1.0 - self.y.place(value)) * self.height;
            shapes.push(Shape::line(&[at(left, y), at(right, y)], Stroke::solid(Ink::Grid, 0.5)));
            shapes.push(Shape::text(at(left - 3.0, y + SMALL * 0.36), text, SMALL, Anchor::End));
        }
        for (value, text) in self.x.ticks(ticks[0]) {
            let x = left + self.x.place(value) * self.width;
            shapes.push(Shape::line(&[at(x, bottom), at(x, bottom + 2.0)], Stroke::solid(Ink::Text, 0.5)));
            shapes.push(Shape::text(at(x, bottom + 2.0 + SMALL * 1.1), text, SMALL, Anchor::Middle));
        }
        let axes = [at(left, top), at(left, bottom), at(right, bottom)];
        shapes.push(Shape::line(&axes, Stroke::solid(Ink::Text, 0.6)));
        shapes.push(Shape::text(at(left + self.width / 2.0, top - 4.0), title, NORMAL, Anchor::Middle));
        shapes
    }
}

/// What a page needs to know of a panel: what it is of, and where it is, so that others may take its place.
pub(crate) fn slot(key: &str, corner: Point) -> Vec<(&'static str, String)> {
    vec![("dataset", key.to_owned()), ("slot", format!("{:.2} {:.2}", corner.x, corner.y))]
}

/// What an axis shows, below it or to its left.
pub(crate) fn axis_labels(corner: Point, width: f64, height: f64, x: &str, y: &str, left: f64) -> Vec<Shape> {
    let below = at(corner.x + width / 2.0, corner.y + height + 2.0 * NORMAL + 3.0);
    let beside = at(corner.x - left, corner.y + height / 2.0);
    let upwards = Shape::Text {
        place: beside,
        text: y.to_owned(),
        size: NORMAL,
        anchor: Anchor::Middle,
        upwards: true,
        ink: Ink::Text,
    };
    let group = |axis: &str, shape| Shape::Group {
        data: vec![("axis", axis.to_owned())],
        title: String::new(),
        shapes: vec![shape],
    };
    vec![group("x", Shape::text(below, x, NORMAL, Anchor::Middle)), group("y", upwards)]
}
