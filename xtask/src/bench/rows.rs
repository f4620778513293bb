//! The rows of the table: what is measured, and how both sides do it in turns, so that whatever else the machine does
//! affects both.

use super::measure::{Limit, Sides, Steps, folder};
use crate::failure::Result;
use std::path::Path;

/// How far a loss may differ from the reference's, relative to it if it is greater than one.
const TOLERANCE: f64 = 1e-4;

/// What is measured on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Work {
    /// Text tower of 100 classes, forward and backward
    #[value(name = "text-100")]
    Text100,
    /// The same with 397 classes
    #[value(name = "text-397")]
    Text397,
    /// The same with 1000 classes, for which PyTorch would need 24 GB and is not run
    #[value(name = "text-1000")]
    Text1000,
    /// A step of PAN with 100 classes and one position, features in the pool
    #[value(name = "pan-100")]
    Pan100,
    /// A step of `MaPLe` with 50 classes and a batch of 4, ViT-B/16-sized
    Maple,
    /// A step of `CoCoOp` with 50 classes and a batch of 8, RN50-sized, features given
    #[value(name = "cocoop")]
    CoCoOp,
    /// A step of CLIP-LoRA with 50 classes and a batch of 8, ViT-B/32-sized
    ClipLora,
    /// The training of `CoOp`, PEN and PAN on ten classes with 16 shots, 5 epochs each
    Methods,
    /// Decoding, resizing and cropping the files of --images
    Images,
    /// A call of a plugin
    Plugin,
}

/// Both sides of one piece of work.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) work: String,
    /// What the project aims at.
    pub(super) wanted: &'static str,
    /// Nothing if the other side is not run.
    pub(super) theirs: Option<Side>,
    pub(super) ours: Side,
    pub(super) agreement: Agreement,
    pub(super) limit: Option<Limit>,
}

/// Seconds and bytes of one side, by run.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    pub(super) seconds: Vec<f64>,
    pub(super) memory: Vec<f64>,
}

/// Whether both sides computed the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Agreement {
    /// The largest difference of a loss.
    Losses(f64),
    /// Whether all pixels are equal.
    Pixels(bool),
    /// There is nothing to compare.
    Nothing,
}

impl Row {
    pub(super) fn agree(&self) -> bool {
        match self.agreement {
            Agreement::Losses(difference) => difference <= TOLERANCE,
            Agreement::Pixels(equal) => equal,
            Agreement::Nothing => true,
        }
    }
}

impl Side {
    fn add(&mut self, seconds: f64, memory: Option<f64>) {
        self.seconds.push(seconds);
        self.memory.extend(memory);
    }
}

impl Work {
    const ALL: [Self; 10] = [
        Self::Text100,
        Self::Text397,
        Self::Text1000,
        Self::Pan100,
        Self::Maple,
        Self::CoCoOp,
        Self::ClipLora,
        Self::Methods,
        Self::Images,
        Self::Plugin,
    ];

    /// What was asked for, in the table's order; everything by default.
    pub(super) fn chosen(only: &[Self]) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|work| only.is_empty() || only.contains(work))
    }

    /// Whether it is compared with what `--peer` names.
    pub(super) fn needs_peer(self) -> bool {
        matches!(self, Self::Text100 | Self::Text397 | Self::Text1000 | Self::Pan100 | Self::Methods)
    }

    /// Measures it. There is no row without its inputs.
    pub(super) fn measure(self, sides: &Sides) -> Result<Vec<Row>> {
        match self {
            Self::Text100 => text(sides, "100", "3", "≥ 15×").map(|row| vec![row]),
            Self::Text397 => text(sides, "397", "2", "≥ 24×, ≤ 1/3 of the memory").map(|row| vec![row]),
            Self::Text1000 => thousand(sides).map(|row| vec![row]),
            Self::Pan100 => pan(sides).map(|row| vec![row]),
            Self::Maple => towers(sides, "maple", "MaPLe, 50 classes, batch 4, ViT-B/16", "≥ 2×"),
            Self::CoCoOp => towers(sides, "cocoop", "CoCoOp, 50 classes, batch 8, RN50, features given", "≥ 5×"),
            Self::ClipLora => towers(sides, "clip-lora", "CLIP-LoRA, 50 classes, batch 8, ViT-B/32", "≥ 1.5×"),
            Self::Methods => methods(sides).map(|row| vec![row]),
            Self::Images => images(sides),
            Self::Plugin => Ok(vec![Row {
                work: "a call of a plugin".to_owned(),
                wanted: "≤ 1 µs",
                theirs: None,
                ours: Side { seconds: vec![sides.crossing()?], memory: Vec::new() },
                agreement: Agreement::Nothing,
                limit: None,
            }]),
        }
    }
}

