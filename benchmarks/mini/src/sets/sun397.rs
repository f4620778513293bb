//! Scenes, indoors and outdoors.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, circle, clouds, ellipse, line, mix, noise, polygon, rect, rgb, triangle};

pub(super) const SET: MiniSet = MiniSet {
    name: "sun397",
    paths: ["{class}/sun_{i}.jpg", "{class}/sun_{i}.jpg"],
    shuffled: false,
    forms: &["a photo of a {}.", "a photo of the {}.", "a view of a {}."],
    frame: (64, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [-0.2, 0.1],
        saturation: 0.5,
        brightness: -0.15,
        contrast: 0.65,
        stray: 0.4,
        grain: 0.05,
        blur: 0.6,
        size: [1.0, 1.5],
        turn: 0.05,
        drift: 0.3,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("outdoor apartment_building", "a/apartment_building/outdoor", apartments),
        Class::new("beach", "b/beach", beach),
        Class::new("bedroom", "b/bedroom", bedroom),
        Class::new("bridge", "b/bridge", bridge),
        Class::new("corridor", "c/corridor", corridor),
        Class::new("sand desert", "d/desert/sand", desert),
        Class::new("broadleaf forest", "f/forest/broadleaf", forest),
        Class::new("lighthouse", "l/lighthouse", lighthouse),
        Class::new("mountain", "m/mountain", mountain),
        Class::new("ocean", "o/ocean", ocean),
        Class::new("skyscraper", "s/skyscraper", skyscraper),
        Class::new("windmill", "w/windmill", windmill),
    ],
};

const BLUE_SKY: Rgb = rgb(0x78_b0_e8);
const HAZE: Rgb = rgb(0xc8_dc_ec);

fn sky(s: &mut Sketch<'_>) {
    let (top, bottom) = s.rng.one(&[(BLUE_SKY, HAZE), (rgb(0x48_80_c8), rgb(0xa0_c8_f0)), (rgb(0x98_a4_b0), HAZE)]);
    s.backdrop(top, bottom);
}

/// A plain below a horizon.
fn plain(s: &mut Sketch<'_>, colour: Rgb, horizon: f32) {
    s.fill(colour, &rect(0.0, horizon + 2.0, 4.0, 2.0));
}

fn apartments(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    plain(&mut s, rgb(0x70_80_60), 0.7);
    let wall = s.rng.one(&[rgb(0xc8_a0_80), rgb(0xd8_d0_c0), rgb(0xa8_68_50)]);
    s.fill(wall, &rect(0.0, 0.1, 0.95, 0.72));
    for (column, row) in (0..5).flat_map(|c| (0..4).map(move |r| (c as f32, r as f32))) {
        let glass = s.rng.one(&[rgb(0x30_40_58), rgb(0x48_58_70), rgb(0xf0_e0_a0)]);
        s.fill(glass, &rect(-0.72 + 0.36 * column, -0.4 + 0.32 * row, 0.1, 0.09));
        s.fill(rgb(0xf0_f0_f0), &rect(-0.72 + 0.36 * column, -0.28 + 0.32 * row, 0.14, 0.025));
    }
}

fn beach(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    plain(&mut s, rgb(0x20_80_b8), -0.2);
    let slope = s.rng.around(0.3);
    s.fill(rgb(0xf4_f8_f8), &polygon(&[[-4.0, 0.15 - slope], [4.0, 0.15 + slope], [4.0, 4.0], [-4.0, 4.0]]));
    s.fill(rgb(0xe8_d0_98), &polygon(&[[-4.0, 0.25 - slope], [4.0, 0.25 + slope], [4.0, 4.0], [-4.0, 4.0]]));
    if s.rng.chance(0.6) {
        let (x, colour) = (s.rng.around(0.6), s.any_colour());
        s.fill(rgb(0x60_40_20), &line([x, 0.7], [x, 0.1], 0.04));
        s.fill(colour, &triangle([x - 0.3, 0.2], [x + 0.3, 0.2], [x, -0.05]));
    }
}

