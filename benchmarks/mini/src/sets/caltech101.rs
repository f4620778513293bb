//! Objects, each alone on its ground.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Sketch, arc, circle, ellipse, fan, line, mix, polygon, rect, regular, rgb, ring, triangle};

pub(super) const SET: MiniSet = MiniSet {
    name: "caltech101",
    paths: ["{class}/image_{n}.jpg", "{class}/image_{n}.jpg"],
    shuffled: false,
    forms: &["a photo of a {}.", "a photo of the {}.", "a close-up photo of a {}."],
    frame: (48, 40),
    format: Format::Jpeg,
    look: Look {
        outline: true,
        grain: 0.03,
        contrast: 0.85,
        size: [0.7, 1.05],
        turn: 0.05,
        drift: 0.2,
        stretch: [0.8, 1.2],
        clutter: 1,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("face", "Faces", face),
        Class::new("airplane", "airplanes", airplane),
        Class::new("anchor", "anchor", anchor),
        Class::new("butterfly", "butterfly", butterfly),
        Class::new("chair", "chair", chair),
        Class::new("cup", "cup", cup),
        Class::new("ketch", "ketch", ketch),
        Class::new("lamp", "lamp", lamp),
        Class::new("pyramid", "pyramid", pyramid),
        Class::new("soccer_ball", "soccer_ball", soccer_ball),
        Class::new("stop_sign", "stop_sign", stop_sign),
        Class::new("yin_yang", "yin_yang", yin_yang),
    ],
};

fn face(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let mut s = s.subject();
    let skin = s.rng.one(&[rgb(0xf0_c8_a8), rgb(0xc8_90_68), rgb(0x80_58_40)]);
    let hair = s.rng.one(&[rgb(0x30_20_18), rgb(0x88_58_28), rgb(0xd8_b8_60)]);
    s.fill(hair, &ellipse(0.0, -0.2, 0.7, 0.75));
    s.fill(skin, &ellipse(0.0, 0.08, 0.58, 0.74));
    for x in [-0.24, 0.24] {
        s.fill(rgb(0xf8_f8_f8), &ellipse(x, -0.05, 0.14, 0.09));
        s.fill(rgb(0x20_20_30), &circle(x, -0.05, 0.07));
    }
    s.fill(mix(skin, [0.3, 0.1, 0.1], 0.4), &line([0.0, 0.05], [0.04, 0.26], 0.07));
    s.fill(rgb(0xb0_40_40), &arc(0.0, 0.3, 0.24, 0.08, 0.08, 0.42));
}

fn airplane(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x80_b8_e8), rgb(0xc8_e0_f4));
    let mut s = s.subject();
    let body = s.rng.one(&[rgb(0xf0_f0_f4), rgb(0xc0_c8_d0), rgb(0xe0_e0_c8)]);
    // From above: fuselage, swept wings, tailplane.
    s.fill(
        mix(body, [0.0; 3], 0.2),
        &polygon(&[[0.25, 0.0], [-0.35, -0.9], [-0.55, -0.9], [-0.15, 0.0], [-0.55, 0.9], [-0.35, 0.9]]),
    );
    s.fill(
        mix(body, [0.0; 3], 0.3),
        &polygon(&[[-0.65, 0.0], [-0.9, -0.35], [-1.0, -0.35], [-0.85, 0.0], [-1.0, 0.35], [-0.9, 0.35]]),
    );
    s.fill(body, &ellipse(0.0, 0.0, 0.95, 0.13));
}

fn anchor(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let iron = s.rng.one(&[rgb(0x30_34_3c), rgb(0x60_40_30), rgb(0x20_40_60)]);
    let mut s = s.subject();
    s.fill(iron, &line([0.0, -0.5], [0.0, 0.8], 0.15));
    s.fill(iron, &ring(0.0, -0.7, 0.18, 0.1));
    s.fill(iron, &line([-0.4, -0.3], [0.4, -0.3], 0.13));
    s.fill(iron, &arc(0.0, 0.1, 0.7, 0.15, 0.03, 0.47));
    for side in [-1.0, 1.0] {
        s.fill(iron, &triangle([side * 0.9, 0.42], [side * 0.5, 0.25], [side * 0.78, 0.0]));
    }
}

fn butterfly(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x80_b0_68), rgb(0x58_90_48));
    let (wing, spot) = (s.any_colour(), s.any_colour());
    let mut s = s.subject();
    for side in [-1.0, 1.0] {
        let mut s = s.at(0.0, 0.0, 1.0, side * 0.06);
        s.fill(wing, &ellipse(side * 0.5, -0.3, 0.46, 0.38));
        s.fill(wing, &ellipse(side * 0.38, 0.42, 0.34, 0.32));
        s.fill(spot, &circle(side * 0.55, -0.32, 0.15));
        s.fill(spot, &circle(side * 0.4, 0.42, 0.11));
    }
    s.fill(rgb(0x20_18_18), &ellipse(0.0, 0.05, 0.08, 0.6));
    s.fill(rgb(0x20_18_18), &line([0.0, -0.5], [0.25, -0.9], 0.04));
    s.fill(rgb(0x20_18_18), &line([0.0, -0.5], [-0.25, -0.9], 0.04));
}

