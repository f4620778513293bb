//! Picture–caption pairs for pre-training: what the data sets show, and much else, in many looks that captions name.

use super::paint::{Look, Picture, Rgb, Sketch, View, circle, hsv, mix, rect, regular, rgb, ring, star};
use super::random::Stream;
use super::sets::{self, MiniSet};

/// A picture of a pair is as wide and high as the image tower asks for.
pub(super) struct Pair {
    pub(super) picture: Picture,
    pub(super) caption: String,
}

/// The share of pairs that show shapes and patterns of no data set.
const OTHERS: f32 = 0.2;
/// The share of captions that tell an unusual look.
const TELLING: f32 = 0.75;

/// The pair of this number, of the given side.
pub(super) fn pair(seed: u64, number: u64, side: usize) -> Pair {
    let mut rng = Stream::new(seed, "pair", number);
    let (medium, look) = any_look(&mut rng);
    let view = any_view(&mut rng);
    let medium = if rng.chance(TELLING) { medium } else { "photo" };
    let frame = (side, side);
    if rng.chance(OTHERS) {
        let scene = Scene::any(&mut rng);
        let caption = scene.caption(medium, &mut rng);
        return Pair { picture: Picture::draw(frame, view, &look, &mut rng, |s| scene.draw(s)), caption };
    }
    let classes: usize = sets::ELEVEN.iter().map(|set| set.classes.len()).sum();
    let mut place = rng.below(classes);
    let mut sets = sets::ELEVEN.iter();
    let (set, class) = loop {
        let set: &MiniSet = sets.next().expect("the place is below the number of all classes");
        match set.classes.get(place) {
            Some(class) => break (set, class),
            None => place -= set.classes.len(),
        }
    };
    let caption = caption(set, &class.name.replace('_', " "), medium, &mut rng);
    Pair { picture: Picture::draw(frame, view, &look, &mut rng, class.draw), caption }
}

/// A caption in a form of the data set or in a general one.
fn caption(set: &MiniSet, name: &str, medium: &str, rng: &mut Stream) -> String {
    const GENERAL: [&str; 6] = [
        "a photo of a {}.",
        "a photo of {}.",
        "{}.",
        "itap of a {}.",
        "there is a {} in the photo.",
        "my photo of the {}.",
    ];
    let form = if rng.chance(0.5) { rng.pick(set.forms) } else { rng.pick(&GENERAL) };
    form.replace("photo", medium).replace("{}", name)
}

/// A look, and the word for it.
fn any_look(rng: &mut Stream) -> (&'static str, Look) {
    let mut look = Look {
        hue: [-0.03, 0.03],
        saturation: rng.within(0.8, 1.2),
        brightness: rng.around(0.06),
        contrast: rng.within(0.8, 1.1),
        stray: 0.2,
        grain: rng.within(0.0, 0.04),
        blur: rng.within(0.0, 0.4),
        size: [0.65, 1.1],
        turn: 0.05,
        drift: 0.2,
        stretch: [0.85, 1.15],
        shear: rng.around(0.1),
        clutter: if rng.chance(0.3) { 2 } else { 0 },
        ..Look::PLAIN
    };
    let medium = rng.one(&[
        "photo",
        "photo",
        "photo",
        "bright photo",
        "dark photo",
        "blurry photo",
        "grainy photo",
        "pale photo",
        "black and white photo",
        "drawing",
        "drawing",
        "painting",
        "negative",
        "tinted photo",
        "tinted photo",
        "tilted photo",
    ]);
    match medium {
        "bright photo" => look.brightness = rng.within(0.12, 0.25),
        "dark photo" => look.brightness = rng.within(-0.3, -0.12),
        "blurry photo" => look.blur = rng.within(0.6, 1.0),
        "grainy photo" => look.grain = rng.within(0.06, 0.12),
        "pale photo" => (look.contrast, look.saturation) = (rng.within(0.4, 0.7), rng.within(0.4, 0.8)),
        "black and white photo" => look.saturation = 0.0,
        "drawing" => look.outline = true,
        "painting" => (look.stray, look.wobble, look.saturation) = (0.5, 0.05, 1.4),
        "negative" => look.contrast = -look.contrast,
        "tinted photo" => {
            let hue = rng.within(0.06, 0.94);
            look.hue = [hue, hue];
        }
        "tilted photo" => (look.turn, look.shear) = (0.25, rng.around(0.3)),
        _ => {}
    }
    (medium, look)
}

