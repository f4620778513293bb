//! Curves in panels: one panel a data set, one curve a method, its spread shaded.

use crate::Chart;
use crate::canvas::{Anchor, Canvas, Point, Shape, at, mark};
use crate::frame::{Frame, NORMAL, SMALL, axis_labels, slot};
use crate::legend::{legend, stroke};
use crate::scale::Scale;

/// Panels of curves with one legend.
#[derive(Clone, Debug, PartialEq)]
pub struct LineChart {
    /// What it shows.
    pub title: String,
    /// What the horizontal axes show.
    pub x_label: String,
    /// What the vertical axes show.
    pub y_label: String,
    /// The names of the series, in the order of their colours.
    pub series: Vec<String>,
    /// The panels, row by row.
    pub panels: Vec<LinePanel>,
}

/// A panel of curves.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePanel {
    /// The key of what it is of, for a page that looks for it.
    pub key: String,
    /// What stands above it.
    pub title: String,
    /// The horizontal values, with what is written below them.
    pub x: Vec<(f64, String)>,
    /// What its vertical axis shows, if it is not what the chart's do.
    pub y_label: Option<String>,
    /// How many decimals its values are told with.
    pub decimals: usize,
    /// The curves.
    pub series: Vec<Series>,
    /// Single points, such as zero-shot CLIP.
    pub marks: Vec<Mark>,
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its place among the chart's series.
    pub number: usize,
    /// Horizontal value, vertical value, and how far the spread reaches to both sides, if it is known.
    pub points: Vec<(f64, f64, Option<f64>)>,
    /// Whether it is dashed and without marks: what others have published.
    pub reference: bool,
}

/// A single point.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Its place among the chart's series.
    pub number: usize,
    /// The horizontal value.
    pub x: f64,
    /// The vertical value.
    pub y: f64,
}

const LEFT: f64 = 34.0;
const BETWEEN: f64 = 26.0;
const ABOVE: f64 = 14.0;
const BELOW: f64 = 13.0;

impl Chart for LineChart {
    /// As many panels in a row as stay legible.
    fn draw(&self, width: f64) -> Canvas {
        let columns = ((width / 120.0) as usize).clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let (legend, top) = legend(&self.series, at(LEFT, 3.0), width - LEFT);
        let panel = (width - LEFT - 6.0 - BETWEEN * (columns - 1) as f64) / columns as f64;
        let tall = (panel * 0.78).min(150.0);
        let mut shapes = legend;
        for (number, content) in self.panels.iter().enumerate() {
            let (row, column) = (number / columns, number % columns);
            let corner =
                at(LEFT + column as f64 * (panel + BETWEEN), top + ABOVE + row as f64 * (tall + ABOVE + BELOW));
            shapes.push(Shape::Group {
                data: slot(&content.key, corner),
                title: String::new(),
                shapes: self.panel(content, corner, panel, tall),
            });
        }
        let height = rows as f64 * (tall + ABOVE + BELOW);
        shapes.extend(axis_labels(at(LEFT, top), width - LEFT, height - NORMAL, &self.x_label, &self.y_label, 24.0));
        Canvas { title: self.title.clone(), width, height: top + height + NORMAL * 2.0, shapes }
    }
}

impl LineChart {
    fn panel(&self, panel: &LinePanel, corner: Point, width: f64, height: f64) -> Vec<Shape> {
        let x = Scale::Steps(panel.x.clone());
        let ends = |(_, y, spread): &(f64, f64, Option<f64>)| {
            let spread = spread.unwrap_or(0.0);
            [y - spread, y + spread]
        };
        let values = panel.series.iter().flat_map(|series| series.points.iter().flat_map(ends));
        let y = Scale::around(values.chain(panel.marks.iter().map(|mark| mark.y)), 4);
        let frame = Frame { corner, width, height, x: &x, y: &y };
        let title = match &panel.y_label {
            Some(label) => format!("{}: {label}", panel.title),
            None => panel.title.clone(),
        };
        let mut shapes = frame.shapes(&title, [0, 4]);
        if panel.series.iter().all(|series| series.points.is_empty()) && panel.marks.is_empty() {
            let middle = at(corner.x + width / 2.0, corner.y + height / 2.0);
            shapes.push(Shape::text(middle, "not computed", SMALL, Anchor::Middle));
        }
        shapes.extend(panel.series.iter().map(|series| self.curve(series, &frame, panel)));
        let decimals = panel.decimals;
        for Mark { number, x, y } in &panel.marks {
            shapes.push(Shape::Group {
                data: vec![("column", self.series[*number].clone())],
                title: format!("{}, {}: {y:.decimals$}", self.series[*number], panel.title),
                shapes: vec![mark(*number, frame.place(*x, *y), 2.4)],
            });
        }
        shapes
    }

    fn curve(&self, series: &Series, frame: &Frame<'_>, panel: &LinePanel) -> Shape {
        let Series { number, points, reference } = series;
        let (place, decimals) = (&panel.title, panel.decimals);
        let mut shapes = Vec::new();
        let line: Vec<Point> = points.iter().map(|(x, y, _)| frame.place(*x, *y)).collect();
        if *reference {
            let dashed = crate::Stroke { dashes: &[3.0, 2.0], width: 0.8, ..stroke(*number) };
            shapes.push(Shape::line(&line, dashed));
        } else {
            let edge = |sign: f64| {
                points.iter().filter_map(move |(x, y, spread)| Some(frame.place(*x, y + sign * (*spread)?)))
            };
            let mut band: Vec<Point> = edge(1.0).collect();
            band.extend(edge(-1.0).collect::<Vec<_>>().into_iter().rev());
            if band.len() > 2 {
                shapes.push(Shape::area(&band, crate::Ink::Series(*number), 0.15));
            }
            shapes.push(Shape::line(&line, stroke(*number)));
            for ((x, y, spread), place_of) in points.iter().zip(line) {
                let spread = spread.map_or(String::new(), |spread| format!(" ± {spread:.decimals$}"));
                shapes.push(Shape::Group {
                    data: Vec::new(),
                    title: format!("{}, {place}, {x}: {y:.decimals$}{spread}", self.series[*number]),
                    shapes: vec![mark(*number, place_of, 1.7)],
                });
            }
        }
        Shape::Group { data: vec![("column", self.series[*number].clone())], title: String::new(), shapes }
    }
}
