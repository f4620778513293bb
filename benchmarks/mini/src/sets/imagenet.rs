//! A mix of animals, things, fruit and places.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Sketch, arc, circle, ellipse, fan, line, mix, polygon, rect, rgb, star, triangle};
use std::f32::consts::TAU;

pub(super) const SET: MiniSet = MiniSet {
    name: "imagenet",
    paths: ["{class}/{class}_{n}.JPEG", "{class}/ILSVRC2012_val_{i}.JPEG"],
    shuffled: false,
    forms: &["a photo of a {}.", "a photo of the {}.", "a bad photo of a {}.", "a photo of a large {}."],
    frame: (48, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [0.12, 0.28],
        saturation: 0.8,
        contrast: 0.75,
        stray: 0.3,
        grain: 0.05,
        blur: 0.3,
        size: [0.55, 0.95],
        turn: 0.1,
        drift: 0.25,
        stretch: [0.8, 1.2],
        wobble: 0.04,
        clutter: 1,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("goldfish", "n01443537", goldfish),
        Class::new("jellyfish", "n01910747", jellyfish),
        Class::new("snail", "n01944390", snail),
        Class::new("flamingo", "n02007558", flamingo),
        Class::new("ladybug", "n02165456", ladybug),
        Class::new("starfish", "n02317335", starfish),
        Class::new("zebra", "n02391049", zebra),
        Class::new("balloon", "n02782093", balloon),
        Class::new("church", "n03028079", church),
        Class::new("school bus", "n04146614", school_bus),
        Class::new("umbrella", "n04507155", umbrella),
        Class::new("strawberry", "n07745940", strawberry),
        Class::new("volcano", "n09472597", volcano),
    ],
};

fn goldfish(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x50_98_c0), rgb(0x28_60_90));
    let mut s = s.subject();
    s.fill(rgb(0xf0_80_20), &triangle([-0.4, 0.0], [-0.98, -0.45], [-0.98, 0.45]));
    s.fill(rgb(0xf0_80_20), &triangle([0.2, -0.3], [-0.3, -0.3], [-0.2, -0.65]));
    s.fill(rgb(0xf8_98_28), &ellipse(0.1, 0.0, 0.65, 0.4));
    s.fill(rgb(0xf8_f8_f8), &circle(0.48, -0.1, 0.12));
    s.fill(rgb(0x10_10_10), &circle(0.5, -0.1, 0.06));
}

fn jellyfish(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x18_38_78), rgb(0x08_18_40));
    let bell = s.rng.one(&[rgb(0xd0_a0_e0), rgb(0xf0_b0_b8), rgb(0xa0_d0_f0)]);
    let mut s = s.subject();
    for i in 0..6 {
        let (x, sway) = (-0.45 + 0.18 * i as f32, s.rng.around(0.15));
        s.fill(mix(bell, [1.0; 3], 0.2), &line([x, -0.05], [x + sway, 0.45], 0.05));
        s.fill(mix(bell, [1.0; 3], 0.2), &line([x + sway, 0.45], [x, 0.95], 0.05));
    }
    s.fill(bell, &fan(0.0, 0.0, 0.66, 0.5, 1.0));
    s.fill(bell, &ellipse(0.0, -0.05, 0.66, 0.18));
}

fn snail(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x90_b0_60), rgb(0x60_88_40));
    let shell = s.rng.one(&[rgb(0xa0_60_30), rgb(0xd0_a0_60), rgb(0x80_50_50)]);
    let mut s = s.subject();
    s.fill(rgb(0xc8_b0_80), &ellipse(0.05, 0.62, 0.9, 0.16));
    s.fill(rgb(0xc8_b0_80), &line([0.75, 0.6], [0.85, 0.0], 0.2));
    s.fill(rgb(0xc8_b0_80), &line([0.88, 0.0], [1.0, -0.3], 0.05));
    s.fill(shell, &circle(-0.1, 0.05, 0.58));
    for (radius, from) in [(0.4, 0.1), (0.22, 0.6)] {
        s.fill(mix(shell, [0.0; 3], 0.5), &arc(-0.1, 0.05, radius, 0.08, from, from + 0.75));
    }
}

