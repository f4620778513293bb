//! Food: dishes on plates, from above and from the side.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, arc, circle, ellipse, line, mix, polygon, rect, rgb, ring, triangle};

pub(super) const SET: MiniSet = MiniSet {
    name: "food101",
    paths: ["{class}/{i}.jpg", "{class}/{i}.jpg"],
    shuffled: false,
    forms: &["a photo of {}, a type of food.", "a photo of {} on a plate.", "a plate of {}."],
    frame: (48, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [0.08, 0.18],
        saturation: 1.2,
        brightness: -0.15,
        contrast: 0.75,
        grain: 0.03,
        blur: 0.4,
        size: [0.8, 1.2],
        turn: 0.5,
        drift: 0.2,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("caesar_salad", "caesar_salad", salad),
        Class::new("cup_cakes", "cup_cakes", cup_cakes),
        Class::new("donuts", "donuts", donuts),
        Class::new("french_fries", "french_fries", french_fries),
        Class::new("fried_rice", "fried_rice", fried_rice),
        Class::new("hamburger", "hamburger", hamburger),
        Class::new("ice_cream", "ice_cream", ice_cream),
        Class::new("pancakes", "pancakes", pancakes),
        Class::new("pizza", "pizza", pizza),
        Class::new("spaghetti_bolognese", "spaghetti_bolognese", spaghetti),
        Class::new("sushi", "sushi", sushi),
        Class::new("waffles", "waffles", waffles),
    ],
};

fn table(s: &mut Sketch<'_>) {
    let colour = s.rng.one(&[rgb(0x8a_5a_38), rgb(0x50_38_2c), rgb(0xc8_b0_90), rgb(0x60_70_80)]);
    s.backdrop(colour, mix(colour, [0.0; 3], 0.15));
}

fn plate<'a>(s: &'a mut Sketch<'_>) -> Sketch<'a> {
    table(s);
    let mut s = s.subject();
    s.fill(rgb(0xd0_d0_d0), &circle(0.03, 0.05, 0.98));
    s.fill(rgb(0xf4_f4_f2), &circle(0.0, 0.0, 0.96));
    s.fill(rgb(0xe4_e4_e2), &ring(0.0, 0.0, 0.76, 0.04));
    s
}

/// Many small things, each at a place within a disc.
fn heap(s: &mut Sketch<'_>, count: usize, radius: f32, mut thing: impl FnMut(&mut Sketch<'_>)) {
    for _ in 0..count {
        let (x, y) = loop {
            let (x, y) = (s.rng.around(1.0), s.rng.around(1.0));
            if x * x + y * y < 1.0 {
                break (x * radius, y * radius);
            }
        };
        let turn = s.rng.unit();
        thing(&mut s.at(x, y, 1.0, turn));
    }
}

fn salad(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    heap(&mut s, 22, 0.6, |s| {
        let green: Rgb = s.rng.one(&[rgb(0x6a_b0_30), rgb(0x3f_8a_28), rgb(0xa0_d0_58)]);
        s.fill(green, &ellipse(0.0, 0.0, 0.26, 0.14));
    });
    heap(&mut s, 5, 0.5, |s| s.fill(rgb(0xd8_a8_60), &rect(0.0, 0.0, 0.1, 0.1)));
}

fn cup_cakes(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    let icing = s.rng.one(&[rgb(0xf0_90_b8), rgb(0xf8_f0_e0), rgb(0x60_38_28), rgb(0x90_d0_c8)]);
    s.fill(rgb(0xc8_90_50), &polygon(&[[-0.6, 0.1], [0.6, 0.1], [0.42, 0.9], [-0.42, 0.9]]));
    s.fill(icing, &ellipse(0.0, 0.05, 0.72, 0.3));
    s.fill(icing, &ellipse(0.0, -0.25, 0.52, 0.28));
    s.fill(icing, &ellipse(0.0, -0.52, 0.3, 0.24));
    s.fill(rgb(0xd8_18_28), &circle(0.0, -0.8, 0.15));
}

fn donuts(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    let icing = s.rng.one(&[rgb(0xf0_80_b0), rgb(0x58_30_20), rgb(0xf4_ec_e0)]);
    s.fill(rgb(0xc8_88_40), &ring(0.0, 0.0, 0.48, 0.52));
    s.fill(icing, &ring(0.0, 0.0, 0.48, 0.38));
    for i in 0..10 {
        let colour = s.any_colour();
        let mut s = s.at(0.0, 0.0, 1.0, i as f32 / 10.0);
        s.fill(colour, &line([0.45, 0.0], [0.52, 0.06], 0.06));
    }
}

fn french_fries(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    for i in 0..9 {
        let (x, top) = (-0.5 + 0.125 * i as f32, s.rng.within(-0.95, -0.5));
        let lean = s.rng.around(0.12);
        s.fill(rgb(0xf0_c8_48), &line([x, 0.4], [x + lean, top], 0.13));
    }
    s.fill(rgb(0xd0_20_20), &polygon(&[[-0.65, -0.05], [0.65, -0.05], [0.45, 0.9], [-0.45, 0.9]]));
}

