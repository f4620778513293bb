//! A small painter: flat shapes with smooth edges, noise, gradients, and the looks that a picture can have.
//!
//! Everything is computed with the basic operations of IEEE 754 and the `libm` crate, which give the same bits on
//! every machine; pictures are therefore byte-identical everywhere.

mod colour;
mod look;
mod noise;
mod shape;
mod sketch;

pub(super) use colour::{Rgb, hsv, mix, rgb};
pub(super) use look::Look;
pub(super) use noise::{cells, clouds, hash, noise};
pub(super) use shape::{Shape, arc, circle, ellipse, fan, line, polygon, rect, regular, ring, star, triangle};
pub(super) use sketch::{Picture, Sketch, View};
