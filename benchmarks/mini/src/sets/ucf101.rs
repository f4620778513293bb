//! Actions: a stick figure in the pose of each, with what it acts on.

use super::{Class, Format, MiniSet};
use crate::paint::{Look, Rgb, Sketch, arc, circle, ellipse, hsv, line, mix, polygon, rect, rgb, ring};
use std::f32::consts::TAU;

pub(super) const SET: MiniSet = MiniSet {
    name: "ucf101",
    paths: ["{class}/v_{stem}_g01_c{n}.jpg", "{class}/v_{stem}_g02_c{n}.jpg"],
    shuffled: false,
    forms: &["a photo of a person doing {}.", "a person doing {}.", "a video frame of {}."],
    frame: (64, 48),
    format: Format::Jpeg,
    look: Look {
        hue: [0.0, 1.0],
        saturation: 0.5,
        contrast: -0.8,
        grain: 0.03,
        blur: 0.3,
        size: [0.65, 0.9],
        turn: 0.04,
        drift: 0.15,
        stretch: [0.8, 1.2],
        wobble: 0.02,
        ..Look::PLAIN
    },
    classes: &[
        Class::new("Archery", "Archery", archery),
        Class::new("Bench_Press", "Bench_Press", bench_press),
        Class::new("Biking", "Biking", biking),
        Class::new("Diving", "Diving", diving),
        Class::new("Golf_Swing", "Golf_Swing", golf_swing),
        Class::new("Handstand_Walking", "Handstand_Walking", handstand_walking),
        Class::new("Hula_Hoop", "Hula_Hoop", hula_hoop),
        Class::new("Jumping_Jack", "Jumping_Jack", jumping_jack),
        Class::new("Lunges", "Lunges", lunges),
        Class::new("Pull_Ups", "Pull_Ups", pull_ups),
        Class::new("Push_Ups", "Push_Ups", push_ups),
        Class::new("Skiing", "Skiing", skiing),
    ],
};

/// A pose: where the hips are, how the trunk points, and the two angles of each limb. All angles are in turns
/// clockwise from the right, so that 0.25 points down and 0.75 up.
struct Pose {
    hips: [f32; 2],
    trunk: f32,
    arms: [[f32; 2]; 2],
    legs: [[f32; 2]; 2],
}

/// The ends of the limbs, where things are held.
struct Ends {
    hands: [[f32; 2]; 2],
    feet: [[f32; 2]; 2],
}

fn step([x, y]: [f32; 2], angle: f32, length: f32) -> [f32; 2] {
    let (sin, cos) = libm::sincosf(TAU * angle);
    [x + length * cos, y + length * sin]
}

fn figure(s: &mut Sketch<'_>, pose: &Pose) -> Ends {
    let (shirt, trousers, skin) = (s.any_colour(), hsv(s.rng.unit(), 0.4, 0.3), s.rng.one(&SKIN));
    let mut sway = |angle: f32| angle + s.rng.around(0.012);
    let trunk = sway(pose.trunk);
    let shoulders = step(pose.hips, trunk, 0.5);
    let head = step(shoulders, trunk, 0.26);
    let mut limb = |from, [upper, lower]: [f32; 2], length| {
        let joint = step(from, sway(upper), length);
        [from, joint, step(joint, sway(lower), length)]
    };
    let legs = pose.legs.map(|angles| limb(pose.hips, angles, 0.38));
    let arms = pose.arms.map(|angles| limb(shoulders, angles, 0.3));
    for [from, joint, end] in legs {
        s.fill(trousers, &line(from, joint, 0.15));
        s.fill(trousers, &line(joint, end, 0.13));
    }
    s.fill(shirt, &line(pose.hips, shoulders, 0.24));
    for [from, joint, end] in arms {
        s.fill(shirt, &line(from, joint, 0.11));
        s.fill(skin, &line(joint, end, 0.1));
    }
    s.fill(skin, &circle(head[0], head[1], 0.17));
    Ends { hands: arms.map(|a| a[2]), feet: legs.map(|l| l[2]) }
}

