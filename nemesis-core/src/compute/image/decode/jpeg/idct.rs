//! The inverse discrete cosine transform of libjpeg-turbo's vector code, bit for bit.
//!
//! On coefficients that no encoder writes, libjpeg-turbo's vector code and its C code differ: the former saturates at
//! 16 bits, the latter wraps around. Pillow's wheels use the vector code (SSE2 and AVX2 give the same bits), so this
//! follows it (`jidctint-avx2.asm`), in loops that the compiler vectorises. Adapters such as `map` and `zip` of the standard
//! library are not compiled for AVX2 and so are not always inlined into code that is; indices are.

use super::scan::Block;
use multiversion::multiversion;

/// Dequantises and transforms a row of blocks into eight rows of samples, `stride` apart.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn transform_row(blocks: &[Block], quantisation: &Block, samples: &mut [u8], stride: usize) {
    for (n, block) in blocks.iter().enumerate() {
        let out = transform(block, quantisation);
        for (y, row) in out.iter().enumerate() {
            samples[y * stride + 8 * n..][..8].copy_from_slice(row);
        }
    }
}

/// Eight numbers side by side.
type Lanes = [i32; 8];

#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as its caller")]
#[inline(always)]
fn transform(block: &Block, quantisation: &Block) -> [[u8; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    let mut below = 0;
    for (y, row) in rows.iter_mut().enumerate() {
        for (x, value) in row.iter_mut().enumerate() {
            let coefficient = block[8 * y + x];
            below |= if y > 0 { coefficient } else { 0 };
            *value = i32::from(coefficient.wrapping_mul(quantisation[8 * y + x]));
        }
    }
    let columns = if below == 0 {
        // The same except for overflow, which wraps around here.
        let mut row = rows[0];
        for v in &mut row {
            *v = i32::from((*v << 2) as i16);
        }
        [row; 8]
    } else {
        pass::<11>(&rows)
    };
    let levels = transpose(&pass::<18>(&transpose(&columns)));
    let mut out = [[0; 8]; 8];
    for (y, row) in out.iter_mut().enumerate() {
        for (x, byte) in row.iter_mut().enumerate() {
            *byte = (levels[y][x].clamp(-128, 127) + 128) as u8;
        }
    }
    out
}

#[expect(clippy::inline_always, reason = "inlined, so that it is compiled for the same CPU features as its caller")]
#[inline(always)]
fn transpose(rows: &[Lanes; 8]) -> [Lanes; 8] {
    let mut out = [[0; 8]; 8];
    for (y, row) in rows.iter().enumerate() {
        for (x, value) in row.iter().enumerate() {
            out[x][y] = *value;
        }
    }
    out
}

/// The one-dimensional transform of eight columns, divided by two to the power of `SHIFT` and saturated to 16 bits.
#[inline(always)]
fn pass<const SHIFT: u32>(rows: &[Lanes; 8]) -> [Lanes; 8] {
    // Fixed-point constants with 13 fractional bits.
    const F_0_298: i32 = 2446;
    const F_0_390: i32 = 3196;
    const F_0_541: i32 = 4433;
    const F_0_765: i32 = 6270;
    const F_0_899: i32 = 7373;
    const F_1_175: i32 = 9633;
    const F_1_501: i32 = 12299;
    const F_1_847: i32 = 15137;
    const F_1_961: i32 = 16069;
    const F_2_053: i32 = 16819;
    const F_2_562: i32 = 20995;
    const F_3_072: i32 = 25172;
    let mut out = [[0; 8]; 8];
    for x in 0..8 {
        let [in0, in1, in2, in3] = [rows[0][x], rows[1][x], rows[2][x], rows[3][x]];
        let [in4, in5, in6, in7] = [rows[4][x], rows[5][x], rows[6][x], rows[7][x]];
        // Two products of 16-bit numbers; their sum fits, or wraps around in one case.
        let sum = |a: i32, ka: i32, b: i32, kb: i32| (a * ka).wrapping_add(b * kb);
        let narrow = |v: i32| i32::from(v as i16);

        let tmp3 = sum(in2, F_0_541 + F_0_765, in6, F_0_541);
        let tmp2 = sum(in2, F_0_541, in6, F_0_541 - F_1_847);
        let tmp0 = narrow(in0 + in4) << 13;
        let tmp1 = narrow(in0 - in4) << 13;
        let even = [tmp0.wrapping_add(tmp3), tmp1.wrapping_add(tmp2), tmp1.wrapping_sub(tmp2), tmp0.wrapping_sub(tmp3)];

        let (z3, z4) = (narrow(in7 + in3), narrow(in5 + in1));
        let (z3, z4) = (sum(z3, F_1_175 - F_1_961, z4, F_1_175), sum(z3, F_1_175, z4, F_1_175 - F_0_390));
        let odd = [
            sum(in7, -F_0_899, in1, F_1_501 - F_0_899).wrapping_add(z4),
            sum(in5, -F_2_562, in3, F_3_072 - F_2_562).wrapping_add(z3),
            sum(in5, F_2_053 - F_2_562, in3, -F_2_562).wrapping_add(z4),
            sum(in7, F_0_298 - F_0_899, in1, -F_0_899).wrapping_add(z3),
        ];
        let scaled = |v: i32| {
            let v = v.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
            v.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
        };
        for n in 0..4 {
            out[n][x] = scaled(even[n].wrapping_add(odd[n]));
            out[7 - n][x] = scaled(even[n].wrapping_sub(odd[n]));
        }
    }
    out
}
