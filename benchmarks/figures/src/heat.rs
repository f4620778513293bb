//! Heat maps: differences by row and column, in panels with one scale.

use crate::Chart;
use crate::canvas::{Anchor, Canvas, Ink, Shape, at};
use crate::font;
use crate::frame::{NORMAL, SMALL, slot};

/// Panels of heat maps.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub title: String,
    /// What columns are.
    pub columns: Vec<String>,
    /// What rows are.
    pub rows: Vec<String>,
    /// What a value is, for the scale.
    pub value_label: String,
    /// The panels.
    pub panels: Vec<HeatPanel>,
}

/// One heat map.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatPanel {
    /// The key of the data set.
    pub key: String,
    /// What stands above it.
    pub title: String,
    /// The values by row and column, as far as they are known.
    pub values: Vec<Vec<Option<f64>>>,
}

impl Chart for HeatMap {
    /// All panels have one scale, whose ends are written below.
    fn draw(&self, width: f64) -> Canvas {
        let columns = ((width / 160.0) as usize).clamp(1, self.panels.len().max(1));
        let left = self.rows.iter().map(|row| font::width(row, SMALL)).fold(0.0, f64::max) + 8.0;
        let below = self.columns.iter().map(|column| font::width(column, SMALL)).fold(0.0, f64::max) + 6.0;
        let panel = (width - 4.0) / columns as f64 - left - 6.0;
        let cell = at(panel / self.columns.len().max(1) as f64, 9.0);
        let tall = cell.y * self.rows.len() as f64;
        let each = tall + below + 18.0;
        let values = self.panels.iter().flat_map(|panel| panel.values.iter().flatten().flatten());
        let most = values.fold(0.0_f64, |most, value| most.max(value.abs())).max(1e-9);
        let mut shapes = Vec::new();
        for (number, content) in self.panels.iter().enumerate() {
            let corner = at(
                2.0 + (number % columns) as f64 * (panel + left + 6.0) + left,
                14.0 + (number / columns) as f64 * each,
            );
            let mut parts =
                vec![Shape::text(at(corner.x + panel / 2.0, corner.y - 4.0), &content.title, NORMAL, Anchor::Middle)];
            for (row, values) in content.values.iter().enumerate() {
                let y = corner.y + row as f64 * cell.y;
                parts.push(Shape::text(at(corner.x - 3.0, y + cell.y * 0.72), &self.rows[row], SMALL, Anchor::End));
                for (column, value) in values.iter().enumerate() {
                    let x = corner.x + column as f64 * cell.x;
                    let (ink, said) = match value {
                        Some(value) => (Ink::Diverging(value / most), format!("{value:+.2}")),
                        None => (Ink::Grid, "not computed".to_owned()),
                    };
                    parts.push(Shape::Group {
                        data: Vec::new(),
                        title: format!("{}, {}, {}: {said}", content.title, self.rows[row], self.columns[column]),
                        shapes: vec![Shape::rectangle(at(x, y), cell.x - 0.4, cell.y - 0.4, ink, 1.0)],
                    });
                }
            }
            for (column, label) in self.columns.iter().enumerate() {
                let x = corner.x + (column as f64 + 0.5) * cell.x + SMALL * 0.36;
                parts.push(Shape::Text {
                    place: at(x, corner.y + tall + 3.0),
                    text: label.clone(),
                    size: SMALL,
                    anchor: Anchor::End,
                    upwards: true,
                    ink: Ink::Text,
                });
            }
            shapes.push(Shape::Group { data: slot(&content.key, corner), title: String::new(), shapes: parts });
        }
        let end = 14.0 + self.panels.len().div_ceil(columns) as f64 * each;
        let shapes_below = scale_bar(at(left, end), most, &self.value_label);
        shapes.push(Shape::Group { data: vec![("axis", "x".to_owned())], title: String::new(), shapes: shapes_below });
        Canvas { title: self.title.clone(), width, height: end + 18.0, shapes }
    }
}

/// The colours from the lowest to the highest value.
fn scale_bar(corner: crate::Point, most: f64, label: &str) -> Vec<Shape> {
    const PARTS: i32 = 20;
    const WIDTH: f64 = 80.0;
    let each = WIDTH / f64::from(PARTS);
    let low = format!("{:+.1}", -most);
    let start = corner.x + font::width(&low, SMALL) + 4.0;
    let mut shapes = vec![Shape::text(at(corner.x, corner.y + 8.0), low, SMALL, Anchor::Start)];
    shapes.extend((0..PARTS).map(|part| {
        let value = (f64::from(part) + 0.5) / f64::from(PARTS) * 2.0 - 1.0;
        Shape::rectangle(at(start + f64::from(part) * each, corner.y + 2.0), each, 7.0, Ink::Diverging(value), 1.0)
    }));
    let text = format!("{most:+.1}  {label}");
    shapes.push(Shape::text(at(start + WIDTH + 4.0, corner.y + 8.0), text, SMALL, Anchor::Start));
    shapes
}
