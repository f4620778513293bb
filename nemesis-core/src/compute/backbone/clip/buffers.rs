//! What some files hold beside weights, and that changes nothing if it is what it is called.

use super::checked::CONTEXT_LENGTH;
use super::image::ImageTower;
use super::text::TextTower;
use super::tokenizer::END;
use super::weights::Weights;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// The causal mask, sizes that follow from the weights, numbers of places, and how many batches statistics were gathered
/// from, whatever module they lie in.
const HARMLESS: [&str; 6] =
    ["attn_mask", "input_resolution", "context_length", "vocab_size", "position_ids", "num_batches_tracked"];

/// Whether a tensor changes nothing, once [`check_buffers`] has looked at it.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&last(name))
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

/// Refuses what does not hold what it is called.
pub(super) fn check_buffers(weights: &Weights, image: &ImageTower, text: Option<&TextTower>) -> Result<()> {
    let length = text.map_or(CONTEXT_LENGTH, TextTower::context_length);
    for (name, tensor) in weights.iter() {
        let of_image = name.split('.').any(|module| module == "visual");
        match last(name) {
            "attn_mask" => check_mask(name, tensor, length, of_image)?,
            "position_ids" => check_places(name, tensor, if of_image { image.places() } else { length })?,
            "input_resolution" => check_size(name, tensor, image.image_size())?,
            "context_length" => check_size(name, tensor, length)?,
            "vocab_size" => check_size(name, tensor, END + 1)?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks that a mask is CLIP's: text sees what stands before it, and an image sees all of itself.
fn check_mask(name: &str, mask: &Tensor, length: i64, of_image: bool) -> Result<()> {
    let is_causal = || {
        if mask.size() != [length, length] || !mask.is_floating_point() {
            return false;
        }
        // Some write the lowest number of the type in place of infinity.
        let lowest = match mask.kind() {
            Kind::Half => -65504.0,
            Kind::Float => f64::from(f32::MIN),
            Kind::Double => f64::MIN,
            _ => -3.38e38,
        };
        let mask = mask.to_kind(Kind::Double);
        let above = mask.ones_like().triu(1).to_kind(Kind::Bool);
        let hides = mask.le(lowest);
        hides.logical_or(&above.logical_not()).all().int64_value(&[]) == 1
            && mask.eq(0.0).logical_or(&above).all().int64_value(&[]) == 1
    };
    if of_image {
        return Err(Error::new(format!("the checkpoint holds a mask of the image tower: `{name}`"))
            .expected("none, since images are encoded without a mask in OpenAI's models"));
    }
    if !is_causal() {
        return Err(Error::new(format!("the mask `{name}`, of shape {:?}, is not CLIP's", mask.size()))
            .expected(format!("{length} rows and columns, 0 on and below the diagonal and -inf above it"))
            .help(
                "a model of another mask is not read yet; leave the mask out of the file if the model does not use it",
            ));
    }
    Ok(())
}

/// Checks that the numbers of places are 0, 1, 2, ….
fn check_places(name: &str, places: &Tensor, count: i64) -> Result<()> {
    let counted = || {
        let expected = Tensor::arange(count, (Kind::Double, places.device()));
        places.numel() as i64 == count && places.to_kind(Kind::Double).flatten(0, -1).equal(&expected)
    };
    if counted() {
        return Ok(());
    }
    Err(Error::new(format!("the places `{name}`, of shape {:?}, are not numbered as CLIP's", places.size()))
        .expected(format!("0, 1, 2, … {}", count - 1)))
}

/// Checks a size that some files write down, and that follows from the sizes of their weights.
fn check_size(name: &str, written: &Tensor, size: i64) -> Result<()> {
    let numbers = written.to_kind(Kind::Double).flatten(0, -1);
    // A resolution may be written as height and width.
    if (1..=2).contains(&numbers.numel()) && numbers.eq(size as f64).all().int64_value(&[]) == 1 {
        return Ok(());
    }
    let said = match numbers.numel() {
        1 => numbers.double_value(&[0]).to_string(),
        _ => format!("a tensor of shape {:?} with other numbers", written.size()),
    };
    Err(Error::new(format!("the file says `{name}` is {said}"))
        .expected(format!("{size}, which follows from the weights")))
}
