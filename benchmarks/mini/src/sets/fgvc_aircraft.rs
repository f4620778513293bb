//! Aircraft from the side: fuselage, wings, tails and engines.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Sketch, ellipse, line, mix, polygon, rgb};

pub(super) const SET: MiniSet = MiniSet {
    name: "fgvc_aircraft",
    paths: ["{i}", "{i}"],
    shuffled: true,
    forms: &["a photo of a {}, a type of aircraft.", "a photo of a {} in the sky.", "a {} airplane."],
    frame: (64, 40),
    format: Format::Jpeg,
    look: Look {
        hue: [0.25, 0.4],
        saturation: 0.7,
        brightness: -0.1,
        contrast: 0.75,
        grain: 0.03,
        blur: 0.3,
        size: [0.85, 1.15],
        turn: 0.05,
        drift: 0.15,
        stretch: [0.7, 0.85],
        shear: 0.2,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("747-400", "747-400", |s| Plane { engines: 2, thick: 0.17, parts: &[Part::Hump], ..JET }.draw(s)),
        Class::new("A380", "A380", |s| Plane { decks: 2, engines: 2, thick: 0.26, parts: &[], ..JET }.draw(s)),
        Class::new("ATR-72", "ATR-72", |s| {
            Plane { parts: &[Part::HighWing, Part::Propellers, Part::TeeTail], ..JET }.draw(s);
        }),
        Class::new("C-130", "C-130", |s| {
            Plane {
                engines: 2,
                thick: 0.24,
                paint: 0x60_68_58,
                decks: 0,
                parts: &[Part::HighWing, Part::Propellers],
                ..JET
            }
            .draw(s);
        }),
        Class::new("Cessna 172", "Cessna 172", |s| {
            Plane {
                length: 0.6,
                engines: 0,
                decks: 0,
                parts: &[Part::HighWing, Part::NosePropeller, Part::Gear],
                ..JET
            }
            .draw(s);
        }),
        Class::new("DC-3", "DC-3", |s| {
            Plane { paint: 0xb8_b8_b4, parts: &[Part::Propellers, Part::Gear], ..JET }.draw(s);
        }),
        Class::new("DC-10", "DC-10", |s| Plane { parts: &[Part::TailEngine], ..JET }.draw(s)),
        Class::new("F/A-18", "F/A-18", |s| {
            Plane { engines: 0, decks: 0, thick: 0.1, paint: 0x80_88_90, parts: &[Part::DeltaWing], ..JET }.draw(s);
        }),
        Class::new("MD-80", "MD-80", |s| {
            Plane { engines: 0, thick: 0.12, parts: &[Part::TeeTail, Part::RearEngines], ..JET }.draw(s);
        }),
        Class::new("Spitfire", "Spitfire", |s| {
            Plane {
                length: 0.66,
                engines: 0,
                decks: 0,
                paint: 0x5a_60_40,
                parts: &[Part::NosePropeller, Part::Camouflage],
                ..JET
            }
            .draw(s);
        }),
    ],
};

/// What not every aircraft has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Hump,
    HighWing,
    DeltaWing,
    TeeTail,
    Propellers,
    NosePropeller,
    TailEngine,
    RearEngines,
    Gear,
    Camouflage,
}

/// An aircraft that flies to the right.
#[derive(Clone, Copy)]
struct Plane {
    length: f32,
    thick: f32,
    paint: u32,
    /// Engines under the visible wing.
    engines: usize,
    decks: usize,
    parts: &'static [Part],
}

const JET: Plane = Plane { length: 0.98, thick: 0.15, paint: 0xf0_f0_f4, engines: 1, decks: 1, parts: &[] };