fn flamingo(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0xa8_d0_e0), rgb(0x60_90_a0));
    let pink = rgb(0xf0_78_98);
    let mut s = s.subject();
    for x in [-0.1, 0.05] {
        s.fill(rgb(0xd8_58_78), &line([x, 0.1], [x, 0.98], 0.05));
    }
    s.fill(pink, &ellipse(-0.1, 0.05, 0.5, 0.28));
    s.fill(pink, &arc(0.3, -0.35, 0.22, 0.11, 0.25, 0.75));
    s.fill(pink, &arc(0.3, -0.72, 0.16, 0.11, 0.4, 0.95));
    s.fill(rgb(0x20_18_18), &line([0.46, -0.72], [0.58, -0.52], 0.1));
}

fn ladybug(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x78_b8_50), rgb(0x48_90_38));
    let mut s = s.subject();
    s.fill(rgb(0x18_18_18), &circle(0.0, -0.6, 0.32));
    s.fill(rgb(0xd8_20_18), &ellipse(0.0, 0.1, 0.72, 0.72));
    s.fill(rgb(0x18_18_18), &line([0.0, -0.6], [0.0, 0.8], 0.06));
    for (x, y) in [(0.32, -0.2), (0.4, 0.25), (0.2, 0.55)] {
        s.fill(rgb(0x18_18_18), &circle(x, y, 0.13));
        s.fill(rgb(0x18_18_18), &circle(-x, y, 0.13));
    }
}

fn starfish(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0xe0_c8_90), rgb(0xc8_a8_70));
    let colour = s.rng.one(&[rgb(0xe0_60_30), rgb(0xc0_30_40), rgb(0x90_50_a0)]);
    let mut s = s.subject();
    s.fill(colour, &star(0.0, 0.0, 0.95, 0.38, 5));
    for i in 0..5 {
        let mut s = s.at(0.0, 0.0, 1.0, i as f32 / 5.0 - 0.25);
        s.fill(mix(colour, [1.0; 3], 0.4), &circle(0.3, 0.0, 0.06));
        s.fill(mix(colour, [1.0; 3], 0.4), &circle(0.55, 0.0, 0.05));
    }
}

fn zebra(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0xb8_c8_a0), rgb(0xb0_a0_60));
    let (white, black) = (rgb(0xf4_f4_f0), rgb(0x18_18_1a));
    let mut s = s.subject();
    for x in [-0.5, -0.3, 0.2, 0.4] {
        s.fill(white, &line([x, 0.1], [x, 0.85], 0.12));
    }
    s.fill(white, &line([0.4, 0.0], [0.68, -0.5], 0.3));
    s.fill(white, &ellipse(0.76, -0.5, 0.24, 0.15));
    s.fill(white, &ellipse(-0.05, 0.0, 0.6, 0.32));
    for i in 0..7 {
        let x = -0.55 + 0.16 * i as f32;
        let half = 0.3 * (1.0 - (x + 0.05) * (x + 0.05) / 0.4).max(0.1).sqrt();
        s.fill(black, &line([x, -half], [x + 0.04, half], 0.07));
    }
    s.fill(black, &line([0.42, -0.62], [0.3, -0.3], 0.07));
    s.fill(black, &line([0.55, -0.15], [0.4, -0.3], 0.05));
}

fn balloon(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x80_b8_f0), rgb(0xc0_e0_f8));
    let (one, two) = (s.any_colour(), s.any_colour());
    let mut s = s.subject();
    s.fill(rgb(0x50_38_28), &line([-0.35, 0.25], [-0.1, 0.75], 0.04));
    s.fill(rgb(0x50_38_28), &line([0.35, 0.25], [0.1, 0.75], 0.04));
    s.fill(one, &ellipse(0.0, -0.25, 0.66, 0.68));
    s.fill(two, &ellipse(0.0, -0.25, 0.4, 0.68));
    s.fill(one, &ellipse(0.0, -0.25, 0.16, 0.68));
    s.fill(rgb(0x90_60_30), &rect(0.0, 0.82, 0.15, 0.11));
}

