//! Which series is which, in lines that fit a width.

use crate::canvas::{Anchor, Ink, Point, Shape, Stroke, at, mark};
use crate::colour::{DASHES, SERIES};
use crate::font;
use crate::frame::NORMAL;

const SAMPLE: f64 = 16.0;
const GAP: f64 = 12.0;
const LINE: f64 = 11.0;

/// The line of a series.
pub(crate) fn stroke(series: usize) -> Stroke {
    Stroke { ink: Ink::Series(series), width: 1.1, dashes: DASHES[(series / SERIES.len()) % DASHES.len()] }
}

/// Entries as shapes from `corner` on, and the height that they take.
pub(crate) fn legend(names: &[String], corner: Point, width: f64) -> (Vec<Shape>, f64) {
    let mut shapes = Vec::new();
    let (mut x, mut y) = (corner.x, corner.y + LINE * 0.7);
    for (series, name) in names.iter().enumerate() {
        let takes = SAMPLE + 3.0 + font::width(name, NORMAL);
        if x > corner.x && x + takes > corner.x + width {
            (x, y) = (corner.x, y + LINE);
        }
        let middle = y - NORMAL * 0.33;
        let entry = vec![
            Shape::line(&[at(x, middle), at(x + SAMPLE, middle)], stroke(series)),
            mark(series, at(x + SAMPLE / 2.0, middle), 2.0),
            Shape::text(at(x + SAMPLE + 3.0, y), name, NORMAL, Anchor::Start),
        ];
        shapes.push(Shape::Group { data: vec![("column", name.clone())], title: String::new(), shapes: entry });
        x += takes + GAP;
    }
    (shapes, y - corner.y + LINE * 0.5)
}