fn chair(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let wood = s.rng.one(&[rgb(0x8a_58_30), rgb(0xb0_30_28), rgb(0x30_50_80), rgb(0x30_28_24)]);
    let mut s = s.subject();
    for (from, to) in [([-0.5, 0.1], [-0.55, 0.95]), ([0.45, 0.1], [0.5, 0.95]), ([-0.45, 0.1], [-0.5, -0.95])] {
        s.fill(wood, &line(from, to, 0.12));
    }
    s.fill(wood, &line([0.05, 0.1], [0.0, -0.95], 0.12));
    s.fill(wood, &line([0.2, 0.1], [0.22, 0.7], 0.1));
    s.fill(wood, &polygon(&[[-0.55, 0.0], [0.5, 0.0], [0.55, 0.16], [-0.6, 0.16]]));
    for y in [-0.85, -0.6, -0.35] {
        s.fill(wood, &line([-0.45, y], [0.0, y], 0.1));
    }
}

fn cup(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let glaze = s.any_colour();
    let mut s = s.subject();
    s.fill(glaze, &ring(0.6, 0.05, 0.3, 0.13));
    s.fill(glaze, &polygon(&[[-0.65, -0.55], [0.6, -0.55], [0.45, 0.7], [-0.5, 0.7]]));
    s.fill(mix(glaze, [1.0; 3], 0.4), &ellipse(-0.02, -0.55, 0.63, 0.2));
    s.fill(rgb(0x40_24_14), &ellipse(-0.02, -0.52, 0.5, 0.13));
}

fn ketch(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x98_c8_f0), rgb(0xd0_e4_f4));
    s.fill(rgb(0x28_68_a0), &rect(0.0, 1.5, 4.0, 0.8));
    let sail = s.rng.one(&[rgb(0xf8_f6_f0), rgb(0xe8_d8_b0), rgb(0xc0_38_30)]);
    let mut s = s.subject();
    s.fill(rgb(0x58_38_20), &polygon(&[[-0.85, 0.45], [0.9, 0.45], [0.65, 0.8], [-0.65, 0.8]]));
    s.fill(rgb(0x40_28_18), &line([0.1, 0.45], [0.1, -0.95], 0.06));
    s.fill(rgb(0x40_28_18), &line([-0.55, 0.45], [-0.55, -0.4], 0.06));
    s.fill(sail, &triangle([0.05, -0.85], [0.05, 0.32], [-0.45, 0.32]));
    s.fill(sail, &triangle([0.17, -0.85], [0.17, 0.32], [0.85, 0.32]));
    s.fill(sail, &triangle([-0.6, -0.35], [-0.6, 0.35], [-0.95, 0.35]));
}

fn lamp(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let (shade, foot) = (s.rng.one(&[rgb(0xf4_e0_98), rgb(0xe8_a0_60), rgb(0xc0_d8_b0)]), s.any_colour());
    let mut s = s.subject();
    s.fill(foot, &line([0.0, -0.1], [0.0, 0.8], 0.12));
    s.fill(foot, &ellipse(0.0, 0.85, 0.42, 0.13));
    s.fill(shade, &polygon(&[[-0.32, -0.85], [0.32, -0.85], [0.65, 0.0], [-0.65, 0.0]]));
}

fn pyramid(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x80_b0_e0), rgb(0xe0_d8_b8));
    s.fill(rgb(0xd8_b8_78), &rect(0.0, 1.45, 4.0, 0.9));
    let stone = rgb(0xd0_a8_60);
    let mut s = s.subject();
    s.fill(stone, &triangle([-0.95, 0.7], [0.0, -0.75], [0.95, 0.7]));
    s.fill(mix(stone, [0.2, 0.1, 0.0], 0.5), &triangle([0.3, 0.7], [0.0, -0.75], [0.95, 0.7]));
}

fn soccer_ball(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x58_98_48), rgb(0x40_80_38));
    let mut s = s.subject();
    s.fill(rgb(0xf6_f6_f6), &circle(0.0, 0.0, 0.85));
    s.fill(rgb(0x18_18_1c), &regular(0.0, 0.0, 0.3, 5));
    for i in 0..5 {
        let mut s = s.at(0.0, 0.0, 1.0, i as f32 / 5.0 - 0.25);
        s.fill(rgb(0x18_18_1c), &line([0.3, 0.0], [0.62, 0.0], 0.05));
        s.fill(rgb(0x18_18_1c), &polygon(&[[0.58, -0.16], [0.74, -0.24], [0.82, 0.0], [0.74, 0.24], [0.58, 0.16]]));
    }
}

fn stop_sign(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x98_b8_d8), rgb(0x90_a0_80));
    let mut s = s.subject();
    s.fill(rgb(0x80_84_88), &line([0.0, 0.5], [0.0, 1.4], 0.12));
    let mut s = s.at(0.0, -0.1, 1.0, 1.0 / 16.0);
    s.fill(rgb(0xf4_f4_f4), &regular(0.0, 0.0, 0.82, 8));
    s.fill(rgb(0xc8_18_20), &regular(0.0, 0.0, 0.72, 8));
    let mut s = s.at(0.0, 0.0, 1.0, -1.0 / 16.0);
    for i in 0..4 {
        s.fill(rgb(0xf8_f8_f8), &line([-0.42 + 0.28 * i as f32, -0.16], [-0.42 + 0.28 * i as f32, 0.16], 0.12));
    }
}

fn yin_yang(s: &mut Sketch<'_>) {
    s.any_backdrop();
    let (light, dark) = (rgb(0xf6_f6_f2), rgb(0x14_14_18));
    let mut s = s.subject();
    s.fill(dark, &circle(0.0, 0.0, 0.88));
    s.fill(light, &fan(0.0, 0.0, 0.82, 0.25, 0.75));
    s.fill(light, &circle(0.0, -0.41, 0.41));
    s.fill(dark, &circle(0.0, 0.41, 0.41));
    s.fill(dark, &circle(0.0, -0.41, 0.12));
    s.fill(light, &circle(0.0, 0.41, 0.12));
}
