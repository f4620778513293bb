//! Colours as three numbers in `[0, 1]`.

/// Red, green and blue, each in `[0, 1]`.
pub(crate) type Rgb = [f32; 3];

/// The colour of a hexadecimal number `0xRRGGBB`.
pub(crate) const fn rgb(hex: u32) -> Rgb {
    [(hex >> 16 & 255) as f32 / 255.0, (hex >> 8 & 255) as f32 / 255.0, (hex & 255) as f32 / 255.0]
}

/// The colour `t` of the way from `a` to `b`.
pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}

/// The colour of a hue in turns, a saturation and a value.
pub(crate) fn hsv(hue: f32, saturation: f32, value: f32) -> Rgb {
    [0.0, 2.0 / 3.0, 1.0 / 3.0].map(|offset: f32| {
        let turn = hue + offset;
        let ramp = ((turn - turn.floor()) * 6.0 - 3.0).abs() - 1.0;
        value * (1.0 - saturation + saturation * ramp.clamp(0.0, 1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_are_turns() {
        for (hue, expected) in [(0.0, 0xff_00_00), (1.0 / 3.0, 0x00_ff_00), (2.0 / 3.0, 0x00_00_ff), (1.5, 0x00_ff_ff)]
        {
            let (is, expected) = (hsv(hue, 1.0, 1.0), rgb(expected));
            assert!((0..3).all(|c| (is[c] - expected[c]).abs() < 1e-5), "{hue}: {is:?}");
        }
    }
}
