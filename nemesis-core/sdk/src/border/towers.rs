//! The towers with changes, in both directions.

use super::tensor::borrow_optional;
use super::{adopt, borrow, borrowed, class_position_code, copy, required, result, sized, slice, text, written};
use crate::towers::{Changes, Dropout, ImageFeatures, LayerPrompt, LowRank, Replacement, TowerSizes, Towers};
use crate::{ClassPosition, Error, Result};
use nemesis_abi as abi;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr;
use tch::Tensor;

/// The sizes of towers as a C struct.
pub fn tower_sizes(sizes: TowerSizes) -> abi::TowerSizes {
    abi::TowerSizes {
        struct_size: size_of::<abi::TowerSizes>(),
        image_layers: sizes.image_layers,
        image_width: sizes.image_width,
        image_hidden: sizes.image_hidden,
        image_tokens: sizes.image_tokens,
        text_layers: sizes.text_layers,
        text_width: sizes.text_width,
        text_hidden: sizes.text_hidden,
    }
}

/// Changes lent to the other side. It owns what its pointers lead to.
pub struct BorrowedChanges<'a> {
    changes: abi::TowerChanges,
    _prompts: List<abi::LayerPrompt>,
    _dropouts: Vec<Option<abi::Dropout>>,
    _low_rank: List<abi::LowRank>,
    _replaced: List<abi::Replacement>,
    _changes: PhantomData<&'a Changes>,
}

/// Structs with the pointers to them, an array of which crosses. Neither moves when the list does.
struct List<T> {
    pointers: Vec<*const T>,
    _structs: Vec<T>,
}

impl<T> List<T> {
    fn new(structs: Vec<T>) -> Self {
        Self { pointers: structs.iter().map(ptr::from_ref).collect(), _structs: structs }
    }
}

impl<'a> BorrowedChanges<'a> {
    /// Lends changes.
    pub fn new(changes: &'a Changes) -> Self {
        let prompts = changes.prompts.iter().map(|prompt| abi::LayerPrompt {
            struct_size: size_of::<abi::LayerPrompt>(),
            layer: prompt.layer,
            tokens: borrow(&prompt.tokens),
        });
        let dropout = |dropout: &Dropout| abi::Dropout {
            struct_size: size_of::<abi::Dropout>(),
            probability: dropout.probability,
            index: dropout.index,
            mask: borrow_optional(dropout.mask.as_ref()),
        };
        let dropouts: Vec<_> = changes.low_rank.iter().map(|delta| delta.dropout.as_ref().map(dropout)).collect();
        let low_rank = changes.low_rank.iter().zip(&dropouts).map(|(delta, dropout)| abi::LowRank {
            struct_size: size_of::<abi::LowRank>(),
            name: borrowed(&delta.name),
            down: borrow(&delta.down),
            up: borrow(&delta.up),
            scale: delta.scale,
            dropout: dropout.as_ref().map_or(ptr::null(), ptr::from_ref),
        });
        let low_rank = List::new(low_rank.collect());
        let replaced = changes.replaced.iter().map(|replaced| abi::Replacement {
            struct_size: size_of::<abi::Replacement>(),
            name: borrowed(&replaced.name),
            tensor: borrow(&replaced.tensor),
        });
        let (prompts, replaced) = (List::new(prompts.collect()), List::new(replaced.collect()));
        Self {
            changes: abi::TowerChanges {
                struct_size: size_of::<abi::TowerChanges>(),
                prompts: prompts.pointers.as_ptr(),
                prompt_count: prompts.pointers.len(),
                low_rank: low_rank.pointers.as_ptr(),
                low_rank_count: low_rank.pointers.len(),
                replaced: replaced.pointers.as_ptr(),
                replaced_count: replaced.pointers.len(),
                ending: changes.ending.as_deref().map_or(abi::Str { data: ptr::null(), len: 0 }, borrowed),
            },
            _prompts: prompts,
            _dropouts: dropouts,
            _low_rank: low_rank,
            _replaced: replaced,
            _changes: PhantomData,
        }
    }

    /// The pointer to pass; it is valid as long as this value stays where it is.
    pub fn as_ptr(&self) -> *const abi::TowerChanges {
        &raw const self.changes
    }
}

