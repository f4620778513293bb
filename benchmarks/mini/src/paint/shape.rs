//! Flat shapes, each known by its signed distance: negative inside, in the units of its coordinates.
//!
//! The axes are those of images, x to the right and y down; angles are in turns, clockwise from x.

use std::f32::consts::TAU;

/// A flat shape.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// An ellipse: centre, half axes.
    Ellipse([f32; 2], [f32; 2]),
    /// A rectangle: centre, half sides.
    Rect([f32; 2], [f32; 2]),
    /// A line with round ends: from, to, half width.
    Line([f32; 2], [f32; 2], f32),
    /// A circle's line, with round ends: centre, radius, half width, and the part of it as from and to in turns.
    Arc([f32; 2], f32, f32, [f32; 2]),
    /// A closed polygon.
    Polygon(Vec<[f32; 2]>),
}

pub(crate) const fn circle(x: f32, y: f32, radius: f32) -> Shape {
    Shape::Ellipse([x, y], [radius, radius])
}

pub(crate) const fn ellipse(x: f32, y: f32, half_width: f32, half_height: f32) -> Shape {
    Shape::Ellipse([x, y], [half_width, half_height])
}

pub(crate) const fn rect(x: f32, y: f32, half_width: f32, half_height: f32) -> Shape {
    Shape::Rect([x, y], [half_width, half_height])
}

/// A line of the given whole width.
pub(crate) const fn line(from: [f32; 2], to: [f32; 2], width: f32) -> Shape {
    Shape::Line(from, to, width / 2.0)
}

/// A circle's line of the given whole width.
pub(crate) const fn ring(x: f32, y: f32, radius: f32, width: f32) -> Shape {
    Shape::Arc([x, y], radius, width / 2.0, [0.0, 1.0])
}

/// The part of a ring between two angles, `from < to <= from + 1`.
pub(crate) const fn arc(x: f32, y: f32, radius: f32, width: f32, from: f32, to: f32) -> Shape {
    Shape::Arc([x, y], radius, width / 2.0, [from, to])
}

pub(crate) fn polygon(corners: &[[f32; 2]]) -> Shape {
    Shape::Polygon(corners.to_vec())
}

