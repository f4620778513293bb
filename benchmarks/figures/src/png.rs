//! A canvas as PNG.

use crate::canvas::{Canvas, Ink, Point, Segment, Shape, Stroke};
use crate::colour::on_paper;
use crate::font;
use tiny_skia::{Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, StrokeDash, Transform};

/// The canvas as a PNG file with so many dots an inch; none if it has no size, or one beyond any memory.
pub fn png(canvas: &Canvas, dots_per_inch: f64) -> Option<Vec<u8>> {
    let scale = dots_per_inch / 72.0;
    let size = |points: f64| (points * scale).round() as u32;
    let mut pixels = Pixmap::new(size(canvas.width), size(canvas.height))?;
    pixels.fill(Color::WHITE);
    canvas.shapes.iter().for_each(|shape| draw(shape, &mut pixels, scale as f32));
    pixels.encode_png().ok()
}

fn draw(shape: &Shape, pixels: &mut Pixmap, scale: f32) {
    match shape {
        Shape::Path { segments, fill, stroke } => path(segments, *fill, stroke.as_ref(), pixels, scale),
        Shape::Text { place, text, size, anchor, upwards, ink } => {
            let outlines = font::outlines(*place, text, *size, *anchor, *upwards);
            path(&outlines, Some((*ink, 1.0)), None, pixels, scale);
        }
        Shape::Group { shapes, .. } => shapes.iter().for_each(|shape| draw(shape, pixels, scale)),
    }
}

fn path(segments: &[Segment], fill: Option<(Ink, f64)>, stroke: Option<&Stroke>, pixels: &mut Pixmap, scale: f32) {
    let Some(path) = built(segments) else { return };
    let transform = Transform::from_scale(scale, scale);
    if let Some((ink, opacity)) = fill {
        pixels.fill_path(&path, &paint(ink, opacity), FillRule::Winding, transform, None);
    }
    if let Some(Stroke { ink, width, dashes }) = stroke {
        let stroke = tiny_skia::Stroke {
            width: *width as f32,
            line_join: LineJoin::Round,
            dash: StrokeDash::new(dashes.iter().map(|dash| *dash as f32).collect(), 0.0),
            ..tiny_skia::Stroke::default()
        };
        pixels.stroke_path(&path, &paint(*ink, 1.0), &stroke, transform, None);
    }
}

fn built(segments: &[Segment]) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let to = |Point { x, y }: Point| (x as f32, y as f32);
    for segment in segments {
        match segment {
            Segment::Move(point) => {
                let (x, y) = to(*point);
                builder.move_to(x, y);
            }
            Segment::Line(point) => {
                let (x, y) = to(*point);
                builder.line_to(x, y);
            }
            Segment::Curve(one, two, end) => {
                let [(a, b), (c, d), (x, y)] = [one, two, end].map(|point| to(*point));
                builder.cubic_to(a, b, c, d, x, y);
            }
            Segment::Close => builder.close(),
        }
    }
    builder.finish()
}

fn paint(ink: Ink, opacity: f64) -> Paint<'static> {
    let [r, g, b] = on_paper(ink);
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, (opacity * 255.0).round() as u8);
    paint
}
