//! What a figure is made of: shapes in points, from the top left corner.

/// A figure: its size in points, and its shapes from back to front.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// The width in points.
    pub width: f64,
    /// The height in points.
    pub height: f64,
    /// The shapes.
    pub shapes: Vec<Shape>,
}

/// A place in points, counted to the right and down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From the left.
    pub x: f64,
    /// From the top.
    pub y: f64,
}

/// A point at `x` and `y`.
pub(crate) const fn at(x: f64, y: f64) -> Point {
    Point { x, y }
}

/// A colour by what it is for, so that a page can follow its reader's theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ink {
    /// Text, axes and what has no series.
    Text,
    /// Lines behind the data.
    Grid,
    /// The background.
    Paper,
    /// A series, counted from zero.
    Series(usize),
    /// A value from −1 (worse) over 0 to 1 (better) on a diverging scale.
    Diverging(f64),
}

/// How a line is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    /// Its colour.
    pub ink: Ink,
    /// Its width in points.
    pub width: f64,
    /// Lengths of dashes and gaps in points; empty for a solid line.
    pub dashes: &'static [f64],
}

impl Stroke {
    /// A solid line.
    pub const fn solid(ink: Ink, width: f64) -> Self {
        Self { ink, width, dashes: &[] }
    }
}

/// A part of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Segment {
    /// Begins a part at a point.
    Move(Point),
    /// A straight line to a point.
    Line(Point),
    /// A cubic Bézier curve by two control points to a point.
    Curve(Point, Point, Point),
    /// Back to where the part began.
    Close,
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// A shape on a canvas.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A path that is filled, stroked, or both.
    Path {
        /// Its parts.
        segments: Vec<Segment>,
        /// Colour and opacity of what it encloses.
        fill: Option<(Ink, f64)>,
        /// How its line is drawn.
        stroke: Option<Stroke>,
    },
    /// A line of text.
    Text {
        /// Where its baseline is anchored.
        place: Point,
        /// The text.
        text: String,
        /// Its size in points.
        size: f64,
        /// Which part of it stands at the place.
        anchor: Anchor,
        /// Whether it is read from bottom to top.
        upwards: bool,
        /// Its colour.
        ink: Ink,
    },
    /// Shapes that belong together.
    Group {
        /// What they are, for a page that looks for them: names and values of attributes `data-NAME`.
        data: Vec<(&'static str, String)>,
        /// What a reader is told who points at them; empty for nothing.
        title: String,
        /// The shapes.
        shapes: Vec<Shape>,
    },
}

impl Shape {
    /// A line through points.
    pub fn line(points: &[Point], stroke: Stroke) -> Self {
        Self::Path { segments: through(points), fill: None, stroke: Some(stroke) }
    }

    /// A filled polygon.
    pub fn area(points: &[Point], ink: Ink, opacity: f64) -> Self {
        let mut segments = through(points);
        segments.push(Segment::Close);
        Self::Path { segments, fill: Some((ink, opacity)), stroke: None }
    }

    /// A filled rectangle from its top left corner.
    pub fn rectangle(corner: Point, width: f64, height: f64, ink: Ink, opacity: f64) -> Self {
        let Point { x, y } = corner;
        Self::area(&[corner, at(x + width, y), at(x + width, y + height), at(x, y + height)], ink, opacity)
    }

    /// Text in the colour of text.
    pub fn text(place: Point, text: impl Into<String>, size: f64, anchor: Anchor) -> Self {
        Self::Text { place, text: text.into(), size, anchor, upwards: false, ink: Ink::Text }
    }
}

/// A path through points.
fn through(points: &[Point]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = points.iter().copied().map(Segment::Line).collect();
    if let Some(first) = points.first() {
        segments[0] = Segment::Move(*first);
    }
    segments
}

/// The mark of a series at a point: a shape and its colour tell series apart, since not everybody sees colours.
pub(crate) fn mark(series: usize, place: Point, radius: f64) -> Shape {
    let Point { x, y } = place;
    let r = radius;
    let corners: &[Point] = match series % 6 {
        1 => &[at(x - r, y - r), at(x + r, y - r), at(x + r, y + r), at(x - r, y + r)],
        2 => &[at(x, y - 1.3 * r), at(x + 1.2 * r, y + 0.9 * r), at(x - 1.2 * r, y + 0.9 * r)],
        3 => &[at(x, y - 1.4 * r), at(x + 1.4 * r, y), at(x, y + 1.4 * r), at(x - 1.4 * r, y)],
        4 => &[at(x, y + 1.3 * r), at(x + 1.2 * r, y - 0.9 * r), at(x - 1.2 * r, y - 0.9 * r)],
        5 => {
            let t = 0.4 * r;
            return Shape::area(
                &[
                    at(x - t, y - 1.3 * r),
                    at(x + t, y - 1.3 * r),
                    at(x + t, y - t),
                    at(x + 1.3 * r, y - t),
                    at(x + 1.3 * r, y + t),
                    at(x + t, y + t),
                    at(x + t, y + 1.3 * r),
                    at(x - t, y + 1.3 * r),
                    at(x - t, y + t),
                    at(x - 1.3 * r, y + t),
                    at(x - 1.3 * r, y - t),
                    at(x - t, y - t),
                ],
                Ink::Series(series),
                1.0,
            );
        }
        _ => return circle(place, r, Ink::Series(series)),
    };
    Shape::area(corners, Ink::Series(series), 1.0)
}

/// A filled circle, of four curves.
fn circle(centre: Point, radius: f64, ink: Ink) -> Shape {
    // How far control points of a quarter circle are from its ends, for a radius of one.
    const K: f64 = 0.552_284_749_8;
    let Point { x, y } = centre;
    let (r, k) = (radius, radius * K);
    let segments = vec![
        Segment::Move(at(x + r, y)),
        Segment::Curve(at(x + r, y + k), at(x + k, y + r), at(x, y + r)),
        Segment::Curve(at(x - k, y + r), at(x - r, y + k), at(x - r, y)),
        Segment::Curve(at(x - r, y - k), at(x - k, y - r), at(x, y - r)),
        Segment::Curve(at(x + k, y - r), at(x + r, y - k), at(x + r, y)),
        Segment::Close,
    ];
    Shape::Path { segments, fill: Some((ink, 1.0)), stroke: None }
}