/// Nearly all of the scene, or a crop as few-shot training takes them: of any area from 8 % on.
fn any_view(rng: &mut Stream) -> View {
    let reach = if rng.chance(0.4) { rng.within(0.08, 1.0).sqrt() } else { rng.within(0.85, 1.05) };
    let free = (1.0 - reach).max(0.0);
    View { centre: [rng.around(free), rng.around(free)], reach, mirrored: rng.chance(0.5) }
}

const COLOURS: [(&str, Rgb); 10] = [
    ("red", rgb(0xd8_20_20)),
    ("orange", rgb(0xf0_88_18)),
    ("yellow", rgb(0xf0_d8_20)),
    ("green", rgb(0x28_a0_30)),
    ("blue", rgb(0x20_50_d8)),
    ("purple", rgb(0x88_30_b0)),
    ("pink", rgb(0xf0_80_b0)),
    ("brown", rgb(0x80_50_28)),
    ("black", rgb(0x18_18_1a)),
    ("white", rgb(0xf6_f6_f6)),
];
const SHAPES: [&str; 6] = ["circle", "square", "triangle", "star", "ring", "hexagon"];
const COUNTS: [&str; 4] = ["a", "two", "three", "four"];

/// Some shapes of one kind and colour on a ground of another colour.
struct Scene {
    count: usize,
    shape: &'static str,
    colour: usize,
    ground: usize,
}

impl Scene {
    fn any(rng: &mut Stream) -> Self {
        let colour = rng.below(COLOURS.len());
        let ground = (colour + rng.count(1, COLOURS.len() - 1)) % COLOURS.len();
        Self { count: rng.below(COUNTS.len()), shape: rng.one(&SHAPES), colour, ground }
    }

    fn caption(&self, medium: &str, rng: &mut Stream) -> String {
        let (colour, ground) = (COLOURS[self.colour].0, COLOURS[self.ground].0);
        let plural = if self.count == 0 { "" } else { "s" };
        let things = format!("{} {colour} {}{plural}", COUNTS[self.count], self.shape);
        match rng.below(3) {
            0 => format!("a {medium} of {things}."),
            1 => format!("{things} on a {ground} background."),
            _ => format!("a {medium} of {things} on {ground}."),
        }
    }

    fn draw(&self, s: &mut Sketch<'_>) {
        let (colour, ground) = (COLOURS[self.colour].1, COLOURS[self.ground].1);
        s.backdrop(ground, mix(ground, hsv(0.0, 0.0, 0.5), 0.1));
        let mut s = s.subject();
        let places: &[[f32; 3]] = match self.count {
            0 => &[[0.0, 0.0, 0.7]],
            1 => &[[-0.5, 0.0, 0.42], [0.5, 0.0, 0.42]],
            2 => &[[-0.5, 0.4, 0.4], [0.5, 0.4, 0.4], [0.0, -0.5, 0.4]],
            _ => &[[-0.5, 0.5, 0.38], [0.5, 0.5, 0.38], [-0.5, -0.5, 0.38], [0.5, -0.5, 0.38]],
        };
        for [x, y, radius] in places {
            s.at(*x, *y, *radius, 0.0).fill(
                colour,
                &match self.shape {
                    "circle" => circle(0.0, 0.0, 0.9),
                    "square" => rect(0.0, 0.0, 0.8, 0.8),
                    "triangle" => regular(0.0, 0.0, 1.0, 3),
                    "star" => star(0.0, 0.0, 1.0, 0.45, 5),
                    "ring" => ring(0.0, 0.0, 0.7, 0.35),
                    _ => regular(0.0, 0.0, 0.95, 6),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn captions_name_every_class_and_every_look() {
        let captions: Vec<String> = (0..8_000).map(|number| pair(1, number, 8).caption).collect();
        for class in sets::ELEVEN.iter().flat_map(|set| set.classes) {
            let name = class.name.replace('_', " ");
            assert!(captions.iter().any(|caption| caption.contains(&name)), "no picture of `{name}`");
        }
        for look in ["dark photo", "drawing", "negative", "tilted photo"] {
            assert!(captions.iter().any(|caption| caption.contains(look)), "no {look}");
        }
        assert!(captions.iter().collect::<BTreeSet<_>>().len() > 2_500);
    }

    #[test]
    fn a_pair_is_a_function_of_seed_and_number() {
        let [one, again, other, seed] = [(1, 5), (1, 5), (1, 6), (2, 5)].map(|(seed, number)| pair(seed, number, 16));
        assert_eq!((one.picture.bytes(), &one.caption), (again.picture.bytes(), &again.caption));
        assert!(one.picture.bytes() != other.picture.bytes() && one.picture.bytes() != seed.picture.bytes());
    }
}
