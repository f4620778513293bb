//! Drawing: a picture under work, and the pen that knows where its subject lies and how it looks.

use super::{Look, Rgb, Shape, circle, clouds, hash, hsv, mix, rect, regular};
use crate::random::Stream;
use std::f32::consts::TAU;

/// The part of the scene that a picture shows. The scene's middle square is `[-1, 1]²`, y down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The scene's point in the picture's centre.
    pub(crate) centre: [f32; 2],
    /// Half the length of the picture's shorter side.
    pub(crate) reach: f32,
    /// Whether left and right are exchanged.
    pub(crate) mirrored: bool,
}

impl View {
    /// The middle square, as it is.
    pub(crate) const WHOLE: Self = Self { centre: [0.0, 0.0], reach: 1.0, mirrored: false };
}

/// A picture: rows of colours.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<Rgb>,
}

impl Picture {
    /// Draws a picture.
    pub(crate) fn draw(
        (width, height): (usize, usize),
        view: View,
        look: &Look,
        rng: &mut Stream,
        draw: impl FnOnce(&mut Sketch<'_>),
    ) -> Self {
        let points = points(width, height, view, look, rng);
        let mut picture = Self { width, height, pixels: vec![PAPER; width * height] };
        let pixel = 2.0 * view.reach / width.min(height) as f32;
        draw(&mut Sketch { picture: &mut picture, points: &points, pixel, place: Place::SCENE, look, rng });
        picture.finish(look, rng);
        picture
    }

    /// Rows of red, green and blue bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8).collect()
    }

    /// Gives the finished drawing its sharpness, palette and grain.
    fn finish(&mut self, look: &Look, rng: &mut Stream) {
        if look.blur > 0.0 {
            self.blur(look.blur);
        }
        let palette = palette(rng.within(look.hue[0], look.hue[1]), look.saturation, look.contrast);
        let seed = rng.bits() as u32;
        for (i, pixel) in self.pixels.iter_mut().enumerate() {
            // The mean of the four bytes of a hash is nearly normal; its standard deviation is 37.
            let bell = hash(i as i32, 0, seed).to_le_bytes().iter().map(|&b| f32::from(b)).sum::<f32>() / 4.0;
            let grain = look.grain * (bell - 127.5) / 37.0;
            let centred = pixel.map(|c| c - 0.5);
            *pixel = palette.map(|row| {
                row[0] * centred[0] + row[1] * centred[1] + row[2] * centred[2] + 0.5 + look.brightness + grain
            });
        }
    }

    fn blur(&mut self, amount: f32) {
        let sharp = self.pixels.clone();
        let (width, height) = (self.width as isize, self.height as isize);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0.0; 3];
                for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
                    let (u, v) = ((x + dx).clamp(0, width - 1), (y + dy).clamp(0, height - 1));
                    let colour = sharp[(v * width + u) as usize];
                    sum = std::array::from_fn(|c| sum[c] + colour[c]);
                }
                let at = (y * width + x) as usize;
                self.pixels[at] = mix(sharp[at], sum.map(|c| c / 9.0), amount);
            }
        }
    }
}

const PAPER: Rgb = [0.95, 0.94, 0.9];
/// How far from an outline ink reaches, in pixels.
const RIM: f32 = 1.2;
const INK: Rgb = [0.12, 0.12, 0.16];

/// The scene's point under the centre of each pixel, bent by the look.
fn points(width: usize, height: usize, view: View, look: &Look, rng: &mut Stream) -> Vec<[f32; 2]> {
    let step = 2.0 * view.reach / width.min(height) as f32;
    let stretch = rng.within(look.stretch[0], look.stretch[1]);
    let (phase, wave) = (rng.unit(), rng.within(0.4, 0.6));
    let point = |column: usize, row: usize| {
        let mut x = (column as f32 + 0.5 - width as f32 / 2.0) * step;
        if view.mirrored {
            x = -x;
        }
        let mut y = (row as f32 + 0.5 - height as f32 / 2.0) * step + view.centre[1];
        x = (x + view.centre[0]) / stretch + look.shear * y;
        if look.wobble > 0.0 {
            let before = x;
            x += look.wobble * libm::sinf(TAU * (y * wave + phase));
            y += look.wobble * libm::sinf(TAU * (before * wave + 2.0 * phase));
        }
        [x, y]
    };
    (0..height).flat_map(|row| (0..width).map(move |column| (column, row))).map(|(c, r)| point(c, r)).collect()
}

/// The matrix that rotates hues about the grey axis and scales saturation and contrast.
fn palette(hue: f32, saturation: f32, contrast: f32) -> [[f32; 3]; 3] {
    let (sin, cos) = libm::sincosf(TAU * hue);
    let (grey, side) = ((1.0 - cos) / 3.0, sin / 3.0f32.sqrt());
    let turned = [
        [cos + grey, grey - side, grey + side],
        [grey + side, cos + grey, grey - side],
        [grey - side, grey + side, cos + grey],
    ];
    turned.map(|row| row.map(|c| contrast * (saturation * c + (1.0 - saturation) / 3.0)))
}

/// Where a pen's own coordinates lie in the scene: `own = turned(scene - origin) / scale`.
#[derive(Clone, Copy)]
struct Place {
    origin: [f32; 2],
    sin: f32,
    cos: f32,
    scale: f32,
}

impl Place {
    const SCENE: Self = Self { origin: [0.0, 0.0], sin: 0.0, cos: 1.0, scale: 1.0 };

    fn own(self, [x, y]: [f32; 2]) -> [f32; 2] {
        let (x, y) = ((x - self.origin[0]) / self.scale, (y - self.origin[1]) / self.scale);
        [self.cos * x + self.sin * y, self.cos * y - self.sin * x]
    }

