//! Where the deltas are: towers, layers, and linear maps of the attention.

use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::{Error, OptionValue, Result};
use std::ops::Range;

/// The towers with deltas (`--encoder`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "lowercase")]
pub enum Encoder {
    /// The image tower.
    Vision,
    /// The text tower.
    Text,
    /// Both towers.
    Both,
}

impl OptionValue for Encoder {
    fn kind() -> String {
        "`both`, `vision` or `text`".to_owned()
    }
}

/// The layers with deltas (`--position`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "kebab-case")]
pub enum Position {
    /// All layers.
    All,
    /// The first third.
    Bottom,
    /// The middle third.
    Mid,
    /// The last third.
    Up,
    /// The first half.
    HalfBottom,
    /// The second half.
    HalfUp,
    /// The last three layers.
    Top3,
}

impl OptionValue for Position {
    fn kind() -> String {
        "`all`, `bottom`, `mid`, `up`, `half-bottom`, `half-up` or `top3`".to_owned()
    }
}

impl Position {
    /// The layers in a tower of this many. The authors list indices for 12 layers (and for 24, where they agree with
    /// these shares); of those, a smaller tower has what it has (`INDEX_POSITIONS_TEXT`, `INDEX_POSITIONS_VISION`).
    pub(crate) fn layers(self, count: usize) -> Result<Range<usize>> {
        let of = count.max(12);
        let range = match self {
            Self::All => 0..of,
            Self::Bottom => 0..of / 3,
            Self::Mid => of / 3..2 * of / 3,
            Self::Up => 2 * of / 3..of,
            Self::HalfBottom => 0..of / 2,
            Self::HalfUp => of / 2..of,
            Self::Top3 => of - 3..of,
        };
        let range = range.start.min(count)..range.end.min(count);
        if range.is_empty() {
            return Err(Error::option("position", format_args!("a tower of {count} layers has none of these layers")));
        }
        Ok(range)
    }
}

/// A linear map of the attention: its name among the host's weights, and the authors' name of its module.
pub(crate) type Map = (&'static str, &'static str);

const MAPS: [Map; 4] = [("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("o", "proj")];

/// The maps that a list such as `q,k,v` names.
pub(crate) fn maps(list: &str) -> Result<Vec<Map>> {
    let mut chosen: Vec<Map> = Vec::new();
    for name in list.split([',', ' ']).filter(|name| !name.is_empty()) {
        let map = MAPS.iter().find(|(known, _)| *known == name);
        let map = map.ok_or_else(|| Error::option("params", format_args!("`{name}` is none of q, k, v, o")))?;
        if chosen.contains(map) {
            return Err(Error::option("params", format_args!("`{name}` appears twice")));
        }
        chosen.push(*map);
    }
    if chosen.is_empty() {
        return Err(Error::option("params", "at least one of q, k, v, o is needed"));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_the_authors_indices() {
        let layers = |position: Position, count| position.layers(count).unwrap();
        assert_eq!(layers(Position::Bottom, 12), 0..4);
        assert_eq!(layers(Position::Mid, 12), 4..8);
        assert_eq!(layers(Position::Up, 12), 8..12);
        assert_eq!(layers(Position::HalfUp, 12), 6..12);
        assert_eq!(layers(Position::HalfUp, 24), 12..24);
        assert_eq!(layers(Position::HalfBottom, 24), 0..12);
        assert_eq!(layers(Position::Top3, 12), 9..12);
        assert_eq!(layers(Position::All, 3), 0..3);
        assert_eq!(layers(Position::Bottom, 3), 0..3);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let message = |error: Error| (error.about().map(str::to_owned), error.to_string());
        assert_eq!(
            message(Position::Mid.layers(3).unwrap_err()),
            (Some("position".to_owned()), "option `position`: a tower of 3 layers has none of these layers".to_owned())
        );
        assert_eq!(maps("q, o").unwrap(), [("q", "q_proj"), ("o", "proj")]);
        assert_eq!(maps("q,x").unwrap_err().to_string(), "option `params`: `x` is none of q, k, v, o");
        assert_eq!(maps("q,q").unwrap_err().to_string(), "option `params`: `q` appears twice");
        assert_eq!(maps(" ").unwrap_err().to_string(), "option `params`: at least one of q, k, v, o is needed");
    }
}