const SKIN: [Rgb; 3] = [rgb(0xf0_c8_a8), rgb(0xc8_90_68), rgb(0x78_50_38)];
const WOOD: Rgb = rgb(0x70_48_28);
const STEEL: Rgb = rgb(0x40_44_4c);

fn ground(s: &mut Sketch<'_>, colours: &[Rgb]) {
    let floor = s.rng.one(colours);
    let wall = mix(floor, [0.85, 0.88, 0.92], 0.7);
    s.backdrop(wall, wall);
    s.fill(floor, &rect(0.0, 1.55, 4.0, 0.75));
}

const INDOORS: &[Rgb] = &[rgb(0xa8_80_58), rgb(0x78_80_88), rgb(0x58_68_80)];
const OUTDOORS: &[Rgb] = &[rgb(0x60_98_40), rgb(0x90_a0_58), rgb(0x88_80_70)];

fn archery(s: &mut Sketch<'_>) {
    ground(s, OUTDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [-0.2, 0.15], trunk: 0.75, arms: [[0.0, 0.0], [0.5, 0.95]], legs: [[0.2, 0.25], [0.3, 0.25]] };
    let [x, y] = figure(&mut s, &pose).hands[0];
    s.fill(WOOD, &arc(x - 0.3, y, 0.45, 0.07, -0.2, 0.2));
    s.fill(STEEL, &line([x - 0.65, y], [x + 0.35, y], 0.04));
}

fn bench_press(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    s.fill(rgb(0x28_28_30), &rect(-0.1, 0.42, 0.7, 0.07));
    s.fill(rgb(0x28_28_30), &line([-0.6, 0.45], [-0.6, 0.9], 0.08));
    let pose =
        Pose { hips: [0.25, 0.26], trunk: 0.5, arms: [[0.76, 0.75], [0.74, 0.75]], legs: [[0.05, 0.27], [0.03, 0.25]] };
    let [x, y] = figure(&mut s, &pose).hands[0];
    s.fill(STEEL, &line([x - 0.65, y], [x + 0.65, y], 0.06));
    s.fill(STEEL, &rect(x - 0.6, y, 0.08, 0.26));
    s.fill(STEEL, &rect(x + 0.6, y, 0.08, 0.26));
}

fn biking(s: &mut Sketch<'_>) {
    ground(s, OUTDOORS);
    let mut s = s.subject();
    for x in [-0.55, 0.55] {
        s.fill(STEEL, &ring(x, 0.6, 0.34, 0.07));
    }
    let frame = s.any_colour();
    s.fill(frame, &line([-0.55, 0.6], [-0.2, 0.15], 0.07));
    s.fill(frame, &line([-0.2, 0.2], [0.4, 0.15], 0.07));
    s.fill(frame, &line([0.55, 0.6], [0.38, 0.05], 0.07));
    let pose = Pose {
        hips: [-0.22, 0.05],
        trunk: 0.86,
        arms: [[0.16, 0.05], [0.14, 0.07]],
        legs: [[0.08, 0.3], [0.14, 0.34]],
    };
    figure(&mut s, &pose);
}

fn diving(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0xa8_d0_f0), rgb(0xd8_e8_f4));
    s.fill(rgb(0x20_80_c0), &rect(0.0, 1.6, 4.0, 0.8));
    let mut s = s.subject();
    s.fill(rgb(0xe8_e8_e8), &rect(-0.95, -0.55, 0.35, 0.06));
    let pose = Pose {
        hips: [0.0, -0.25],
        trunk: 0.15,
        arms: [[0.17, 0.17], [0.14, 0.15]],
        legs: [[0.62, 0.62], [0.64, 0.63]],
    };
    figure(&mut s, &pose);
}