fn fried_rice(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    s.fill(rgb(0xe0_c0_80), &circle(0.0, 0.0, 0.66));
    heap(&mut s, 40, 0.6, |s| {
        let colour = s.rng.one(&[rgb(0xf4_e4_b8), rgb(0xc8_98_50), rgb(0x50_98_38), rgb(0xe0_70_28)]);
        s.fill(colour, &ellipse(0.0, 0.0, 0.09, 0.045));
    });
}

fn hamburger(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    s.fill(rgb(0xc8_80_38), &ellipse(0.0, 0.6, 0.8, 0.25));
    s.fill(rgb(0x5a_30_1c), &rect(0.0, 0.32, 0.82, 0.16));
    s.fill(rgb(0xf0_c0_20), &polygon(&[[-0.8, 0.1], [0.8, 0.1], [0.4, 0.36], [0.0, 0.14], [-0.4, 0.36]]));
    s.fill(rgb(0x60_a8_30), &rect(0.0, 0.08, 0.88, 0.09));
    s.fill(
        rgb(0xd8_90_40),
        &polygon(&[[-0.8, 0.0], [-0.7, -0.4], [-0.3, -0.65], [0.3, -0.65], [0.7, -0.4], [0.8, 0.0]]),
    );
    for (x, y) in [(-0.35, -0.3), (0.0, -0.48), (0.35, -0.3)] {
        s.fill(rgb(0xf8_e8_c0), &circle(x, y, 0.06));
    }
}

fn ice_cream(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    s.fill(rgb(0xd0_98_50), &triangle([-0.45, 0.0], [0.45, 0.0], [0.0, 1.0]));
    let scoops = s.rng.count(1, 3);
    for (i, (x, y)) in [(0.0, -0.15), (-0.3, -0.4), (0.32, -0.45)].into_iter().enumerate().rev() {
        if i < scoops {
            let colour = s.rng.one(&[rgb(0xf4_b0_c8), rgb(0xf8_f0_d0), rgb(0x70_48_30), rgb(0xa8_e0_b0)]);
            s.fill(colour, &circle(x, y, 0.42));
        }
    }
}

fn pancakes(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    for i in 0..4 {
        let y = 0.35 - 0.2 * i as f32;
        s.fill(rgb(0xa8_68_28), &ellipse(0.0, y + 0.08, 0.66, 0.34));
        s.fill(rgb(0xe0_a8_58), &ellipse(0.0, y, 0.66, 0.34));
    }
    s.fill(rgb(0xf8_e8_70), &rect(0.0, -0.3, 0.16, 0.12));
}

fn pizza(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    s.fill(rgb(0xc8_88_40), &circle(0.0, 0.0, 0.95));
    s.fill(rgb(0xd8_40_20), &circle(0.0, 0.0, 0.83));
    s.fill(rgb(0xf4_c8_50), &circle(0.0, 0.0, 0.77));
    for i in 0..7 {
        let far = if i == 0 { 0.0 } else { 0.52 };
        let mut s = s.at(0.0, 0.0, 1.0, i as f32 / 6.0);
        s.fill(rgb(0xb0_28_20), &circle(far, 0.0, 0.16));
    }
    heap(&mut s, 6, 0.7, |s| s.fill(rgb(0x3a_80_28), &ellipse(0.0, 0.0, 0.1, 0.05)));
}

fn spaghetti(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    heap(&mut s, 24, 0.35, |s| {
        let radius = s.rng.within(0.2, 0.4);
        s.fill(rgb(0xf0_d0_78), &arc(0.0, 0.0, radius, 0.06, 0.0, 0.6));
        s.fill(rgb(0xc8_a0_50), &arc(0.0, 0.0, radius + 0.06, 0.03, 0.0, 0.6));
    });
    s.fill(rgb(0xa8_30_18), &ellipse(0.0, 0.0, 0.34, 0.28));
    heap(&mut s, 6, 0.25, |s| s.fill(rgb(0x6a_20_10), &circle(0.0, 0.0, 0.06)));
}

fn sushi(s: &mut Sketch<'_>) {
    table(s);
    let mut s = s.subject();
    for (x, y) in [(-0.5, -0.4), (0.5, -0.4), (-0.5, 0.45), (0.5, 0.45)] {
        let filling = s.rng.one(&[rgb(0xf0_78_50), rgb(0xe8_50_40), rgb(0xf4_c0_30)]);
        s.fill(rgb(0x18_28_20), &circle(x, y, 0.42));
        s.fill(rgb(0xf6_f6_f0), &circle(x, y, 0.33));
        s.fill(filling, &circle(x, y, 0.16));
    }
}

fn waffles(s: &mut Sketch<'_>) {
    let mut s = plate(s);
    s.fill(rgb(0xd8_98_40), &rect(0.0, 0.0, 0.62, 0.62));
    for i in 0..4 {
        for j in 0..4 {
            s.fill(rgb(0x98_58_1c), &rect(-0.45 + 0.3 * i as f32, -0.45 + 0.3 * j as f32, 0.1, 0.1));
        }
    }
}
