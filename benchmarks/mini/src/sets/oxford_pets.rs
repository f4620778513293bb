//! Pets: heads of cats and dogs that differ in ears, coat, muzzle and markings.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, circle, ellipse, mix, regular, rgb, star, triangle};

pub(super) const SET: MiniSet = MiniSet {
    name: "oxford_pets",
    paths: ["{class}_{n}.jpg", "{class}_{n}.jpg"],
    shuffled: false,
    forms: &["a photo of a {}, a type of pet.", "a photo of my {}.", "a {}, a kind of animal."],
    frame: (48, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [0.18, 0.3],
        saturation: 0.8,
        brightness: -0.08,
        contrast: 0.8,
        grain: 0.04,
        size: [0.6, 0.9],
        turn: 0.06,
        drift: 0.2,
        stretch: [0.75, 0.9],
        clutter: 1,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("abyssinian", "Abyssinian", |s| Head { coat: 0xb8_74_3c, ..CAT }.draw(s)),
        Class::new("beagle", "beagle", |s| {
            Head { coat: 0xb0_6a_30, muzzle: 0xf4_f0_e8, mark: Mark::Blaze, ears: Ears::Hanging(0x7a_45_20), ..DOG }
                .draw(s);
        }),
        Class::new("bombay", "Bombay", |s| Head { coat: 0x1c_1a_1e, eyes: 0xe0_a0_20, ..CAT }.draw(s)),
        Class::new("chihuahua", "chihuahua", |s| {
            Head { coat: 0xd8_b0_7a, width: 0.5, ears: Ears::Bat(0xd0_a0_70), ..DOG }.draw(s);
        }),
        Class::new("persian", "Persian", |s| {
            Head { coat: 0xe4_e0_dc, muzzle: 0xd4_cc_c8, fluffy: true, width: 0.68, eyes: 0xd0_80_20, ..CAT }.draw(s);
        }),
        Class::new("pomeranian", "pomeranian", |s| {
            Head { coat: 0xe0_8a_3a, fluffy: true, ears: Ears::Pointed(0.12), ..DOG }.draw(s);
        }),
        Class::new("pug", "pug", |s| {
            Head { coat: 0xd8_b8_88, muzzle: 0x2a_24_22, ears: Ears::Folded(0x2a_24_22), ..DOG }.draw(s);
        }),
        Class::new("samoyed", "samoyed", |s| {
            Head { coat: 0xf6_f4_f0, fluffy: true, ears: Ears::Pointed(0.22), ..DOG }.draw(s);
        }),
        Class::new("scottish_terrier", "scottish_terrier", |s| {
            Head {
                coat: 0x2c_2a_2c,
                muzzle: 0x3c_3a_3c,
                mark: Mark::Beard,
                ears: Ears::Pointed(0.26),
                width: 0.46,
                ..DOG
            }
            .draw(s);
        }),
        Class::new("siamese", "Siamese", |s| {
            Head { coat: 0xec_de_c4, muzzle: 0x4a_34_28, ears: Ears::Dark(0x3c_2a_22), eyes: 0x50_90_e0, ..CAT }
                .draw(s);
        }),
        Class::new("sphynx", "Sphynx", |s| {
            Head { coat: 0xe4_b4_a4, muzzle: 0xe4_b4_a4, ears: Ears::Bat(0xd8_90_88), width: 0.46, ..CAT }.draw(s);
        }),
    ],
};

/// Ears, some with a colour of their own.
#[derive(Clone, Copy)]
enum Ears {
    /// Upright triangles of this half width.
    Pointed(f32),
    /// Upright triangles of another colour.
    Dark(u32),
    /// Very large upright ears with this inside.
    Bat(u32),
    /// Long ears at the sides.
    Hanging(u32),
    /// Small ears folded at the top.
    Folded(u32),
}

/// What a face has in the colour of its muzzle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    None,
    Blaze,
    Beard,
}

/// The head of an animal, seen from the front.
#[derive(Clone, Copy)]
struct Head {
    coat: u32,
    muzzle: u32,
    eyes: u32,
    ears: Ears,
    width: f32,
    fluffy: bool,
    mark: Mark,
    /// A dog's muzzle sticks out; a cat has whiskers.
    dog: bool,
}

const CAT: Head = Head {
    coat: 0,
    muzzle: 0xf0_e4_d4,
    eyes: 0x70_b0_40,
    ears: Ears::Pointed(0.24),
    width: 0.58,
    fluffy: false,
    mark: Mark::None,
    dog: false,
};

const DOG: Head = Head { muzzle: 0xf4_e8_d8, eyes: 0x3a_24_18, width: 0.54, dog: true, ..CAT };

impl Head {
    fn draw(self, s: &mut Sketch<'_>) {
        s.any_backdrop();
        let mut s = s.subject();
        let (coat, muzzle): (Rgb, Rgb) = (rgb(self.coat), rgb(self.muzzle));
        let dark = mix(coat, [0.0; 3], 0.35);
        let w = self.width * s.rng.within(0.92, 1.08);
        if self.fluffy {
            let points = s.rng.count(11, 15);
            s.fill(mix(coat, [0.0; 3], 0.12), &star(0.0, 0.15, 0.95, 0.78, points));
        } else {
            // Neck and shoulders.
            s.fill(dark, &ellipse(0.0, 1.05, 0.7, 0.55));
        }
        self.ears(&mut s, w, coat);
        s.fill(coat, &ellipse(0.0, 0.1, w, 0.56));
        if self.mark == Mark::Blaze {
            s.fill(muzzle, &ellipse(0.0, -0.1, 0.11, 0.5));
        }
        let reach = if self.dog { 0.34 } else { 0.24 };
        s.fill(muzzle, &ellipse(0.0, 0.38, reach, reach * 0.85));
        if self.mark == Mark::Beard {
            s.fill(muzzle, &triangle([-0.4, 0.4], [0.4, 0.4], [0.0, 1.0]));
        }
        for x in [-0.25, 0.25] {
            s.fill(rgb(self.eyes), &circle(x * w / 0.55, 0.02, 0.12));
            s.fill(rgb(0x10_10_10), &circle(x * w / 0.55, 0.02, 0.06));
        }
        let nose = if self.dog { 0.12 } else { 0.07 };
        s.fill(rgb(0x20_18_18), &ellipse(0.0, 0.26, nose * 1.2, nose));
    }

    fn ears(self, s: &mut Sketch<'_>, w: f32, coat: Rgb) {
        for side in [-1.0, 1.0] {
            let upright = |half: f32, tip: f32| {
                let middle = side * w * 0.72;
                triangle([middle - half, -0.2], [middle + half, -0.2], [middle + side * 0.1, tip])
            };
            match self.ears {
                Ears::Pointed(half) => s.fill(coat, &upright(half, -0.85)),
                Ears::Dark(colour) => s.fill(rgb(colour), &upright(0.26, -0.9)),
                Ears::Bat(inside) => {
                    s.fill(coat, &upright(0.34, -1.0));
                    s.fill(rgb(inside), &upright(0.2, -0.85));
                }
                Ears::Hanging(colour) => {
                    let mut s = s.at(side * (w + 0.04), 0.2, 1.0, side * -0.03);
                    s.fill(rgb(colour), &ellipse(0.0, 0.0, 0.2, 0.55));
                }
                Ears::Folded(colour) => {
                    let mut s = s.at(side * w * 0.8, -0.35, 1.0, side * 0.1);
                    s.fill(rgb(colour), &regular(0.0, 0.0, 0.26, 3));
                }
            }
        }
    }
}