fn bedroom(s: &mut Sketch<'_>) {
    let wall = s.rng.one(&[rgb(0xd8_c8_b0), rgb(0xb0_c0_c8), rgb(0xc8_b0_b8)]);
    s.backdrop(wall, mix(wall, [0.0; 3], 0.1));
    let mut s = s.subject();
    plain(&mut s, rgb(0x80_58_38), 0.4);
    let cover = s.any_colour();
    s.fill(rgb(0x60_38_20), &rect(0.0, -0.05, 0.62, 0.3));
    s.fill(cover, &polygon(&[[-0.6, 0.15], [0.6, 0.15], [0.8, 0.75], [-0.8, 0.75]]));
    s.fill(rgb(0xf4_f4_f4), &ellipse(-0.28, 0.12, 0.24, 0.12));
    s.fill(rgb(0xf4_f4_f4), &ellipse(0.28, 0.12, 0.24, 0.12));
    s.fill(rgb(0xf0_e0_90), &triangle([0.72, -0.1], [1.04, -0.1], [0.88, -0.4]));
    s.fill(rgb(0xa8_c8_e0), &rect(-0.1, -0.65, 0.25, 0.2));
}

fn bridge(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    plain(&mut s, rgb(0x38_68_90), 0.35);
    let steel = s.rng.one(&[rgb(0xb0_30_20), rgb(0x58_60_68), rgb(0x40_50_48)]);
    s.fill(steel, &rect(0.0, 0.1, 4.0, 0.06));
    for x in [-0.7, 0.7] {
        s.fill(steel, &rect(x, -0.1, 0.07, 0.6));
        for i in 1..=4 {
            let reach = 0.17 * i as f32;
            s.fill(steel, &line([x, -0.65], [x - reach, 0.1], 0.03));
            s.fill(steel, &line([x, -0.65], [x + reach, 0.1], 0.03));
        }
    }
}

fn corridor(s: &mut Sketch<'_>) {
    let wall = s.rng.one(&[rgb(0xd8_d8_d0), rgb(0xb8_b0_98), rgb(0xa8_b8_c0)]);
    s.backdrop(wall, wall);
    let mut s = s.subject();
    s.fill(mix(wall, [1.0; 3], 0.5), &triangle([-2.4, -2.0], [2.4, -2.0], [0.0, 0.0]));
    s.fill(mix(wall, [0.2, 0.15, 0.1], 0.7), &triangle([-2.4, 2.0], [2.4, 2.0], [0.0, 0.0]));
    for side in [-1.0, 1.0] {
        for (near, far) in [(1.2, 0.8), (0.55, 0.38)] {
            let door = [
                [side * near, -0.6 * near],
                [side * far, -0.6 * far],
                [side * far, 0.83 * far],
                [side * near, 0.83 * near],
            ];
            s.fill(rgb(0x78_50_30), &polygon(&door));
        }
    }
    s.fill(mix(wall, [0.0; 3], 0.3), &rect(0.0, 0.0, 0.2, 0.17));
    s.fill(rgb(0xff_ff_e8), &rect(0.0, -0.6, 0.3, 0.05));
}

fn desert(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    for (y, colour) in [(-0.1, rgb(0xe0_b8_70)), (0.2, rgb(0xd0_a0_58)), (0.55, rgb(0xe8_c0_78))] {
        let (x, height) = (s.rng.around(0.8), s.rng.within(0.2, 0.45));
        plain(&mut s, colour, y + 0.1);
        s.fill(colour, &triangle([x - 1.4, y + 0.12], [x, y - height], [x + 0.9, y + 0.12]));
        s.fill(
            mix(colour, [0.3, 0.15, 0.0], 0.35),
            &triangle([x + 0.25, y + 0.12], [x, y - height], [x + 0.9, y + 0.12]),
        );
    }
}

fn forest(s: &mut Sketch<'_>) {
    let seed = s.rng.bits() as u32;
    s.shade(|x, y| mix(rgb(0x1c_40_18), rgb(0x78_a8_40), clouds(2.0 * x, 2.0 * y, seed)));
    let mut s = s.subject();
    for i in 0..6 {
        let x = -1.2 + 0.45 * i as f32 + s.rng.around(0.12);
        let (width, top) = (s.rng.within(0.08, 0.18), x + s.rng.around(0.1));
        s.fill(rgb(0x50_38_24), &line([x, 1.5], [top, -0.6], width));
    }
    for _ in 0..12 {
        let (x, y, green) =
            (s.rng.around(1.3), s.rng.within(-1.2, -0.3), s.rng.one(&[rgb(0x3a_78_28), rgb(0x58_98_38)]));
        s.fill(green, &circle(x, y, 0.3));
    }
}

