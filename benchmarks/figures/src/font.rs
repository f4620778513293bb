//! The outlines of text in the font that comes with the program.

use crate::canvas::{Anchor, Point, Segment, at};
use std::sync::LazyLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

static FACE: LazyLock<Face<'static>> = LazyLock::new(|| {
    Face::parse(include_bytes!("../font/DejaVuSans.ttf"), 0).expect("the font that comes with the program is one")
});

/// The width of a text in points.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|character| advance(glyph(character))).sum::<f64>() * scale(size)
}

/// The outlines of a text whose baseline is anchored at `place`.
pub(crate) fn outlines(place: Point, text: &str, size: f64, anchor: Anchor, upwards: bool) -> Vec<Segment> {
    let before = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => width(text, size) / 2.0,
        Anchor::End => width(text, size),
    };
    let mut pen = Pen { segments: Vec::new(), place, x: -before, scale: scale(size), upwards };
    for character in text.chars() {
        let glyph = glyph(character);
        FACE.outline_glyph(glyph, &mut pen);
        pen.x += advance(glyph) * pen.scale;
    }
    pen.segments
}

/// The glyph of a character; those that the font lacks look like a question mark.
fn glyph(character: char) -> GlyphId {
    FACE.glyph_index(character).or_else(|| FACE.glyph_index('?')).unwrap_or_default()
}

fn advance(glyph: GlyphId) -> f64 {
    f64::from(FACE.glyph_hor_advance(glyph).unwrap_or_default())
}

fn scale(size: f64) -> f64 {
    size / f64::from(FACE.units_per_em())
}

/// Writes glyphs one after the other.
struct Pen {
    segments: Vec<Segment>,
    place: Point,
    /// Where the glyph begins, in points after the place.
    x: f64,
    scale: f64,
    upwards: bool,
}

impl Pen {
    fn to(&self, x: f32, y: f32) -> Point {
        let (along, above) = (self.x + f64::from(x) * self.scale, f64::from(y) * self.scale);
        let Point { x, y } = self.place;
        if self.upwards { at(x - above, y - along) } else { at(x + along, y - above) }
    }

    fn last(&self) -> Point {
        match self.segments.last() {
            Some(Segment::Move(point) | Segment::Line(point) | Segment::Curve(_, _, point)) => *point,
            _ => self.place,
        }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.segments.push(Segment::Move(self.to(x, y)));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.segments.push(Segment::Line(self.to(x, y)));
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (from, control, to) = (self.last(), self.to(x1, y1), self.to(x, y));
        let towards = |end: Point| at(end.x + (control.x - end.x) * 2.0 / 3.0, end.y + (control.y - end.y) * 2.0 / 3.0);
        self.segments.push(Segment::Curve(towards(from), towards(to), to));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.segments.push(Segment::Curve(self.to(x1, y1), self.to(x2, y2), self.to(x, y)));
    }

    fn close(&mut self) {
        self.segments.push(Segment::Close);
    }
}
