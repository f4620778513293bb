//! What is learned for each class belongs to that class: it is not evaluated as if it were that of another name.

use crate::method::State;
use crate::record::has_row_for_each;
use crate::{Error, Result};

/// Refuses a state that holds something for each class where the classes are others than it was learned for.
///
/// A tensor that has as many rows as there are classes may have them by chance (ten context vectors, ten classes). So the
/// method itself is asked: `state_for` is a new method's state for some classes, and what grows with their number is by
/// class.
///
/// # Errors
///
/// When there is such a tensor; the message names the first class that does not fit.
pub(super) fn refuse_other_classes(
    state: &State,
    learned_for: &[String],
    names: &[String],
    state_for: impl FnOnce(&[String]) -> Result<State>,
) -> Result<()> {
    if !state.iter().any(|(_, tensor)| has_row_for_each(tensor, learned_for.len())) {
        return Ok(());
    }
    let mut probed = names.to_vec();
    if probed.len() == learned_for.len() {
        probed.extend(names.first().cloned());
    }
    let of_others = state_for(&probed)?;
    let by_class = state.iter().find(|(name, tensor)| {
        has_row_for_each(tensor, learned_for.len())
            && of_others.iter().any(|(other, new)| other == name && has_row_for_each(new, probed.len()))
    });
    let Some((name, _)) = by_class else { return Ok(()) };
    let what = format!("what was learned holds something for each class in `{name}`, and other classes are tested");
    let help =
        "evaluate it on the classes that it was learned for, or learn one context for all classes (`csc: false`)";
    let expected = match learned_for.iter().zip(names).position(|(own, here)| own != here) {
        Some(class) => format!("class {class} to be `{}`, where it is `{}`", learned_for[class], names[class]),
        None => format!("{} classes, where there are {}", learned_for.len(), names.len()),
    };
    Err(Error::new(what).expected(expected).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    fn rows(count: i64) -> State {
        vec![("ctx".to_owned(), Tensor::zeros([count, 3], (Kind::Float, Device::Cpu)))]
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_grows_with_the_classes_is_not_that_of_others() {
        let (old, new) = (names(&["cat", "dog"]), names(&["cat", "owl"]));
        let by_class = |names: &[String]| Ok(rows(names.len() as i64));
        insta::assert_snapshot!(refuse_other_classes(&rows(2), &old, &new, by_class).unwrap_err(), @r"
        what was learned holds something for each class in `ctx`, and other classes are tested
          expected: class 1 to be `dog`, where it is `owl`
          help: evaluate it on the classes that it was learned for, or learn one context for all classes (`csc: false`)
        ");
        // Two vectors for two classes by chance.
        refuse_other_classes(&rows(2), &old, &new, |_| Ok(rows(2))).unwrap();
        refuse_other_classes(&rows(5), &old, &new, |_| unreachable!("no tensor has a row for each class")).unwrap();
    }
}