/// The reference's step with features given is the text tower and little else.
fn text(sides: &Sides, classes: &str, steps: &str, wanted: &'static str) -> Result<Row> {
    let work = format!("text tower, forward and backward, {classes} classes");
    let arguments = ["--method", "coop", "--image", "features", "--classes", classes, "--steps", steps];
    let folder = folder()?;
    let mut row = in_turn(sides, work, wanted, |run| {
        let theirs = sides.theirs(&arguments, (run == 0).then(|| folder.path()))?;
        Ok((theirs, sides.ours(folder.path(), &[])?))
    })?;
    row.limit = limit(sides, folder.path())?;
    Ok(row)
}

fn thousand(sides: &Sides) -> Result<Row> {
    let folder = folder()?;
    sides.dump(&["--method", "coop", "--image", "features", "--classes", "1000"], folder.path())?;
    let mut ours = Side::default();
    let mut losses = Vec::new();
    for run in 0..sides.runs {
        let steps = sides.ours(folder.path(), &["--steps", "3"])?;
        eprintln!("text tower, 1000 classes: run {} of {}: nemesis {:.3} s", run + 1, sides.runs, steps.step);
        ours.add(steps.step, steps.memory);
        losses = steps.losses;
    }
    // Our tower of 77 tokens, which the other rows compare with PyTorch's, takes its place. A bound on its activations
    // makes it fit.
    let plain = ["--steps", "1", "--text-path", "plain", "--activations", "2000000000"];
    let plain = sides.ours(folder.path(), &plain)?;
    Ok(Row {
        work: "text tower, forward and backward, 1000 classes".to_owned(),
        wanted: "≤ 8 s, ≤ 3 GB",
        theirs: None,
        ours,
        agreement: Agreement::Losses(difference(&plain.losses, &losses, 1)),
        limit: limit(sides, folder.path())?,
    })
}

fn limit(sides: &Sides, folder: &Path) -> Result<Option<Limit>> {
    sides.limit.then(|| sides.measure_limit(folder)).transpose()
}

/// The reference encodes its batch twice in a step. Ours finds the features in the pool, as every training but the
/// first on a few-shot sample does.
fn pan(sides: &Sides) -> Result<Row> {
    let arguments = ["--method", "pan", "--image", "encode", "--classes", "100", "--steps", "2"];
    let [folder, pool] = [folder()?, folder()?];
    let pool = pool.path().to_string_lossy();
    let work = "step of PAN, 100 classes, one position, features in the pool".to_owned();
    in_turn(sides, work, "≥ 35×", |run| {
        let theirs = sides.theirs(&arguments, (run == 0).then(|| folder.path()))?;
        let ours = || sides.ours(folder.path(), &["--pool", &pool]);
        if run == 0 {
            ours()?;
        }
        Ok((theirs, ours()?))
    })
}

/// A step in which a gradient reaches into towers, or many texts are encoded. Both sides repeat one batch. Dropout is
/// left out, because the two sides would draw different masks.
fn towers(sides: &Sides, method: &str, what: &str, wanted: &'static str) -> Result<Vec<Row>> {
    let folder = folder()?;
    let row = in_turn(sides, format!("step of {what}"), wanted, |run| {
        let theirs = sides.their_towers(method, (run == 0).then(|| folder.path()))?;
        Ok((theirs, sides.our_towers(folder.path())?))
    })?;
    Ok(vec![row])
}

