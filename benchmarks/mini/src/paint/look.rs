//! How a picture looks, apart from what it shows: palette, grain, sharpness, how the subject lies in the frame.

/// The look of a picture. A data set has one look, within which its pictures vary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// By how many turns all hues are rotated, at least and at most.
    pub(crate) hue: [f32; 2],
    /// Factor on the saturation; 0 gives grey pictures.
    pub(crate) saturation: f32,
    /// Added to every channel.
    pub(crate) brightness: f32,
    /// Factor on the distance from middle grey; negative gives negatives.
    pub(crate) contrast: f32,
    /// How far colours of things stray, from 0 to 1.
    pub(crate) stray: f32,
    /// Amplitude of the noise of each pixel.
    pub(crate) grain: f32,
    /// How much of each pixel is its neighbours' mean.
    pub(crate) blur: f32,
    /// Whether things are drawn as outlines on paper.
    pub(crate) outline: bool,
    /// Size of the subject, at least and at most; 1 fills the frame.
    pub(crate) size: [f32; 2],
    /// How far the subject is turned at most, in turns.
    pub(crate) turn: f32,
    /// How far the subject lies from the centre at most.
    pub(crate) drift: f32,
    /// Factor on horizontal lengths, at least and at most.
    pub(crate) stretch: [f32; 2],
    /// Horizontal shift per vertical length.
    pub(crate) shear: f32,
    /// Amplitude of the waves that bend straight lines.
    pub(crate) wobble: f32,
    /// How many stray shapes lie behind the subject.
    pub(crate) clutter: usize,
}

impl Look {
    /// A clear picture, upright and centred.
    pub(crate) const PLAIN: Self = Self {
        hue: [0.0, 0.0],
        saturation: 1.0,
        brightness: 0.0,
        contrast: 1.0,
        stray: 0.1,
        grain: 0.02,
        blur: 0.0,
        outline: false,
        size: [0.75, 1.0],
        turn: 0.02,
        drift: 0.1,
        stretch: [0.9, 1.1],
        shear: 0.0,
        wobble: 0.0,
        clutter: 0,
    };
}
