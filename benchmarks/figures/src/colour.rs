//! Colours that people with any colour vision tell apart.

use crate::Ink;

/// Okabe and Ito's palette ("Color Universal Design", 2008), those first that are darkest on white.
pub(crate) const SERIES: [[u8; 3]; 8] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x8c, 0x6d, 0x1f],
    [0x5f, 0x5f, 0x5f],
];

/// Dashes of series, which change each time the palette begins again.
pub(crate) const DASHES: [&[f64]; 3] = [&[], &[4.0, 2.0], &[1.0, 1.5]];

const TEXT: [u8; 3] = [0x1a, 0x1a, 0x1a];
const GRID: [u8; 3] = [0xdd, 0xdd, 0xdd];
const PAPER: [u8; 3] = [0xff, 0xff, 0xff];
const WORSE: [u8; 3] = [0xb3, 0x58, 0x06];
const BETTER: [u8; 3] = [0x2b, 0x5c, 0xa8];

/// The colour of an ink on white paper.
pub(crate) fn on_paper(ink: Ink) -> [u8; 3] {
    match ink {
        Ink::Text => TEXT,
        Ink::Grid => GRID,
        Ink::Paper => PAPER,
        Ink::Series(series) => SERIES[series % SERIES.len()],
        Ink::Diverging(value) => {
            let value = value.clamp(-1.0, 1.0);
            let end = if value < 0.0 { WORSE } else { BETTER };
            let mixed = |i: usize| {
                let (from, to) = (f64::from(PAPER[i]), f64::from(end[i]));
                (from + (to - from) * value.abs()).round() as u8
            };
            [mixed(0), mixed(1), mixed(2)]
        }
    }
}