impl Plane {
    fn has(self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn draw(self, s: &mut Sketch<'_>) {
        let sky = s.rng.one(&[rgb(0x70_a8_e0), rgb(0xa8_c8_e8), rgb(0xc8_cc_d0)]);
        s.backdrop(sky, mix(sky, [1.0; 3], 0.4));
        let stripe = s.any_colour();
        let mut s = s.subject();
        let (l, t, paint, grey) = (self.length, self.thick, rgb(self.paint), rgb(0x58_5c_60));
        let trim = if self.decks > 0 { stripe } else { mix(paint, [0.0; 3], 0.2) };
        // The tail: fin, then tailplane at its foot or its top.
        s.fill(
            trim,
            &polygon(&[[-l * 0.62, -t * 0.5], [-l * 0.9, -t - 0.42], [-l * 1.02, -t - 0.42], [-l * 0.95, 0.0]]),
        );
        let height = if self.has(Part::TeeTail) { -t - 0.4 } else { -t * 0.4 };
        s.fill(
            grey,
            &polygon(&[
                [-l * 0.7, height],
                [-l * 0.98, height - 0.07],
                [-l * 1.12, height - 0.07],
                [-l * 0.95, height + 0.03],
            ]),
        );
        if self.has(Part::TailEngine) {
            s.fill(grey, &ellipse(-l * 0.78, -t - 0.08, 0.22, 0.09));
        }
        s.fill(paint, &ellipse(0.0, 0.0, l, t));
        if self.has(Part::DeltaWing) {
            s.fill(paint, &polygon(&[[l * 1.1, 0.02], [l * 0.3, -t], [l * 0.3, t]]));
            s.fill(rgb(0x28_38_48), &ellipse(l * 0.4, -t * 0.9, 0.2, 0.09));
        }
        if self.has(Part::Hump) {
            s.fill(paint, &ellipse(l * 0.55, -t * 0.75, 0.32, t * 0.75));
        }
        if self.has(Part::Camouflage) {
            s.fill(rgb(0x8a_7a_50), &ellipse(-l * 0.2, -0.02, 0.16, t * 0.8));
            s.fill(rgb(0x28_38_48), &ellipse(0.05, -t, 0.16, 0.1));
        }
        for deck in 0..self.decks {
            let y = -t * 0.15 - 0.15 * deck as f32;
            s.fill(rgb(0x30_3c_50), &line([-l * 0.6, y], [l * 0.72, y], 0.045));
        }
        self.wing(&mut s, grey);
        if self.has(Part::NosePropeller) {
            s.fill(rgb(0x30_30_30), &line([l, -0.34], [l, 0.34], 0.05));
        }
        if self.has(Part::RearEngines) {
            s.fill(grey, &ellipse(-l * 0.6, -t * 0.5, 0.2, 0.08));
        }
        if self.has(Part::Gear) {
            for x in [0.35, -0.25] {
                s.fill(rgb(0x18_18_18), &ellipse(l * x, t + 0.2, 0.08, 0.08));
                s.fill(grey, &line([l * x, 0.0], [l * x, t + 0.16], 0.03));
            }
        }
    }

    fn wing(self, s: &mut Sketch<'_>, grey: [f32; 3]) {
        let (l, t) = (self.length, self.thick);
        let wing = if self.has(Part::DeltaWing) {
            [[l * 0.25, 0.0], [-l * 0.5, 0.42], [-l * 0.75, 0.42], [-l * 0.6, 0.0]]
        } else if self.has(Part::HighWing) {
            [[l * 0.3, -t], [l * 0.2, -t - 0.1], [-l * 0.15, -t - 0.1], [-l * 0.2, -t]]
        } else {
            [[l * 0.25, t * 0.3], [-l * 0.25, t + 0.38], [-l * 0.45, t + 0.38], [-l * 0.15, t * 0.3]]
        };
        s.fill(grey, &polygon(&wing));
        for i in 0..self.engines {
            let x = l * (0.22 - 0.3 * i as f32);
            let y = if self.has(Part::HighWing) { -t * 0.8 } else { t + 0.08 + 0.13 * i as f32 };
            s.fill(rgb(0x40_44_4c), &ellipse(x, y, 0.15, 0.07));
            if self.has(Part::Propellers) {
                s.fill(rgb(0x20_20_20), &line([x + 0.17, y - 0.22], [x + 0.17, y + 0.22], 0.04));
            }
        }
    }
}