pub(crate) fn triangle(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> Shape {
    polygon(&[a, b, c])
}

/// The sector of a disc between two angles.
pub(crate) fn fan(x: f32, y: f32, radius: f32, from: f32, to: f32) -> Shape {
    const STEPS: usize = 16;
    let corner = |i: usize| {
        let (sin, cos) = libm::sincosf(TAU * (from + (to - from) * i as f32 / STEPS as f32));
        [x + radius * cos, y + radius * sin]
    };
    Shape::Polygon((0..=STEPS).map(corner).chain([[x, y]]).collect())
}

/// A regular polygon whose first corner points up.
pub(crate) fn regular(x: f32, y: f32, radius: f32, corners: usize) -> Shape {
    let corner = |i: usize| {
        let (sin, cos) = libm::sincosf(TAU * (i as f32 / corners as f32 - 0.25));
        [x + radius * cos, y + radius * sin]
    };
    Shape::Polygon((0..corners).map(corner).collect())
}

/// A star whose first point shows up.
pub(crate) fn star(x: f32, y: f32, outer: f32, inner: f32, points: usize) -> Shape {
    let corner = |i: usize| {
        let radius = if i.is_multiple_of(2) { outer } else { inner };
        let (sin, cos) = libm::sincosf(TAU * (i as f32 / (2 * points) as f32 - 0.25));
        [x + radius * cos, y + radius * sin]
    };
    Shape::Polygon((0..2 * points).map(corner).collect())
}

impl Shape {
    /// The smallest and largest x and y of its points.
    pub(crate) fn bounds(&self) -> [[f32; 2]; 2] {
        let around = |[x, y]: [f32; 2], [w, h]: [f32; 2]| [[x - w, y - h], [x + w, y + h]];
        match self {
            Self::Ellipse(centre, half) | Self::Rect(centre, half) => around(*centre, *half),
            Self::Arc(centre, radius, half_width, _) => around(*centre, [radius + half_width; 2]),
            Self::Line(from, to, half_width) => {
                let low = [0, 1].map(|i| from[i].min(to[i]) - half_width);
                [low, [0, 1].map(|i| from[i].max(to[i]) + half_width)]
            }
            Self::Polygon(corners) => {
                let fold =
                    |with: fn(f32, f32) -> f32| [0, 1].map(|i| corners.iter().map(|c| c[i]).fold(corners[0][i], with));
                [fold(f32::min), fold(f32::max)]
            }
        }
    }

    /// The signed distance of a point, exact but for ellipses, where it is of first order.
    pub(crate) fn distance(&self, [x, y]: [f32; 2]) -> f32 {
        match self {
            Self::Ellipse(centre, half) => {
                let (u, v) = ((x - centre[0]) / half[0], (y - centre[1]) / half[1]);
                let (near, far) = (length(u, v), length(u / half[0], v / half[1]));
                if far > 0.0 { near * (near - 1.0) / far } else { -half[0].min(half[1]) }
            }
            Self::Rect(centre, half) => {
                let (u, v) = ((x - centre[0]).abs() - half[0], (y - centre[1]).abs() - half[1]);
                length(u.max(0.0), v.max(0.0)) + u.max(v).min(0.0)
            }
            Self::Line(from, to, half_width) => to_segment([x, y], *from, *to) - half_width,
            Self::Arc(centre, radius, half_width, [from, to]) => {
                let (u, v) = (x - centre[0], y - centre[1]);
                let line = (length(u, v) - radius).abs() - half_width;
                if to - from >= 1.0 {
                    return line;
                }
                let turn = libm::atan2f(v, u) / TAU - from;
                if turn - turn.floor() <= to - from {
                    return line;
                }
                let end = |angle: f32| {
                    let (sin, cos) = libm::sincosf(TAU * angle);
                    length(u - radius * cos, v - radius * sin) - half_width
                };
                end(*from).min(end(*to))
            }
            Self::Polygon(corners) => {
                let mut distance = f32::MAX;
                let mut inside = false;
                let mut before = corners[corners.len() - 1];
                for &corner in corners {
                    distance = distance.min(to_segment([x, y], before, corner));
                    if (corner[1] > y) != (before[1] > y) {
                        let cut = corner[0] + (y - corner[1]) * (before[0] - corner[0]) / (before[1] - corner[1]);
                        inside ^= x < cut;
                    }
                    before = corner;
                }
                if inside { -distance } else { distance }
            }
        }
    }
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

fn to_segment([x, y]: [f32; 2], from: [f32; 2], to: [f32; 2]) -> f32 {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let along = ((x - from[0]) * dx + (y - from[1]) * dy) / (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
    let along = along.clamp(0.0, 1.0);
    length(x - from[0] - along * dx, y - from[1] - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_and_grow_outwards() {
        let shapes = [
            circle(0.1, 0.0, 0.5),
            ellipse(0.0, 0.0, 0.6, 0.4),
            rect(0.0, 0.0, 0.5, 0.3),
            line([-0.5, 0.0], [0.5, 0.0], 0.4),
            regular(0.0, 0.0, 0.6, 5),
            star(0.0, 0.0, 0.7, 0.4, 5),
        ];
        for shape in shapes {
            assert!(shape.distance([0.0, 0.0]) < 0.0, "{shape:?}");
            assert!(shape.distance([1.0, 0.0]) > 0.0, "{shape:?}");
            assert!(shape.distance([2.0, 0.0]) > shape.distance([1.0, 0.0]), "{shape:?}");
            // The bounds hold all that is inside.
            let [low, high] = shape.bounds();
            for (x, y) in (-20..=20).flat_map(|x| (-20..=20).map(move |y| (x as f32 / 20.0, y as f32 / 20.0))) {
                let within = (low[0]..=high[0]).contains(&x) && (low[1]..=high[1]).contains(&y);
                assert!(within || shape.distance([x, y]) >= 0.0, "{shape:?} at {x}, {y}");
            }
        }
    }

    #[test]
    fn an_arc_is_there_between_its_angles_alone() {
        let quarter = arc(0.0, 0.0, 1.0, 0.2, 0.0, 0.25);
        let half = 0.5f32.sqrt();
        assert!(quarter.distance([half, half]) < 0.0 && quarter.distance([-half, half]) > 0.5);
        let sector = fan(0.0, 0.0, 1.0, 0.0, 0.25);
        assert!(sector.distance([0.3, 0.3]) < 0.0 && sector.distance([-0.3, 0.3]) > 0.0);
    }
}
