//! Land cover from above: fields, forest, roads, roofs and water.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, clouds, line, mix, noise, rect, rgb};

pub(super) const SET: MiniSet = MiniSet {
    name: "eurosat",
    paths: ["{class}/{class}_{i}.jpg", "{class}/{class}_{i}.jpg"],
    shuffled: false,
    forms: &["a centered satellite photo of {}.", "a satellite photo of {}.", "{} from above."],
    frame: (64, 64),
    format: Format::Jpeg,
    look: Look {
        hue: [-0.25, -0.12],
        saturation: 0.7,
        contrast: 0.65,
        brightness: -0.1,
        grain: 0.05,
        blur: 0.7,
        size: [0.55, 0.8],
        turn: 0.5,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("Annual Crop Land", "AnnualCrop", annual_crop),
        Class::new("Forest", "Forest", |s| mottled(s, rgb(0x0f_3d_1a), rgb(0x2d_6b_2c), 7.0)),
        Class::new("Herbaceous Vegetation Land", "HerbaceousVegetation", |s| {
            mottled(s, rgb(0x6d_8f_45), rgb(0xa9_a8_6a), 3.0);
        }),
        Class::new("Highway or Road", "Highway", highway),
        Class::new("Industrial Buildings", "Industrial", industrial),
        Class::new("Pasture Land", "Pasture", pasture),
        Class::new("Permanent Crop Land", "PermanentCrop", permanent_crop),
        Class::new("Residential Buildings", "Residential", residential),
        Class::new("River", "River", river),
        Class::new("Sea or Lake", "SeaLake", |s| mottled(s, rgb(0x0c_2f_66), rgb(0x1f_55_8c), 1.2)),
    ],
};

/// A ground of two colours in spots, of which some `spots` fit into the frame.
fn mottled(s: &mut Sketch<'_>, a: Rgb, b: Rgb, spots: f32) {
    let seed = s.rng.bits() as u32;
    s.subject().shade(|x, y| mix(a, b, clouds(spots * x, spots * y, seed)));
}

/// Fields of several colours, divided along two directions.
fn fields(s: &mut Sketch<'_>, colours: &[Rgb], furrows: f32) {
    let seed = s.rng.bits() as u32;
    s.subject().shade(|x, y| {
        let (column, row) = ((1.1 * x + 0.2 * y).floor(), (1.6 * y - 0.1 * x).floor());
        let pick = (noise(7.0 * column, 7.0 * row, seed) * colours.len() as f32) as usize;
        let furrow = noise(14.0 * y, 0.5 * x, seed) - 0.5;
        colours[pick.min(colours.len() - 1)].map(|c| c + furrows * furrow)
    });
}

fn annual_crop(s: &mut Sketch<'_>) {
    fields(s, &[rgb(0xb5_8a_4e), rgb(0x8a_6a_3c), rgb(0xc9_b0_6c), rgb(0x7d_9a_4a)], 0.22);
}

fn pasture(s: &mut Sketch<'_>) {
    fields(s, &[rgb(0x7f_b2_4f), rgb(0x75_a8_4a), rgb(0x6e_a0_4c)], 0.02);
    for _ in 0..s.rng.count(1, 3) {
        let (y, slope) = (s.rng.around(0.8), s.rng.around(0.3));
        s.subject().fill(rgb(0x3f_66_2d), &line([-2.0, y - slope], [2.0, y + slope], 0.07));
    }
}

fn permanent_crop(s: &mut Sketch<'_>) {
    let (soil, tree) = (rgb(0xb8_99_68), rgb(0x3f_6b_2f));
    let rows = s.rng.within(3.5, 5.0);
    s.subject().shade(|x, y| {
        let (dx, dy) = (rows * x - (rows * x).floor() - 0.5, rows * y - (rows * y).floor() - 0.5);
        mix(tree, soil, (((dx * dx + dy * dy).sqrt() - 0.3) * 6.0).clamp(0.0, 1.0))
    });
}

fn highway(s: &mut Sketch<'_>) {
    fields(s, &[rgb(0x7d_9a_4a), rgb(0x9a_90_58), rgb(0x6b_8f_46)], 0.05);
    let (offset, bend) = (s.rng.around(0.3), s.rng.around(0.25));
    let mut s = s.subject();
    for (width, colour) in [(0.34, rgb(0x8f_8f_8c)), (0.05, rgb(0xe8_e8_e0))] {
        s.fill(colour, &line([-2.5, offset - bend], [0.0, offset], width));
        s.fill(colour, &line([0.0, offset], [2.5, offset + 2.0 * bend], width));
    }
}

fn industrial(s: &mut Sketch<'_>) {
    mottled(s, rgb(0x8a_88_84), rgb(0x9f_9c_98), 2.0);
    let mut s = s.subject();
    for (x, y) in [(-0.75, -0.7), (0.65, -0.75), (-0.7, 0.65), (0.7, 0.6), (-1.9, 0.1), (1.9, 0.0)] {
        let colour = s.rng.one(&[rgb(0xe9_ec_f0), rgb(0xc8_d2_dc), rgb(0x7f_a0_c4)]);
        let (w, h) = (s.rng.within(0.35, 0.6), s.rng.within(0.3, 0.5));
        s.fill(rgb(0x44_44_48), &rect(x + 0.06, y + 0.08, w, h));
        s.fill(colour, &rect(x, y, w, h));
    }
}

fn residential(s: &mut Sketch<'_>) {
    mottled(s, rgb(0x5f_84_45), rgb(0x8a_9a_68), 4.0);
    let mut s = s.subject();
    s.fill(rgb(0x9a_9a_98), &line([-2.5, 0.02], [2.5, 0.02], 0.14));
    s.fill(rgb(0x9a_9a_98), &line([0.0, -2.5], [0.0, 2.5], 0.14));
    for (column, row) in (-4..4).flat_map(|c| (-4..4).map(move |r| (c as f32 + 0.5, r as f32 + 0.5))) {
        let colour = s.rng.one(&[rgb(0xb5_4a_36), rgb(0x9a_3f_33), rgb(0xc0_6a_4c)]);
        let (dx, dy) = (s.rng.around(0.04), s.rng.around(0.04));
        s.fill(colour, &rect(0.42 * column + dx, 0.42 * row + dy, 0.12, 0.1));
    }
}

fn river(s: &mut Sketch<'_>) {
    let seed = s.rng.bits() as u32;
    let green = s.rng.one(&[rgb(0x3f_6b_36), rgb(0x6d_8f_45), rgb(0x8a_90_50)]);
    let (bend, width) = (s.rng.within(0.3, 0.6), s.rng.within(0.22, 0.36));
    s.subject().shade(|x, y| {
        let middle = bend * (2.0 * noise(0.9 * x, 0.5, seed) - 1.0);
        let bank = (((y - middle).abs() - width) * 10.0).clamp(0.0, 1.0);
        let land = green.map(|c| c + 0.15 * (clouds(3.0 * x, 3.0 * y, seed) - 0.5));
        mix(rgb(0x2a_5a_8a), land, bank)
    });
}
