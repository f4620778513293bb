//! JPEG, as decoded by Pillow's libjpeg-turbo, including damaged files.
//!
//! How a damaged file is decoded depends on details: how far a decoder reads ahead, what it does if a block has too
//! many coefficients or a number is out of range, which errors it tolerates. libjpeg-turbo's vector code handles some
//! of these in its own way, and needs an assembler, which a machine with a C++ compiler may lack. Its C code, and
//! therefore mozjpeg's, gives different pixels for every tenth damaged file that Pillow reads. So we have our own
//! decoder, which does the same as libjpeg-turbo 3.2 on every file, with the settings that Pillow uses: accurate
//! integer DCT, smooth upsampling of chroma, and smoothing between the blocks of an incomplete progressive image.
//! `tests/pillow` checks this.

mod arithmetic;
mod bits;
mod colour;
mod frame;
mod header;
mod idct;
mod input;
mod lossless;
mod output;
mod progressive;
mod scan;
mod sequential;
mod smooth;
mod standard;
mod upsample;

pub(in crate::compute::image) use output::divide_by_255;

use super::{broken, check_size};
use crate::image::Rgb8;
use crate::{Error, Result};
use colour::Plane;
use frame::{Frame, Markers, Process, Reached, ScanHeader};
use input::{Input, Step, Stop};
use lossless::Lossless;
use output::Colours;
use scan::{Coefficients, Scan};
use smooth::{Progress, Smoothing};

pub(super) fn decode(bytes: &[u8]) -> Result<Rgb8> {
    let (width, height) = header::check(bytes)?;
    check_size(width, height)?;
    let (frame, colours, planes) = decode_planes(bytes).map_err(error)?;
    Rgb8::new(frame.width, frame.height, colours.rgb(&frame, &planes).map_err(error)?)
}

fn error(stop: Stop) -> Error {
    match stop {
        Stop::Input => broken("JPEG", "the file is truncated"),
        Stop::Broken(why) => broken("JPEG", &why),
    }
}

/// The samples of each component, and what they mean.
fn decode_planes(bytes: &[u8]) -> Step<(Frame, Colours, Vec<Plane>)> {
    let (mut input, mut markers) = (Input::new(bytes), Markers::default());
    let header = loop {
        match read_markers(&mut markers, &mut input)? {
            Reached::Scan(header) => break header,
            // A tables-only stream.
            Reached::End => markers.next_stream()?,
        }
    };
    let Some(mut frame) = markers.frame.take() else { return input::broken("it has no frame header") };
    frame.set_up()?;
    let colours = Colours::of(&frame, &markers)?;
    if frame.process == Process::Sequential && !frame.is_arithmetic {
        standard::fill_in(&mut markers.tables);
    }
    // Back into `markers`, so that a second frame is noticed.
    markers.frame = Some(frame.clone());
    let is_whole = header.components.len() == frame.components.len() && frame.process != Process::Progressive;
    let planes = match (frame.process, is_whole) {
        (Process::Lossless, _) => read_lossless(&mut input, &mut markers, &frame, header, is_whole)?,
        (_, true) => read_at_once(&mut input, &mut markers, &mut frame, header)?,
        (_, false) => read_scans(&mut input, &mut markers, &mut frame, header)?,
    };
    Ok((frame, colours, planes))
}

fn read_markers(markers: &mut Markers, input: &mut Input<'_>) -> Step<Reached> {
    loop {
        match markers.read(input) {
            Err(Stop::Input) => input.refill()?,
            other => return other,
        }
    }
}

/// Checks what follows the only scan. A missing end marker in the bytes read so far is fine.
fn finish(markers: &mut Markers, input: &mut Input<'_>) -> Step<()> {
    match markers.read(input) {
        Ok(Reached::End) | Err(Stop::Input) => Ok(()),
        Ok(Reached::Scan(_)) => input::broken("it has more scans than its header says"),
        Err(broken @ Stop::Broken(_)) => Err(broken),
    }
}