/// Reads the changes that the other side lends; a null pointer means none.
///
/// # Safety
///
/// `pointer` is null or leads to changes of the other side.
///
/// # Errors
///
/// When a struct is too small, or a pointer that must not be null is.
pub unsafe fn changes(pointer: *const abi::TowerChanges) -> Result<Changes> {
    if pointer.is_null() {
        return Ok(Changes::default());
    }
    // SAFETY: the caller vouches for the struct and all that its fields lead to.
    unsafe {
        let changes = sized(pointer, "changes")?;
        let prompts = slice(changes.prompts, changes.prompt_count, "layer prompts")?.iter().map(|prompt| {
            let prompt = sized(*prompt, "layer prompt")?;
            Ok(LayerPrompt { layer: prompt.layer, tokens: copy(prompt.tokens, "tokens")? })
        });
        let low_rank = slice(changes.low_rank, changes.low_rank_count, "low-rank deltas")?.iter().map(|delta| {
            let delta = sized(*delta, "low-rank delta")?;
            Ok(LowRank {
                name: text(delta.name)?.to_owned(),
                down: copy(delta.down, "down")?,
                up: copy(delta.up, "up")?,
                scale: delta.scale,
                dropout: (!delta.dropout.is_null()).then(|| dropout(delta.dropout)).transpose()?,
            })
        });
        let replaced = slice(changes.replaced, changes.replaced_count, "replacements")?.iter().map(|replaced| {
            let replaced = sized(*replaced, "replacement")?;
            Ok(Replacement { name: text(replaced.name)?.to_owned(), tensor: copy(replaced.tensor, "replacement")? })
        });
        Ok(Changes {
            prompts: prompts.collect::<Result<_>>()?,
            low_rank: low_rank.collect::<Result<_>>()?,
            replaced: replaced.collect::<Result<_>>()?,
            ending: (!changes.ending.data.is_null()).then(|| text(changes.ending).map(str::to_owned)).transpose()?,
        })
    }
}

/// Reads the dropout that the other side lends.
///
/// # Safety
///
/// `pointer` leads to a dropout of the other side.
unsafe fn dropout(pointer: *const abi::Dropout) -> Result<Dropout> {
    // SAFETY: the caller vouches for the struct and all that its fields lead to.
    unsafe {
        let dropout = sized(pointer, "dropout")?;
        let mask = (!dropout.mask.is_null()).then(|| copy(dropout.mask, "mask")).transpose()?;
        Ok(Dropout { probability: dropout.probability, index: dropout.index, mask })
    }
}

/// The host's towers during one call into the plugin.
pub(super) struct GuestTowers<'a> {
    table: &'a abi::Towers,
    context: *mut c_void,
    sizes: TowerSizes,
}

impl GuestTowers<'_> {
    /// The towers of a host, if it has them for this method.
    ///
    /// # Errors
    ///
    /// When the host breaks the rules of the border.
    pub(super) fn of(host: &abi::Host) -> Result<Option<Self>> {
        let get_extension = required(host.get_extension, "get_extension")?;
        // SAFETY: the name ends with a zero byte, and what it names is a static table of this type, or null.
        let table: *const abi::Towers = unsafe { get_extension(host.context, abi::TOWERS.as_ptr()) }.cast();
        if table.is_null() {
            return Ok(None);
        }
        // SAFETY: as above. The sizes are valid during the call in which the host is.
        unsafe {
            let table = sized(table, "table of the towers")?;
            let sizes = sized(required(table.sizes, "sizes")?(host.context), "tower sizes")?;
            let sizes = TowerSizes {
                image_layers: sizes.image_layers,
                image_width: sizes.image_width,
                image_hidden: sizes.image_hidden,
                image_tokens: sizes.image_tokens,
                text_layers: sizes.text_layers,
                text_width: sizes.text_width,
                text_hidden: sizes.text_hidden,
            };
            Ok(Some(Self { table, context: host.context, sizes }))
        }
    }
}

// In each block below, SAFETY: the function and its context come from tables that are valid as long as the host that the
// towers were taken from, and every pointer argument leads to values that outlive the call.
impl Towers for GuestTowers<'_> {
    fn sizes(&self) -> TowerSizes {
        self.sizes
    }

    fn encode_images(&self, pixels: &Tensor, changes: &Changes, patches: bool) -> Result<ImageFeatures> {
        let encode = required(self.table.encode_images, "encode_images")?;
        let changes = BorrowedChanges::new(changes);
        let mut of_patches = ptr::null_mut();
        let out_patches = if patches { &raw mut of_patches } else { ptr::null_mut() };
        // SAFETY: see above; after OK the second tensor is taken over, too.
        unsafe {
            let mut global = ptr::null_mut();
            result(encode(self.context, borrow(pixels), changes.as_ptr(), &raw mut global, out_patches))?;
            let (global, of_patches) = (adopt(global), adopt(of_patches));
            let missing = || Error::new("the host returned no features");
            if patches && of_patches.is_none() {
                return Err(missing());
            }
            Ok(ImageFeatures { global: global.ok_or_else(missing)?, patches: of_patches })
        }
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition, changes: &Changes) -> Result<Tensor> {
        let encode = required(self.table.encode_contexts, "encode_contexts")?;
        let (changes, position) = (BorrowedChanges::new(changes), class_position_code(position));
        // SAFETY: see above.
        unsafe { written(|out| encode(self.context, borrow(contexts), position, changes.as_ptr(), out)) }
    }

    fn encode_strings(&self, prompts: &[String], changes: &Changes) -> Result<Tensor> {
        let encode = required(self.table.encode_strings, "encode_strings")?;
        let prompts: Vec<_> = prompts.iter().map(|prompt| borrowed(prompt)).collect();
        let changes = BorrowedChanges::new(changes);
        // SAFETY: see above.
        unsafe { written(|out| encode(self.context, prompts.as_ptr(), prompts.len(), changes.as_ptr(), out)) }
    }
}