fn church(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x88_b8_e8), rgb(0xc8_dc_f0));
    s.fill(rgb(0x60_90_40), &rect(0.0, 1.6, 4.0, 0.8));
    let (wall, roof) = (s.rng.one(&[rgb(0xf0_ec_e0), rgb(0xc8_a8_80)]), s.rng.one(&[rgb(0x90_38_28), rgb(0x50_58_68)]));
    let mut s = s.subject();
    s.fill(wall, &rect(0.25, 0.45, 0.6, 0.4));
    s.fill(roof, &polygon(&[[-0.3, 0.1], [0.9, 0.1], [0.75, -0.25], [-0.2, -0.25]]));
    s.fill(wall, &rect(-0.5, 0.25, 0.25, 0.6));
    s.fill(roof, &triangle([-0.8, -0.33], [-0.2, -0.33], [-0.5, -0.85]));
    s.fill(rgb(0x30_28_20), &line([-0.5, -0.8], [-0.5, -1.1], 0.05));
    s.fill(rgb(0x30_28_20), &line([-0.6, -1.0], [-0.4, -1.0], 0.05));
    s.fill(rgb(0x40_30_28), &ellipse(-0.5, 0.7, 0.1, 0.18));
    for x in [0.1, 0.4, 0.7] {
        s.fill(rgb(0x40_50_70), &ellipse(x, 0.42, 0.08, 0.16));
    }
}

fn school_bus(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0xa8_c8_e0), rgb(0xd0_d4_d0));
    s.fill(rgb(0x70_70_74), &rect(0.0, 1.5, 4.0, 0.9));
    let mut s = s.subject();
    s.fill(rgb(0xf4_b8_10), &rect(-0.1, -0.05, 0.85, 0.48));
    s.fill(rgb(0xf4_b8_10), &rect(0.75, 0.2, 0.22, 0.23));
    for i in 0..5 {
        s.fill(rgb(0x30_40_50), &rect(-0.78 + 0.33 * i as f32, -0.22, 0.12, 0.14));
    }
    s.fill(rgb(0x20_20_20), &line([-0.95, 0.12], [0.95, 0.12], 0.05));
    for x in [-0.55, 0.6] {
        s.fill(rgb(0x18_18_18), &circle(x, 0.46, 0.2));
        s.fill(rgb(0xa0_a0_a0), &circle(x, 0.46, 0.09));
    }
}

fn umbrella(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x98_a8_b8), rgb(0x78_88_90));
    let cloth = s.any_colour();
    let mut s = s.subject();
    s.fill(rgb(0x40_28_18), &line([0.0, -0.8], [0.0, 0.7], 0.06));
    s.fill(rgb(0x40_28_18), &arc(-0.13, 0.7, 0.13, 0.06, 0.0, 0.5));
    s.fill(cloth, &fan(0.0, 0.1, 0.9, 0.5, 1.0));
    for i in 0..4 {
        let angle = 0.5 + 0.125 * (i as f32 + 0.5);
        let (sin, cos) = libm::sincosf(TAU * angle);
        s.fill(mix(cloth, [0.0; 3], 0.4), &line([0.0, 0.05], [0.85 * cos, 0.1 + 0.85 * sin], 0.04));
    }
}

fn strawberry(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let mut s = s.subject();
    s.fill(
        rgb(0xd8_20_30),
        &polygon(&[[-0.65, -0.35], [-0.3, -0.6], [0.3, -0.6], [0.65, -0.35], [0.5, 0.2], [0.0, 0.9], [-0.5, 0.2]]),
    );
    s.fill(rgb(0x40_98_30), &star(0.0, -0.6, 0.5, 0.18, 6));
    for (x, y) in [(-0.3, -0.15), (0.0, -0.2), (0.3, -0.15), (-0.2, 0.12), (0.2, 0.12), (0.0, 0.4)] {
        s.fill(rgb(0xf8_d8_60), &circle(x, y, 0.06));
    }
}

fn volcano(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x60_68_88), rgb(0xc0_90_80));
    let mut s = s.subject();
    for _ in 0..5 {
        let (x, y, radius) = (s.rng.around(0.3), s.rng.within(-0.95, -0.5), s.rng.within(0.15, 0.3));
        s.fill(rgb(0x88_84_84), &circle(x, y, radius));
    }
    s.fill(rgb(0x48_38_34), &polygon(&[[-1.1, 0.9], [-0.25, -0.35], [0.25, -0.35], [1.1, 0.9]]));
    s.fill(
        rgb(0xf0_50_10),
        &polygon(&[[-0.2, -0.37], [0.2, -0.37], [0.28, 0.2], [0.1, 0.7], [0.02, 0.1], [-0.14, 0.4]]),
    );
}