/// Sixteen images of ten classes are five batches of 32; five epochs are 25 steps. The reference repeats one batch, so
/// three of its steps show what 25 take. Ours takes them all, and encodes a batch for each of them in the first method.
fn methods(sides: &Sides) -> Result<Row> {
    const METHODS: [&str; 3] = ["coop", "pen", "pan"];
    const STEPS: f64 = 25.0;
    let folders = [folder()?, folder()?, folder()?];
    let mut row = Row {
        work: "CoOp, PEN and PAN in turn, 10 classes, 16 shots, 5 epochs, images encoded".to_owned(),
        wanted: "≥ 5×",
        theirs: Some(Side::default()),
        ours: Side::default(),
        agreement: Agreement::Losses(0.0),
        limit: None,
    };
    for run in 0..sides.runs {
        let pool = folder()?;
        let pool = pool.path().to_string_lossy();
        let (mut theirs, mut ours) = ((0.0, None), (0.0, None));
        for (method, folder) in METHODS.iter().zip(&folders) {
            let arguments = ["--method", method, "--image", "encode", "--classes", "10", "--steps", "3"];
            let reference = sides.theirs(&arguments, (run == 0).then(|| folder.path()))?;
            let nemesis = sides.ours(folder.path(), &["--steps", "25", "--pool", &pool])?;
            let most = |one: Option<f64>, two: Option<f64>| one.zip(two).map(|(one, two)| one.max(two)).or(two);
            theirs = (theirs.0 + STEPS * reference.step, most(theirs.1, reference.memory));
            ours = (ours.0 + nemesis.all.unwrap_or(f64::NAN), most(ours.1, nemesis.memory));
            row.compare(&reference, &nemesis);
        }
        tell(&row.work, run, sides, theirs.0, ours.0);
        row.add(theirs, ours);
    }
    Ok(row)
}

fn images(sides: &Sides) -> Result<Vec<Row>> {
    let Some(folder) = &sides.images else {
        eprintln!("no images are measured without --images DIR");
        return Ok(Vec::new());
    };
    let row = |what: &str| Row {
        work: what.to_owned(),
        wanted: "≥ 1.5×",
        theirs: Some(Side::default()),
        ours: Side::default(),
        agreement: Agreement::Nothing,
        limit: None,
    };
    let mut rows = [row("decode, resize and cut out a test image"), row("decode, crop and resize a training image")];
    for run in 0..sides.runs {
        let (theirs, ours) = (sides.their_images(folder)?, sides.our_images(folder)?);
        let times = [(theirs.test, ours.test), (theirs.training, ours.training)];
        for (row, (one, two)) in rows.iter_mut().zip(times) {
            let (one, two) = (one / theirs.count, two / ours.count);
            tell(&row.work, run, sides, one, two);
            row.add((one, None), (two, None));
        }
        rows[0].agreement = Agreement::Pixels(theirs.pixels == ours.pixels);
    }
    Ok(rows.into())
}

/// Runs both sides of training steps as often as asked for.
fn in_turn(
    sides: &Sides,
    work: String,
    wanted: &'static str,
    both: impl Fn(u32) -> Result<(Steps, Steps)>,
) -> Result<Row> {
    let (theirs, ours) = (Some(Side::default()), Side::default());
    let mut row = Row { work, wanted, theirs, ours, agreement: Agreement::Losses(0.0), limit: None };
    for run in 0..sides.runs {
        let (theirs, ours) = both(run)?;
        tell(&row.work, run, sides, theirs.step, ours.step);
        row.compare(&theirs, &ours);
        row.add((theirs.step, theirs.memory), (ours.step, ours.memory));
    }
    Ok(row)
}

fn tell(work: &str, run: u32, sides: &Sides, theirs: f64, ours: f64) {
    eprintln!("{work}: run {} of {}: PyTorch {theirs:.4} s, nemesis {ours:.4} s", run + 1, sides.runs);
}

impl Row {
    fn add(&mut self, theirs: (f64, Option<f64>), ours: (f64, Option<f64>)) {
        if let Some(side) = &mut self.theirs {
            side.add(theirs.0, theirs.1);
        }
        self.ours.add(ours.0, ours.1);
    }

    fn compare(&mut self, theirs: &Steps, ours: &Steps) {
        let found = difference(&theirs.losses, &ours.losses, theirs.comparable.min(ours.comparable));
        if let Agreement::Losses(largest) = &mut self.agreement {
            *largest = largest.max(found);
        }
    }
}

/// The largest difference of the first losses; infinite if there are none, or one is not a number.
fn difference(theirs: &[f64], ours: &[f64], comparable: usize) -> f64 {
    let pairs = theirs.iter().zip(ours).take(comparable);
    let differences = pairs.map(|(theirs, ours)| (theirs - ours).abs() / theirs.abs().max(1.0));
    differences
        .reduce(|one, two| if one.is_nan() || two.is_nan() { f64::NAN } else { one.max(two) })
        .filter(|difference| !difference.is_nan())
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn losses_are_compared_relatively_and_as_far_as_choices_agree() {
        assert!((difference(&[4.0, 0.5, 9.0], &[4.4, 0.4, 1.0], 2) - 0.1).abs() < 1e-12);
        assert!(difference(&[4.0], &[4.0], 0).is_infinite());
        assert!(difference(&[4.0, 4.0], &[4.0, f64::NAN], 2).is_infinite());
    }
}
