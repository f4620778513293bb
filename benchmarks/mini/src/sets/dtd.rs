//! Textures: two colours in a pattern that fills the frame.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, cells, clouds, hsv, mix, noise};
use std::f32::consts::TAU;

pub(super) const SET: MiniSet = MiniSet {
    name: "dtd",
    paths: ["{class}/{class}_{n}.png", "{class}/{class}_{n}.png"],
    shuffled: false,
    forms: &["{} texture.", "a {} texture.", "a photo of a {} texture."],
    frame: (40, 40),
    format: Format::Png,
    look: Look {
        hue: [0.0, 1.0],
        saturation: 0.5,
        contrast: 0.7,
        grain: 0.04,
        blur: 0.3,
        size: [1.3, 2.2],
        turn: 0.5,
        wobble: 0.06,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("banded", "banded", |s| pattern(s, |x, _| smooth(fold(1.6 * x), 0.5))),
        Class::new("chequered", "chequered", |s| pattern(s, |x, y| smooth(saw(1.7 * x) * saw(1.7 * y), 0.0))),
        Class::new("cracked", "cracked", cracked),
        Class::new("dotted", "dotted", |s| pattern(s, |x, y| smooth(0.3 - near(2.6 * x, 2.6 * y), 0.0))),
        Class::new("grid", "grid", |s| pattern(s, |x, y| smooth(fold(2.2 * x).max(fold(2.2 * y)), 0.72))),
        Class::new("honeycombed", "honeycombed", honeycombed),
        Class::new("marbled", "marbled", marbled),
        Class::new("spiralled", "spiralled", spiralled),
        Class::new("stained", "stained", stained),
        Class::new("striped", "striped", |s| pattern(s, |x, _| smooth(fold(3.4 * x), 0.5))),
        Class::new("woven", "woven", woven),
        Class::new("zigzagged", "zigzagged", |s| pattern(s, |x, y| smooth(fold(2.2 * (y + 0.3 * fold(1.6 * x))), 0.5))),
    ],
};

/// Two colours that can be told apart.
fn two_colours(s: &mut Sketch<'_>) -> (Rgb, Rgb) {
    let hue = s.rng.unit();
    let dark = hsv(hue, s.rng.within(0.2, 0.9), s.rng.within(0.1, 0.45));
    let light = hsv(hue + s.rng.around(0.25), s.rng.within(0.1, 0.6), s.rng.within(0.75, 1.0));
    if s.rng.chance(0.5) { (dark, light) } else { (light, dark) }
}

/// A pattern of two colours: `share` is 0 where the one lies and 1 where the other does.
fn pattern(s: &mut Sketch<'_>, share: impl Fn(f32, f32) -> f32) {
    let (a, b) = two_colours(s);
    let (x0, y0) = (s.rng.unit(), s.rng.unit());
    s.subject().shade(|x, y| mix(a, b, share(x + x0, y + y0)));
}

/// A soft step of `value` at `edge`.
fn smooth(value: f32, edge: f32) -> f32 {
    ((value - edge) * 8.0 + 0.5).clamp(0.0, 1.0)
}

/// A triangle wave from 0 to 1 and back with period one.
fn fold(x: f32) -> f32 {
    (2.0 * (x - x.floor()) - 1.0).abs()
}

/// A triangle wave from -1 to 1 with period one.
fn saw(x: f32) -> f32 {
    2.0 * fold(x) - 1.0
}

/// The distance of the nearest lattice point.
fn near(x: f32, y: f32) -> f32 {
    let (dx, dy) = (x - x.floor() - 0.5, y - y.floor() - 0.5);
    (dx * dx + dy * dy).sqrt()
}

fn cracked(s: &mut Sketch<'_>) {
    let seed = s.rng.bits() as u32;
    pattern(s, |x, y| {
        let (first, second) = cells(1.7 * x, 1.7 * y, seed);
        smooth(0.1 - (second - first) + 0.1 * noise(6.0 * x, 6.0 * y, seed), 0.0)
    });
}

fn honeycombed(s: &mut Sketch<'_>) {
    pattern(s, |x, y| {
        // The distance to the border of hexagons whose centres form two rectangular lattices.
        let (x, y) = (2.0 * x, 2.0 * y / 1.732);
        let lattice = |x: f32, y: f32| {
            let (dx, dy) = ((x - x.floor() - 0.5).abs(), 1.732 * (y - y.floor() - 0.5).abs());
            dx.max(0.5 * dx + 0.866 * dy)
        };
        smooth(lattice(x, y).min(lattice(x + 0.5, y + 0.5)), 0.4)
    });
}

fn marbled(s: &mut Sketch<'_>) {
    let seed = s.rng.bits() as u32;
    pattern(s, |x, y| fold(1.2 * x + 0.5 * y + 1.6 * clouds(1.3 * x, 1.3 * y, seed)));
}

fn spiralled(s: &mut Sketch<'_>) {
    let (a, b) = two_colours(s);
    let arms = s.rng.count(1, 2) as f32;
    s.subject().shade(|x, y| {
        let turn = libm::atan2f(y, x) / TAU;
        mix(a, b, smooth(fold(arms * turn + 2.2 * (x * x + y * y).sqrt()), 0.5))
    });
}

fn woven(s: &mut Sketch<'_>) {
    pattern(s, |x, y| {
        let (x, y) = (2.2 * x, 2.2 * y);
        let over = (x.floor() + y.floor()).rem_euclid(2.0) < 1.0;
        let (across, along) = if over { (y, x) } else { (x, y) };
        let thread = 1.0 - fold(across);
        thread * (0.55 + 0.45 * (1.0 - fold(along))) + if over { 0.25 } else { 0.0 }
    });
}

fn stained(s: &mut Sketch<'_>) {
    let seed = s.rng.bits() as u32;
    pattern(s, |x, y| smooth(clouds(1.6 * x, 1.6 * y, seed), 0.6));
}
