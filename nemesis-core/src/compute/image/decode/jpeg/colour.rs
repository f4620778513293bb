//! From the planes of a JPEG to red, green and blue: smooth chroma upsampling and colour conversion.
//!
//! This follows libjpeg's formulas (`jdsample.c`, `jdcolor.c`) bit for bit, in loops that the compiler vectorises.
//! libjpeg's own vector code needs an assembler to build, and without it these two steps take as long as the rest of
//! decoding.

use multiversion::multiversion;

/// The samples of one colour component.
pub(super) struct Plane {
    /// Rows of `stride` samples, of which the first `width` are used.
    pub(super) samples: Vec<u8>,
    pub(super) stride: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Plane {
    /// A row; beyond the last one, the last one repeats.
    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.samples[self.stride * y.min(self.height - 1)..][..self.width]
    }

    pub(super) fn row_mut(&mut self, y: usize) -> &mut [u8] {
        &mut self.samples[self.stride * y..][..self.width]
    }
}

/// How much smaller the chroma planes are than the luma plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subsampling {
    /// Not at all (4:4:4).
    None,
    /// In width (4:2:2).
    Half,
    /// In width and height (4:2:0).
    Quarter,
}

/// The pixels `[height, width, 3]` of an image from its luma and its blue and red chroma. Subsampled planes must be
/// wider than two.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn to_rgb([luma, chroma @ ..]: [&Plane; 3], subsampling: Subsampling) -> Vec<u8> {
    let mut rgb = vec![0; 3 * luma.width * luma.height];
    let mut sums = vec![0; chroma[0].width];
    let mut smooth = [vec![0; 2 * chroma[0].width], vec![0; 2 * chroma[0].width]];
    for (y, out) in rgb.chunks_exact_mut(3 * luma.width).enumerate() {
        match subsampling {
            Subsampling::None => convert(luma.row(y), chroma[0].row(y), chroma[1].row(y), out),
            Subsampling::Half | Subsampling::Quarter => {
                for (plane, smooth) in chroma.iter().zip(&mut smooth) {
                    if subsampling == Subsampling::Half {
                        widen_row(plane.row(y), smooth);
                    } else {
                        // The nearer row has three times the weight.
                        let near = y / 2;
                        let far = if y % 2 == 0 { near.saturating_sub(1) } else { near + 1 };
                        add_rows(plane.row(near), plane.row(far), &mut sums);
                        widen_sums(&sums, smooth);
                    }
                }
                convert(luma.row(y), &smooth[0], &smooth[1], out);
            }
        }
    }
    rgb
}

/// Twice as many samples, each three parts of the nearer neighbour and one of the other (`h2v1_fancy_upsample`).
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as `to_rgb`")]
#[inline(always)]
pub(super) fn widen_row(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    let at = |x: usize| u16::from(row[x]);
    out[0] = row[0];
    out[1] = ((3 * at(0) + at(1) + 2) >> 2) as u8;
    for (before, pair) in out.as_chunks_mut::<2>().0[1..last].iter_mut().enumerate() {
        let here = 3 * at(before + 1);
        *pair = [((here + at(before) + 1) >> 2) as u8, ((here + at(before + 2) + 2) >> 2) as u8];
    }
    out[2 * last] = ((3 * at(last) + at(last - 1) + 1) >> 2) as u8;
    out[2 * last + 1] = row[last];
}

/// Three parts of the nearer row and one of the other.
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as `to_rgb`")]
#[inline(always)]
pub(super) fn add_rows(near: &[u8], far: &[u8], sums: &mut [u16]) {
    let (near, far) = (&near[..sums.len()], &far[..sums.len()]);
    for (x, sum) in sums.iter_mut().enumerate() {
        *sum = 3 * u16::from(near[x]) + u16::from(far[x]);
    }
}

/// [`widen_row`] for the sums of two rows (`h2v2_fancy_upsample`).
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as `to_rgb`")]
#[inline(always)]
pub(super) fn widen_sums(sums: &[u16], out: &mut [u8]) {
    let last = sums.len() - 1;
    out[0] = ((4 * sums[0] + 8) >> 4) as u8;
    out[1] = ((3 * sums[0] + sums[1] + 7) >> 4) as u8;
    for (before, pair) in out.as_chunks_mut::<2>().0[1..last].iter_mut().enumerate() {
        let here = 3 * sums[before + 1];
        *pair = [((here + sums[before] + 8) >> 4) as u8, ((here + sums[before + 2] + 7) >> 4) as u8];
    }
    out[2 * last] = ((3 * sums[last] + sums[last - 1] + 8) >> 4) as u8;
    out[2 * last + 1] = ((4 * sums[last] + 7) >> 4) as u8;
}

/// The colours of a row, by the matrix of JFIF in 16-bit fixed point.
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as `to_rgb`")]
#[inline(always)]
fn convert(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]) {
    let pixels = out.as_chunks_mut::<3>().0;
    let width = pixels.len();
    let (luma, blue, red) = (&luma[..width], &blue[..width], &red[..width]);
    for (x, out) in pixels.iter_mut().enumerate() {
        *out = colour(luma[x], blue[x], red[x]);
    }
}

/// The colour for a luma and its blue and red chroma.
#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as `to_rgb`")]
#[inline(always)]
pub(super) fn colour(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128];
    let half = 1 << 15;
    let r = y + ((91_881 * cr + half) >> 16);
    let g = y + ((-22_554 * cb - 46_802 * cr + half) >> 16);
    let b = y + ((116_130 * cb + half) >> 16);
    [r.clamp(0, 255) as u8, g.clamp(0, 255) as u8, b.clamp(0, 255) as u8]
}
