//! Figures: charts drawn on a [`Canvas`], and the canvas written as SVG, PDF or PNG.
//!
//! It knows nothing of tables or records. A figure holds no time, date or path, and its numbers are rounded, so that
//! equal data give equal bytes. Text in files for papers is outlined, so a figure looks the same everywhere.

#![forbid(unsafe_code)]

mod bars;
mod canvas;
mod colour;
mod font;
mod frame;
mod heat;
mod legend;
mod lines;
mod pdf;
mod png;
mod ranks;
mod scale;
mod scatter;
mod svg;

pub use bars::{Bar, BarChart, BarGroup};
pub use canvas::{Anchor, Canvas, Ink, Point, Segment, Shape, Stroke};
pub use heat::{HeatMap, HeatPanel};
pub use lines::{LineChart, LinePanel, Mark, Series};
pub use pdf::pdf;
pub use png::png;
pub use ranks::RankDiagram;
pub use scale::Scale;
pub use scatter::{ScatterChart, ScatterPoint};
pub use svg::{Letters, svg};

/// What can be drawn at any width.
pub trait Chart {
    /// The chart, so many points wide.
    fn draw(&self, width: f64) -> Canvas;
}

/// The width of one column of a two-column paper, in points (8.5 cm).
pub const ONE_COLUMN: f64 = 241.0;

/// The width of both columns, in points (17.5 cm).
pub const TWO_COLUMNS: f64 = 496.0;