    fn inner(self, [x, y]: [f32; 2], scale: f32, turn: f32) -> Self {
        let (sin, cos) = libm::sincosf(TAU * turn);
        let origin = [
            self.origin[0] + self.scale * (self.cos * x - self.sin * y),
            self.origin[1] + self.scale * (self.sin * x + self.cos * y),
        ];
        Self {
            origin,
            sin: self.sin * cos + self.cos * sin,
            cos: self.cos * cos - self.sin * sin,
            scale: self.scale * scale,
        }
    }
}

/// A pen over a picture, with coordinates of its own.
pub(crate) struct Sketch<'a> {
    picture: &'a mut Picture,
    points: &'a [[f32; 2]],
    /// The side of a pixel in the scene.
    pixel: f32,
    place: Place,
    look: &'a Look,
    /// The draws that vary the picture.
    pub(crate) rng: &'a mut Stream,
}

impl Sketch<'_> {
    /// A pen whose coordinates have their origin here, scaled and turned (clockwise, in turns).
    pub(crate) fn at(&mut self, x: f32, y: f32, scale: f32, turn: f32) -> Sketch<'_> {
        Sketch {
            picture: self.picture,
            points: self.points,
            pixel: self.pixel,
            place: self.place.inner([x, y], scale, turn),
            look: self.look,
            rng: self.rng,
        }
    }

    /// A pen for the subject, which lies in the frame as the look has it; it fills about `[-1, 1]²`.
    pub(crate) fn subject(&mut self) -> Sketch<'_> {
        let look = self.look;
        let (x, y) = (self.rng.around(look.drift), self.rng.around(look.drift));
        let (size, turn) = (self.rng.within(look.size[0], look.size[1]), self.rng.around(look.turn));
        self.at(x, y, size, turn)
    }

    /// Paints a shape.
    pub(crate) fn fill(&mut self, colour: Rgb, shape: &Shape) {
        let colour = self.stray(colour);
        // Shapes on paper keep a breath of their colour.
        let (inside, rim) = if self.look.outline { (mix(PAPER, colour, 0.15), 1.0) } else { (colour, 0.0) };
        let pixel = self.pixel / self.place.scale;
        let (reach, [low, high]) = (RIM * pixel, shape.bounds());
        for (point, under) in self.points.iter().zip(&mut self.picture.pixels) {
            let own = self.place.own(*point);
            if (0..2).any(|i| own[i] < low[i] - reach || own[i] > high[i] + reach) {
                continue;
            }
            let distance = shape.distance(own) / pixel;
            if distance < 0.5 {
                *under = mix(*under, inside, 0.5 - distance.max(-0.5));
            }
            if rim > 0.0 && distance.abs() < RIM {
                *under = mix(*under, INK, (RIM - distance.abs()).min(1.0));
            }
        }
    }

    /// Paints every pixel by its place in the pen's coordinates, with four samples each.
    pub(crate) fn shade(&mut self, colour: impl Fn(f32, f32) -> Rgb) {
        let quarter = self.pixel / self.place.scale / 4.0;
        for (point, under) in self.points.iter().zip(&mut self.picture.pixels) {
            let [x, y] = self.place.own(*point);
            let mut sum = [0.0; 3];
            for (dx, dy) in [(-quarter, -quarter), (quarter, -quarter), (-quarter, quarter), (quarter, quarter)] {
                let sample = colour(x + dx, y + dy);
                sum = std::array::from_fn(|c| sum[c] + sample[c]);
            }
            *under = sum.map(|c| c / 4.0);
        }
    }

    /// Paints a mottled ground that goes from one colour at the top to another at the bottom, and what lies about.
    pub(crate) fn backdrop(&mut self, top: Rgb, bottom: Rgb) {
        if self.look.outline {
            self.shade(|_, _| PAPER);
        } else {
            let (top, bottom, seed) = (self.stray(top), self.stray(bottom), self.rng.bits() as u32);
            self.shade(|x, y| {
                let light = 0.12 * (clouds(1.5 * x, 1.5 * y, seed) - 0.5);
                mix(top, bottom, (0.5 + 0.5 * y).clamp(0.0, 1.0)).map(|c| c + light)
            });
        }
        for _ in 0..self.look.clutter {
            let (x, y, size) = (self.rng.around(1.0), self.rng.around(1.0), self.rng.within(0.08, 0.3));
            let colour = self.any_colour();
            let shape = match self.rng.below(3) {
                0 => circle(x, y, size),
                1 => rect(x, y, size, size * 0.7),
                _ => regular(x, y, size, 3),
            };
            self.fill(colour, &shape);
        }
    }

    /// A ground of any pale or dark colour.
    pub(crate) fn any_backdrop(&mut self) {
        let (hue, saturation) = (self.rng.unit(), self.rng.within(0.05, 0.4));
        let value = if self.rng.chance(0.7) { self.rng.within(0.65, 0.95) } else { self.rng.within(0.15, 0.4) };
        self.backdrop(hsv(hue, saturation, value), hsv(hue, saturation, value * 0.85));
    }

    /// A colour that stands out.
    pub(crate) fn any_colour(&mut self) -> Rgb {
        hsv(self.rng.unit(), self.rng.within(0.6, 1.0), self.rng.within(0.4, 0.95))
    }

    fn stray(&mut self, colour: Rgb) -> Rgb {
        let far = hsv(self.rng.unit(), 0.7, 0.8);
        mix(colour, far, self.look.stray * self.rng.unit())
    }
}
