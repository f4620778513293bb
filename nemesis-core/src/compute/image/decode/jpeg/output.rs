//! Turns the samples of all components into red, green and blue.

use super::colour::{Plane, Subsampling, colour, to_rgb};
use super::frame::{Frame, Markers, Process};
use super::input::{Step, broken};
use super::upsample::Method;
use crate::image::decode::grey_to_rgb;

/// What the components of an image mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

impl Colours {
    /// How libjpeg interprets the components (`default_decompress_parms`).
    pub(super) fn of(frame: &Frame, markers: &Markers) -> Step<Self> {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        let is_lossless = frame.process == Process::Lossless;
        let colours = match (ids.len(), markers.adobe_transform) {
            (1, _) => Self::Grey,
            (3, _) if markers.has_jfif => Self::YCbCr,
            (3, Some(0)) => Self::Rgb,
            (3, None) if is_lossless || ids == *b"RGB" => Self::Rgb,
            (3, _) => Self::YCbCr,
            (4, None | Some(0)) => Self::Cmyk,
            (4, Some(_)) => Self::Ycck,
            (count, _) => return broken(format!("it has {count} components")),
        };
        if is_lossless && matches!(colours, Self::YCbCr | Self::Ycck) {
            return broken("a lossless image cannot have luma and chroma");
        }
        for component in &frame.components {
            Method::of(component, frame)?;
        }
        Ok(colours)
    }

    /// The pixels `[height, width, 3]`.
    pub(super) fn rgb(self, frame: &Frame, planes: &[Plane]) -> Step<Vec<u8>> {
        let (width, height) = (frame.width, frame.height);
        if let (Self::YCbCr, [luma, blue, red]) = (self, planes)
            && let Some(subsampling) = subsampling_of(frame)?
        {
            return Ok(to_rgb([luma, blue, red], subsampling));
        }
        let full = |(component, plane): (&super::frame::Component, &Plane)| {
            Ok(Method::of(component, frame)?.apply(plane, width, height))
        };
        let full = frame.components.iter().zip(planes).map(full).collect::<Step<Vec<_>>>()?;
        let triples =
            |a: usize, b: usize, c: usize| full[a].iter().zip(&full[b]).zip(&full[c]).map(|((&a, &b), &c)| [a, b, c]);
        let with_black = |inks: [u8; 3], black: u8| {
            let [c, m, y] = inks;
            rgb_of_inverted_cmyk([c, m, y, black])
        };
        Ok(match self {
            Self::Grey => grey_to_rgb(full[0].iter().copied()),
            Self::Rgb => triples(0, 1, 2).flatten().collect(),
            Self::YCbCr => triples(0, 1, 2).flat_map(|[y, cb, cr]| colour(y, cb, cr)).collect(),
            Self::Cmyk => triples(0, 1, 2).zip(&full[3]).flat_map(|(inks, &k)| with_black(inks, k)).collect(),
            Self::Ycck => {
                let inks = triples(0, 1, 2).map(|[y, cb, cr]| colour(y, cb, cr).map(|v| 255 - v));
                inks.zip(&full[3]).flat_map(|(inks, &k)| with_black(inks, k)).collect()
            }
        })
    }
}

/// How an image is subsampled, if in one of the usual ways.
fn subsampling_of(frame: &Frame) -> Step<Option<Subsampling>> {
    let [luma, blue, red] = &frame.components[..] else { return Ok(None) };
    let is_full = Method::of(luma, frame)? == Method::Repeat(1, 1);
    Ok(match (Method::of(blue, frame)?, Method::of(red, frame)?) {
        (Method::Repeat(1, 1), Method::Repeat(1, 1)) if is_full => Some(Subsampling::None),
        (Method::Wider, Method::Wider) if is_full => Some(Subsampling::Half),
        (Method::Both, Method::Both) if is_full => Some(Subsampling::Quarter),
        _ => None,
    })
}

/// Pillow's conversion, which treats every four-component file as Adobe's, with 255 for no ink.
fn rgb_of_inverted_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| k - divide_by_255((255 - u32::from(ink)) * u32::from(k)))
}

/// `x / 255`, rounded, for products of two bytes (`MULDIV255` of Pillow).
pub(in crate::compute::image) fn divide_by_255(x: u32) -> u8 {
    let x = x + 128;
    (((x >> 8) + x) >> 8) as u8
}
