//! The host as a plugin sees it: the trait [`Host`] over the C table.

use super::towers::GuestTowers;
use super::{adopt, borrow, borrowed, class_position_code, required, result, sized, written};
use crate::towers::Towers;
use crate::{ClassPosition, Error, Host, LogLevel, Result};
use nemesis_abi as abi;
use std::cell::OnceCell;
use tch::Tensor;

/// The host's services during one call into the plugin.
pub struct GuestHost<'a> {
    table: &'a abi::Host,
    /// Taken from the host when they are first asked for.
    towers: OnceCell<Option<GuestTowers<'a>>>,
}

impl GuestHost<'_> {
    /// Wraps the table that the host lends for a call.
    ///
    /// # Safety
    ///
    /// `table` is null or leads to a table of the host that is valid, on this thread, as long as the result.
    ///
    /// # Errors
    ///
    /// When it is null or smaller than this side's.
    pub unsafe fn new(table: *const abi::Host) -> Result<Self> {
        // SAFETY: the caller vouches for it.
        Ok(Self { table: unsafe { sized(table, "host table") }?, towers: OnceCell::new() })
    }
}

// In each block below, SAFETY: the function and its context come from a table that is valid for `'a`, and every pointer
// argument leads to values that outlive the call.
impl Host for GuestHost<'_> {
    fn encode_strings(&self, prompts: &[String]) -> Result<Tensor> {
        let encode = required(self.table.encode_strings, "encode_strings")?;
        let prompts: Vec<_> = prompts.iter().map(|prompt| borrowed(prompt)).collect();
        // SAFETY: see above.
        unsafe { written(|out| encode(self.table.context, prompts.as_ptr(), prompts.len(), out)) }
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> Result<Tensor> {
        let encode = required(self.table.encode_contexts, "encode_contexts")?;
        let position = class_position_code(position);
        // SAFETY: see above.
        unsafe { written(|out| encode(self.table.context, borrow(contexts), position, out)) }
    }

    fn embed_text(&self, text: &str) -> Result<Tensor> {
        let embed = required(self.table.embed_text, "embed_text")?;
        // SAFETY: see above.
        unsafe { written(|out| embed(self.table.context, borrowed(text), out)) }
    }

    fn backward(&self, loss: &Tensor) -> Result<()> {
        let backward = required(self.table.backward, "backward")?;
        // SAFETY: see above.
        unsafe { result(backward(self.table.context, borrow(loss))) }
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let gradients = required(self.table.gradients, "gradients")?;
        let inputs: Vec<_> = inputs.iter().map(|input| borrow(input)).collect();
        let mut out = vec![std::ptr::null_mut(); inputs.len()];
        // SAFETY: see above; after OK every tensor written is taken over, once.
        unsafe {
            let context = self.table.context;
            result(gradients(context, borrow(loss), inputs.as_ptr(), inputs.len(), out.as_mut_ptr()))?;
            let adopted: Vec<_> = out.into_iter().map(|tensor| adopt(tensor)).collect();
            adopted.into_iter().map(|t| t.ok_or_else(|| Error::new("the host returned no gradient"))).collect()
        }
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        let mut out = vec![0; count];
        demand(required(self.table.random, "random").and_then(|random| {
            // SAFETY: see above; `out` has room for `count` numbers.
            unsafe { result(random(self.table.context, borrowed(purpose), index, count, out.as_mut_ptr())) }
        }));
        out
    }

    fn report(&self, name: &str, value: &Tensor) {
        demand(required(self.table.report, "report").and_then(|report| {
            // SAFETY: see above.
            unsafe { result(report(self.table.context, borrowed(name), borrow(value))) }
        }));
    }

    fn cancelled(&self) -> bool {
        // SAFETY: see above.
        self.table.cancelled.is_some_and(|cancelled| unsafe { cancelled(self.table.context) } != 0)
    }

    fn log(&self, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Warn => abi::LOG_WARN,
            LogLevel::Info => abi::LOG_INFO,
            LogLevel::Debug => abi::LOG_DEBUG,
        };
        if let Some(log) = self.table.log {
            // SAFETY: see above.
            unsafe { log(self.table.context, level, borrowed(message)) };
        }
    }

    fn towers(&self) -> Option<&dyn Towers> {
        let towers = self.towers.get_or_init(|| demand(GuestTowers::of(self.table)));
        towers.as_ref().map(|towers| towers as &dyn Towers)
    }
}

/// For services that can fail only through a bug in the host. The panic becomes the status of the call.
fn demand<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("the host failed: {error}"))
}