fn golf_swing(s: &mut Sketch<'_>) {
    ground(s, OUTDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [-0.1, 0.15], trunk: 0.8, arms: [[0.1, 0.92], [0.12, 0.9]], legs: [[0.21, 0.26], [0.3, 0.24]] };
    let hand = figure(&mut s, &pose).hands[0];
    let club = step(hand, 0.68, 0.75);
    s.fill(STEEL, &line(hand, club, 0.05));
    s.fill(STEEL, &circle(club[0], club[1], 0.08));
    s.fill(rgb(0xff_ff_ff), &circle(0.5, 0.85, 0.08));
}

fn handstand_walking(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [0.0, -0.2], trunk: 0.25, arms: [[0.2, 0.24], [0.31, 0.26]], legs: [[0.7, 0.78], [0.82, 0.72]] };
    figure(&mut s, &pose);
}

fn hula_hoop(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    let hoop = s.any_colour();
    let pose =
        Pose { hips: [0.0, 0.15], trunk: 0.75, arms: [[0.92, 0.75], [0.58, 0.75]], legs: [[0.22, 0.26], [0.28, 0.24]] };
    figure(&mut s, &pose);
    let (tilt, radius) = (s.rng.around(0.03), s.rng.within(0.5, 0.62));
    let mut s = s.at(0.0, 0.05, 1.0, tilt);
    for i in 0..24 {
        let point = |i: i32| {
            let (sin, cos) = libm::sincosf(TAU * i as f32 / 24.0);
            [radius * cos, 0.28 * radius * sin]
        };
        s.fill(hoop, &line(point(i), point(i + 1), 0.07));
    }
}

fn jumping_jack(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [0.0, 0.1], trunk: 0.75, arms: [[0.88, 0.82], [0.62, 0.68]], legs: [[0.15, 0.17], [0.35, 0.33]] };
    figure(&mut s, &pose);
}

fn lunges(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [0.0, 0.3], trunk: 0.76, arms: [[0.24, 0.27], [0.28, 0.25]], legs: [[0.03, 0.25], [0.32, 0.48]] };
    let hands = figure(&mut s, &pose).hands;
    for [x, y] in hands {
        s.fill(STEEL, &ellipse(x, y, 0.16, 0.08));
    }
}

fn pull_ups(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    s.fill(STEEL, &rect(0.0, -0.92, 1.1, 0.06));
    s.fill(STEEL, &rect(-0.95, 0.2, 0.05, 1.1));
    s.fill(STEEL, &rect(0.95, 0.2, 0.05, 1.1));
    let pose =
        Pose { hips: [0.0, 0.1], trunk: 0.75, arms: [[0.93, 0.72], [0.57, 0.78]], legs: [[0.24, 0.3], [0.26, 0.31]] };
    figure(&mut s, &pose);
}

fn push_ups(s: &mut Sketch<'_>) {
    ground(s, INDOORS);
    let mut s = s.subject();
    let pose =
        Pose { hips: [-0.1, 0.4], trunk: 0.96, arms: [[0.26, 0.24], [0.28, 0.25]], legs: [[0.46, 0.46], [0.45, 0.45]] };
    figure(&mut s, &pose);
}

fn skiing(s: &mut Sketch<'_>) {
    s.backdrop(rgb(0x90_b8_e0), rgb(0xd0_e0_f0));
    let mut s = s.subject();
    s.fill(rgb(0xf4_f8_fc), &polygon(&[[-4.0, 0.0], [4.0, 1.4], [4.0, 4.0], [-4.0, 4.0]]));
    let pose =
        Pose { hips: [-0.15, 0.1], trunk: 0.87, arms: [[0.15, 0.03], [0.2, 0.07]], legs: [[0.08, 0.33], [0.1, 0.34]] };
    let Ends { hands, feet } = figure(&mut s, &pose);
    for [x, y] in feet {
        s.fill(rgb(0xc0_20_30), &line([x - 0.55, y - 0.05], [x + 0.6, y + 0.12], 0.07));
    }
    s.fill(STEEL, &line(hands[0], step(hands[0], 0.36, 0.7), 0.04));
}
