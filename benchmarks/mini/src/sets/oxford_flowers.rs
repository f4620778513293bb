//! Flowers: petals, hearts and colours.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, circle, clouds, ellipse, line, mix, polygon, regular, rgb, star};

pub(super) const SET: MiniSet = MiniSet {
    name: "oxford_flowers",
    paths: ["image_{i}.jpg", "image_{i}.jpg"],
    shuffled: true,
    forms: &["a photo of a {}, a type of flower.", "a photo of a {} in a garden.", "a {} flower."],
    frame: (48, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [-0.22, -0.12],
        saturation: 0.75,
        brightness: 0.08,
        contrast: 0.75,
        stray: 0.3,
        grain: 0.04,
        blur: 0.4,
        size: [0.6, 1.1],
        turn: 0.25,
        drift: 0.25,
        shear: 0.25,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("pink primrose", "01", |s| bloom(s, 5, Petal::Round(0.36), 0xf0_9a_c0, 0xf0_e0_60, 0.16)),
        Class::new("bluebell", "02", bluebell),
        Class::new("buttercup", "03", |s| bloom(s, 5, Petal::Round(0.42), 0xf6_d8_20, 0xc8_a0_10, 0.22)),
        Class::new("colt's foot", "04", |s| bloom(s, 22, Petal::Narrow(0.05), 0xf8_c8_10, 0xe8_a0_08, 0.34)),
        Class::new("daffodil", "05", daffodil),
        Class::new("oxeye daisy", "06", |s| bloom(s, 13, Petal::Narrow(0.13), 0xfa_fa_f4, 0xf0_c0_20, 0.28)),
        Class::new("poinsettia", "07", |s| bloom(s, 7, Petal::Pointed(0.24), 0xd0_18_28, 0xd8_c0_30, 0.12)),
        Class::new("purple coneflower", "08", |s| bloom(s, 11, Petal::Narrow(0.14), 0xc8_60_b0, 0x8a_40_10, 0.42)),
        Class::new("rose", "09", rose),
        Class::new("sunflower", "10", |s| bloom(s, 16, Petal::Pointed(0.16), 0xf4_b8_10, 0x4a_2a_10, 0.5)),
        Class::new("water lily", "11", water_lily),
        Class::new("windflower", "12", |s| bloom(s, 6, Petal::Round(0.34), 0xf4_f0_fa, 0x40_40_a0, 0.18)),
    ],
};

/// The form of a petal, with its half width.
#[derive(Clone, Copy)]
enum Petal {
    Round(f32),
    Narrow(f32),
    Pointed(f32),
}

fn leaves(s: &mut Sketch<'_>) {
    let (seed, green) = (s.rng.bits() as u32, s.rng.one(&[rgb(0x2c_5a_28), rgb(0x4a_7a_38), rgb(0x20_40_24)]));
    s.backdrop(green, mix(green, [0.0; 3], 0.3));
    if s.rng.chance(0.6) {
        s.shade(|x, y| mix(green, mix(green, [0.1, 0.15, 0.05], 0.6), clouds(2.5 * x, 2.5 * y, seed)));
    }
}

/// Petals around a heart, seen from above.
fn bloom(s: &mut Sketch<'_>, petals: usize, petal: Petal, colour: u32, heart: u32, heart_radius: f32) {
    leaves(s);
    let mut s = s.subject();
    let start = s.rng.unit();
    petals_around(&mut s, petals, petal, rgb(colour), start);
    s.fill(rgb(heart), &circle(0.0, 0.0, heart_radius));
}

fn petals_around(s: &mut Sketch<'_>, petals: usize, petal: Petal, colour: Rgb, start: f32) {
    for i in 0..petals {
        let shade = mix(colour, [0.0; 3], if i % 2 == 0 { 0.0 } else { 0.12 });
        let mut s = s.at(0.0, 0.0, 1.0, start + i as f32 / petals as f32);
        match petal {
            Petal::Round(half) => s.fill(shade, &ellipse(0.55, 0.0, 0.42, half)),
            Petal::Narrow(half) => s.fill(shade, &ellipse(0.58, 0.0, 0.4, half)),
            Petal::Pointed(half) => s.fill(shade, &polygon(&[[0.0, 0.0], [0.5, -half], [1.0, 0.0], [0.5, half]])),
        }
    }
}

fn bluebell(s: &mut Sketch<'_>) {
    leaves(s);
    let mut s = s.subject();
    s.fill(rgb(0x5a_9a_40), &line([-0.2, 1.2], [0.1, -0.9], 0.08));
    for (i, y) in [-0.75f32, -0.3, 0.15, 0.6].into_iter().enumerate() {
        let side = if i % 2 == 0 { 0.3 } else { -0.34 };
        let mut s = s.at(side, y + 0.1, 0.42, -side * 0.2);
        s.fill(rgb(0x5a_60_d8), &polygon(&[[-0.3, -0.7], [0.3, -0.7], [0.55, 0.6], [0.0, 0.4], [-0.55, 0.6]]));
    }
}

fn daffodil(s: &mut Sketch<'_>) {
    bloom(s, 6, Petal::Pointed(0.32), 0xf8_e8_60, 0xf0_d0_30, 0.1);
    // The trumpet, turned a little to one side.
    let (x, y) = (s.rng.around(0.08), s.rng.around(0.08));
    s.fill(rgb(0xf0_98_10), &circle(x, y, 0.32));
    s.fill(rgb(0xb8_60_08), &circle(x, y, 0.18));
}

fn rose(s: &mut Sketch<'_>) {
    leaves(s);
    let mut s = s.subject();
    let colour = s.rng.one(&[rgb(0xd8_20_40), rgb(0xe8_50_78), rgb(0xf0_d0_c0)]);
    for (i, radius) in [0.9f32, 0.68, 0.48, 0.3, 0.14].into_iter().enumerate() {
        let (x, y) = (s.rng.around(0.06), s.rng.around(0.06));
        let shade = mix(colour, [0.1, 0.0, 0.0], if i % 2 == 0 { 0.0 } else { 0.4 });
        s.fill(shade, &regular(x, y, radius, 5 + i % 2));
    }
}

fn water_lily(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x1c_40_58), rgb(0x14_30_48));
    let mut s = s.subject();
    s.fill(rgb(0x3a_80_40), &ellipse(0.0, 0.35, 1.0, 0.5));
    s.fill(rgb(0xf4_d0_e4), &star(0.0, 0.0, 0.8, 0.4, 8));
    s.fill(rgb(0xfa_ec_f4), &star(0.0, 0.0, 0.5, 0.25, 7));
    s.fill(rgb(0xf0_d0_40), &circle(0.0, 0.0, 0.14));
}
