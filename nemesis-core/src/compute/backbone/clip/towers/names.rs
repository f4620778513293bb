//! What can be changed, by name.

use crate::backbone::clip::frozen::Part;
use crate::backbone::clip::layers::Which;

/// Either tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tower {
    Image,
    Text,
}

/// A normalisation outside of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Norm {
    Pre,
    Post,
    Final,
}

/// Where a weight lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Layer(usize, Part),
    Norm(Norm),
}

const MAPS: [(&str, Part); 6] = [
    ("q", Part::Queries),
    ("k", Part::Keys),
    ("v", Part::Values),
    ("o", Part::OutProj),
    ("c_fc", Part::CFc),
    ("c_proj", Part::CProj),
];
const NORMS: [(&str, Part); 2] = [("ln_1", Part::Ln1), ("ln_2", Part::Ln2)];
const KINDS: [(&str, Which); 2] = [("weight", Which::Weight), ("bias", Which::Bias)];

impl Tower {
    /// Its name in names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }

    fn norms(self) -> &'static [(&'static str, Norm)] {
        match self {
            Self::Image => &[("ln_pre", Norm::Pre), ("ln_post", Norm::Post)],
            Self::Text => &[("ln_final", Norm::Final)],
        }
    }

    /// The linear maps of so many layers, by name.
    pub(super) fn maps(self, layers: usize) -> Vec<(String, (usize, Part))> {
        let tower = self.name();
        let of_layer = |layer| MAPS.map(|(name, part)| (format!("{tower}.{layer}.{name}"), (layer, part)));
        (0..layers).flat_map(of_layer).collect()
    }

    /// The weights and biases of so many layers and outside of them, by name.
    pub(super) fn weights(self, layers: usize) -> Vec<(String, (Place, Which))> {
        let tower = self.name();
        let parts = (0..layers).flat_map(|layer| {
            let parts = MAPS.into_iter().chain(NORMS);
            parts.map(move |(name, part)| (format!("{layer}.{name}"), Place::Layer(layer, part)))
        });
        let norms = self.norms().iter().map(|(name, norm)| ((*name).to_owned(), Place::Norm(*norm)));
        let places = parts.chain(norms);
        places
            .flat_map(|(name, place)| KINDS.map(|(kind, which)| (format!("{tower}.{name}.{kind}"), (place, which))))
            .collect()
    }
}
