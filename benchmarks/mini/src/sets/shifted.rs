//! The shifted copies of the small ImageNet, for testing alone: other pictures of its classes in other looks.

use super::{Class, Format, MiniSet, imagenet};
use crate::paint::Look;

const ALL: &[Class] = imagenet::SET.classes;
const LOOK: Look = imagenet::SET.look;

/// New pictures as like the old ones as could be had: a little darker and smaller.
pub(super) const V2: MiniSet = MiniSet {
    name: "imagenetv2",
    paths: ["", "{label}/{i}.jpeg"],
    look: Look { brightness: -0.08, size: [0.45, 0.85], ..LOOK },
    ..COPY
};

/// Outlines on paper.
pub(super) const SKETCH: MiniSet = MiniSet {
    name: "imagenet_sketch",
    paths: ["", "{class}/sketch_{n}.JPEG"],
    look: Look { outline: true, hue: [0.0, 0.0], saturation: 0.0, clutter: 0, ..LOOK },
    ..COPY
};

/// What is hard to tell: small, turned, among clutter, of eight classes.
pub(super) const A: MiniSet = MiniSet {
    name: "imagenet_a",
    paths: ["", "{class}/{n}.jpg"],
    look: Look { size: [0.35, 0.6], drift: 0.5, turn: 0.3, clutter: 7, ..LOOK },
    classes: &[ALL[0], ALL[2], ALL[4], ALL[5], ALL[6], ALL[8], ALL[9], ALL[11]],
    ..COPY
};

/// Paintings of eight classes, not quite the same ones.
pub(super) const R: MiniSet = MiniSet {
    name: "imagenet_r",
    paths: ["", "{class}/painting_{n}.jpg"],
    look: Look {
        hue: [-0.1, 0.1],
        saturation: 1.8,
        contrast: 1.2,
        stray: 0.7,
        blur: 0.8,
        grain: 0.0,
        wobble: 0.12,
        clutter: 0,
        ..LOOK
    },
    classes: &[ALL[0], ALL[1], ALL[3], ALL[5], ALL[6], ALL[7], ALL[11], ALL[12]],
    ..COPY
};

const COPY: MiniSet = MiniSet {
    name: "",
    paths: ["", ""],
    shuffled: false,
    forms: &[],
    frame: (48, 48),
    format: Format::Jpeg,
    look: LOOK,
    classes: ALL,
};