fn lighthouse(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    plain(&mut s, rgb(0x28_60_90), 0.5);
    s.fill(rgb(0x60_58_50), &ellipse(0.0, 0.85, 0.8, 0.35));
    s.fill(rgb(0xf4_f4_f0), &polygon(&[[-0.28, 0.7], [-0.17, -0.5], [0.17, -0.5], [0.28, 0.7]]));
    s.fill(rgb(0xd0_28_20), &rect(0.0, -0.2, 0.19, 0.12));
    s.fill(rgb(0xd0_28_20), &rect(0.0, 0.3, 0.24, 0.12));
    s.fill(rgb(0xf8_e0_60), &rect(0.0, -0.62, 0.13, 0.12));
    s.fill(rgb(0xa0_20_18), &triangle([-0.2, -0.72], [0.2, -0.72], [0.0, -0.95]));
}

fn mountain(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    for _ in 0..3 {
        let (x, peak, half) = (s.rng.around(0.9), s.rng.within(-0.85, -0.4), s.rng.within(0.7, 1.1));
        let rock = s.rng.one(&[rgb(0x60_68_78), rgb(0x78_70_68), rgb(0x50_58_60)]);
        s.fill(rock, &triangle([x - half, 0.6], [x, peak], [x + half, 0.6]));
        let snow = |t: f32| peak + t * (0.6 - peak);
        let cap = [[x, peak], [x + half * 0.3, snow(0.3)], [x, snow(0.2)], [x - half * 0.3, snow(0.3)]];
        s.fill(rgb(0xf6_f8_fc), &polygon(&cap));
    }
    plain(&mut s, rgb(0x40_70_38), 0.5);
}

fn ocean(s: &mut Sketch<'_>) {
    sky(s);
    let seed = s.rng.bits() as u32;
    let mut s = s.subject();
    let horizon = s.rng.within(-0.5, -0.2);
    plain(&mut s, rgb(0x18_50_80), horizon);
    for i in 0..9 {
        let y = horizon + 0.12 + 0.19 * i as f32;
        let x = 3.0 * noise(7.3 * i as f32, 0.0, seed) - 1.5;
        s.fill(rgb(0x58_98_c0), &line([x - 0.5, y], [x + 0.5, y], 0.05));
    }
}

fn skyscraper(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    let towers = [(-0.75, 0.1, 0.22), (0.7, -0.1, 0.2), (0.0, -0.85, 0.3)];
    for (x, top, half) in towers {
        let glass = s.rng.one(&[rgb(0x48_68_88), rgb(0x68_80_90), rgb(0x38_48_60)]);
        s.fill(glass, &rect(x, top + 1.5, half, 1.5));
        for i in 0..9 {
            let y = top + 0.14 + 0.2 * i as f32;
            s.fill(rgb(0xc0_d8_e8), &line([x - half * 0.75, y], [x + half * 0.75, y], 0.05));
        }
    }
    s.fill(rgb(0x60_60_68), &line([0.0, -0.85], [0.0, -1.15], 0.04));
}

fn windmill(s: &mut Sketch<'_>) {
    sky(s);
    let mut s = s.subject();
    plain(&mut s, rgb(0x60_98_40), 0.6);
    let wall = s.rng.one(&[rgb(0xe8_e0_d0), rgb(0x90_58_38)]);
    s.fill(wall, &polygon(&[[-0.36, 0.8], [-0.2, -0.2], [0.2, -0.2], [0.36, 0.8]]));
    s.fill(rgb(0x58_38_28), &triangle([-0.26, -0.18], [0.26, -0.18], [0.0, -0.48]));
    let start = s.rng.unit();
    for i in 0..4 {
        let mut s = s.at(0.0, -0.25, 1.0, start + i as f32 / 4.0);
        s.fill(rgb(0x40_30_28), &line([0.0, 0.0], [0.72, 0.0], 0.05));
        s.fill(rgb(0xf0_ec_e0), &rect(0.45, 0.08, 0.27, 0.07));
    }
}
