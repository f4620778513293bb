//! Cars from the side: bodies that differ in their roof, length, height and wheels.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Sketch, circle, line, mix, polygon, rect, rgb};

pub(super) const SET: MiniSet = MiniSet {
    name: "stanford_cars",
    paths: ["cars_train/{i}.jpg", "cars_test/{i}.jpg"],
    shuffled: true,
    forms: &["a photo of a {}.", "a photo of a {}, a type of car.", "a {} on the road."],
    frame: (64, 48),
    format: Format::Jpeg,
    look: Look {
        saturation: 0.6,
        brightness: -0.1,
        contrast: 0.75,
        stray: 0.3,
        grain: 0.03,
        blur: 0.3,
        size: [0.9, 1.1],
        turn: 0.03,
        drift: 0.15,
        stretch: [0.75, 0.9],
        shear: -0.15,
        clutter: 1,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("2000 AM General Hummer SUV", "1", |s| {
            Car { body: -0.22, hood: 0.5, front: 0.42, roof: -0.72, back: -0.85, tail: -0.9, wheel: 0.26, ..CAR }
                .draw(s);
        }),
        Class::new("2012 Audi S5 Coupe", "2", |s| {
            Car { front: 0.12, roof: -0.44, back: -0.3, tail: -0.8, ..CAR }.draw(s);
        }),
        Class::new("2009 Bugatti Veyron 16.4 Convertible", "3", |s| {
            Car { kind: Kind::Open, body: 0.12, roof: -0.22, wheel: 0.25, ..CAR }.draw(s);
        }),
        Class::new("2010 Dodge Ram Pickup 3500 Crew Cab", "4", |s| {
            Car {
                body: -0.06,
                hood: 0.55,
                front: 0.45,
                roof: -0.6,
                back: -0.2,
                tail: -0.24,
                kind: Kind::Pickup,
                ..CAR
            }
            .draw(s);
        }),
        Class::new("2012 Fiat 500 Abarth Hatchback", "5", |s| {
            Car { length: 0.66, front: 0.3, hood: 0.52, roof: -0.56, back: -0.4, tail: -0.62, ..CAR }.draw(s);
        }),
        Class::new("2012 Ram C/V Cargo Van Minivan", "6", |s| {
            Car { hood: 0.72, front: 0.5, roof: -0.62, back: -0.9, tail: -0.95, kind: Kind::Van, ..CAR }.draw(s);
        }),
        Class::new("2012 Rolls-Royce Phantom Sedan", "7", |s| {
            Car {
                body: -0.04,
                hood: 0.36,
                front: 0.26,
                roof: -0.5,
                back: -0.5,
                tail: -0.62,
                kind: Kind::TwoTone,
                ..CAR
            }
            .draw(s);
        }),
        Class::new("1993 Volvo 240 Sedan", "8", |s| {
            Car { hood: 0.4, front: 0.2, roof: -0.5, back: -0.4, tail: -0.6, ..CAR }.draw(s);
        }),
        Class::new("2007 Dodge Caliber Wagon", "9", |s| {
            Car { hood: 0.5, front: 0.3, roof: -0.5, back: -0.82, tail: -0.95, kind: Kind::Rack, ..CAR }.draw(s);
        }),
    ],
};

/// What sets a car apart beside its measures.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// Without a roof.
    Open,
    /// With a bed behind the cabin.
    Pickup,
    /// Without windows behind the driver's.
    Van,
    /// With a rack on the roof.
    Rack,
    /// With a bright band along the body.
    TwoTone,
}

/// A car that looks to the right. Lengths are in halves of its own length, heights with y down.
#[derive(Clone, Copy)]
struct Car {
    length: f32,
    /// Height of the upper edge of body, hood and trunk.
    body: f32,
    /// Where the windscreen begins, and where it meets the roof.
    hood: f32,
    front: f32,
    /// Height of the roof.
    roof: f32,
    /// Where the roof ends, and where the rear window meets the body.
    back: f32,
    tail: f32,
    wheel: f32,
    kind: Kind,
}

const CAR: Car = Car {
    length: 0.95,
    body: 0.02,
    hood: 0.45,
    front: 0.2,
    roof: -0.46,
    back: -0.4,
    tail: -0.7,
    wheel: 0.22,
    kind: Kind::Plain,
};

impl Car {
    fn draw(self, s: &mut Sketch<'_>) {
        let sky = s.rng.one(&[rgb(0xb8_d0_e8), rgb(0xd8_d4_cc), rgb(0x88_98_a0)]);
        s.backdrop(sky, mix(sky, [0.5, 0.5, 0.45], 0.5));
        s.fill(rgb(0x6a_6a_6c), &rect(0.0, 1.2, 3.0, 0.75));
        let colour = s.any_colour();
        let glass = rgb(0x28_38_48);
        let mut s = s.subject();
        let l = self.length;
        let cabin = [
            [l * self.hood, self.body],
            [l * self.front, self.roof],
            [l * self.back, self.roof],
            [l * self.tail, self.body],
        ];
        if self.kind == Kind::Open {
            s.fill(glass, &line([l * self.hood, self.body], [l * self.front, self.roof], 0.07));
            s.fill(rgb(0x30_20_18), &rect(-0.1, self.body, 0.28, 0.1));
        } else {
            s.fill(colour, &polygon(&cabin));
            let inset = |[x, y]: [f32; 2]| [x * 0.88 + 0.02 * (self.front + self.back), y * 0.84 - 0.02];
            let (from, to) = if self.kind == Kind::Van { (0.35, 1.0) } else { (-1.0, 1.0) };
            let window = cabin.map(inset).map(|[x, y]| [x.clamp(from * l, to * l), y]);
            s.fill(glass, &polygon(&window));
            if self.kind != Kind::Van {
                s.fill(colour, &line([0.0, self.roof], [0.0, self.body], 0.07));
            }
        }
        if self.kind == Kind::Rack {
            s.fill(rgb(0x20_20_20), &line([l * self.front, self.roof - 0.1], [l * self.back, self.roof - 0.1], 0.06));
        }
        let nose = if self.kind == Kind::TwoTone { self.body } else { self.body + 0.12 };
        let hull = [[-l, self.body], [l * self.hood, self.body], [l, nose], [l, 0.42], [-l, 0.42]];
        s.fill(colour, &polygon(&hull));
        if self.kind == Kind::TwoTone {
            s.fill(rgb(0xd8_d8_dc), &rect(0.0, self.body + 0.08, l, 0.09));
        }
        if self.kind == Kind::Pickup {
            s.fill(mix(colour, [0.0; 3], 0.5), &rect(l * -0.63, self.body + 0.03, 0.3, 0.05));
        }
        s.fill(rgb(0xf8_f0_c0), &circle(l * 0.92, nose + 0.12, 0.07));
        for x in [-0.58, 0.58] {
            s.fill(rgb(0x16_16_18), &circle(l * x, 0.44, self.wheel));
            s.fill(rgb(0xa8_a8_b0), &circle(l * x, 0.44, self.wheel * 0.5));
        }
    }
}