/// An image with one scan: each row of units is transformed as soon as it is read.
fn read_at_once(
    input: &mut Input<'_>,
    markers: &mut Markers,
    frame: &mut Frame,
    header: ScanHeader,
) -> Step<Vec<Plane>> {
    frame.latch_quantisation(&header, &markers.tables)?;
    let mut scan = Scan::new(header, frame, &markers.tables)?;
    let mut coefficients = Coefficients::of(frame, false);
    let mut planes = empty_planes(frame);
    for row in 0..frame.unit_rows {
        for (stored, component) in coefficients.iter_mut().zip(&frame.components) {
            if row > 0 {
                stored.blocks.fill([0; 64]);
            }
            stored.first = row * component.down;
        }
        scan.read_row(input, frame, row, &mut coefficients)?;
        transform(frame, row, &coefficients, &mut planes, None);
    }
    finish(markers, input)?;
    Ok(planes)
}

/// An image with several scans: all of them are read before anything is transformed.
fn read_scans(
    input: &mut Input<'_>,
    markers: &mut Markers,
    frame: &mut Frame,
    mut header: ScanHeader,
) -> Step<Vec<Plane>> {
    let mut coefficients = Coefficients::of(frame, true);
    let mut progress = Progress::new(frame.components.len());
    let last_good_row = loop {
        frame.latch_quantisation(&header, &markers.tables)?;
        let mut scan = Scan::new(header.clone(), frame, &markers.tables)?;
        if frame.process == Process::Progressive {
            progress.note(&header, markers.scans);
        }
        for row in 0..frame.unit_rows {
            scan.read_row(input, frame, row, &mut coefficients)?;
        }
        match read_markers(markers, input)? {
            Reached::Scan(next) => header = next,
            Reached::End => break scan.last_good_row,
        }
    };
    let mut planes = empty_planes(frame);
    let smoothing = Smoothing { frame, progress: &progress, last_good_row, scans: markers.scans };
    let is_smooth = frame.process == Process::Progressive && progress.asks_for_smoothing(frame);
    for row in 0..frame.unit_rows {
        transform(frame, row, &coefficients, &mut planes, is_smooth.then_some(&smoothing));
    }
    Ok(planes)
}

fn read_lossless(
    input: &mut Input<'_>,
    markers: &mut Markers,
    frame: &Frame,
    mut header: ScanHeader,
    is_whole: bool,
) -> Step<Vec<Plane>> {
    if frame.is_arithmetic {
        return input::broken("lossless images with arithmetic coding are not supported");
    }
    let mut planes = empty_planes(frame);
    loop {
        let mut scan = Lossless::new(&header, frame, &markers.tables)?;
        for row in 0..frame.unit_rows {
            scan.read_row(input, frame, row, &mut planes)?;
        }
        if is_whole {
            finish(markers, input)?;
            return Ok(planes);
        }
        match read_markers(markers, input)? {
            Reached::Scan(next) => header = next,
            Reached::End => return Ok(planes),
        }
    }
}

/// Planes of whole blocks.
fn empty_planes(frame: &Frame) -> Vec<Plane> {
    let unit = if frame.process == Process::Lossless { 1 } else { 8 };
    let plane = |component: &frame::Component| {
        let (stride, rows) = (unit * component.width_in_blocks, unit * component.height_in_blocks);
        Plane { samples: vec![0; stride * rows], stride, width: component.width, height: component.height }
    };
    frame.components.iter().map(plane).collect()
}

/// Turns the coefficients of one row of units into samples.
fn transform(
    frame: &Frame,
    row: usize,
    coefficients: &[Coefficients],
    planes: &mut [Plane],
    smoothing: Option<&Smoothing<'_>>,
) {
    for (at, ((component, stored), plane)) in frame.components.iter().zip(coefficients).zip(planes).enumerate() {
        // A component that is in no scan is grey.
        let quantisation = component.quantisation.unwrap_or([0; 64]).map(|step| step as i16);
        let first = row * component.down;
        let rows = component.down.min(component.height_in_blocks - first);
        for y in 0..rows {
            let out = &mut plane.samples[8 * (first + y) * plane.stride..];
            if let Some(smoothing) = smoothing {
                let smooth = smoothing.row(at, stored, row, y, rows);
                idct::transform_row(&smooth, &quantisation, out, plane.stride);
            } else {
                let blocks = &stored.row(first + y)[..component.width_in_blocks];
                idct::transform_row(blocks, &quantisation, out, plane.stride);
            }
        }
    }
}
