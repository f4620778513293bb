//! Pixels made ahead on another thread, while a step or an evaluation is computed.

use super::pictures::{Pictures, Seen};
use crate::Result;
use crate::backbone::Backbone;
use crate::method::Needs;
use std::cell::RefCell;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use tch::{Kind, Tensor};

/// A batch: the view, and the places of its images.
type Order = (u64, Vec<usize>);

/// Batches with their pixels, in the order that was said.
type Made = Receiver<(Order, Result<Tensor>)>;

/// Pictures whose next pixels are made ahead.
#[derive(Debug)]
pub struct Ahead<'a> {
    pictures: &'a Pictures,
    /// What comes next; none once something else was asked for.
    made: RefCell<Option<Made>>,
}

impl Pictures {
    /// Runs `body` while the pixels of `batches` (each a view, and the places of its images) are made on another thread,
    /// in this order, for tensors of this kind: at most one batch that is ready, and one in progress.
    pub fn ahead<R>(
        &self,
        kind: Kind,
        batches: impl Iterator<Item = (u64, Vec<usize>)> + Send,
        body: impl FnOnce(&Ahead<'_>) -> R,
    ) -> R {
        thread::scope(|scope| {
            let (sender, made) = sync_channel(1);
            scope.spawn(move || {
                for (view, places) in batches {
                    let pixels = self.pixels(kind, view, &places);
                    let failed = pixels.is_err();
                    // Sending fails once nobody waits for batches any more.
                    if sender.send(((view, places), pixels)).is_err() || failed {
                        break;
                    }
                }
            });
            // It is dropped before the scope waits for the thread, which then ends.
            let ahead = Ahead { pictures: self, made: RefCell::new(Some(made)) };
            body(&ahead)
        })
    }
}

impl Ahead<'_> {
    /// As [`Pictures::see`]. What comes in another order than was said is made when it is asked for.
    ///
    /// # Errors
    ///
    /// When an image cannot be read; the message names it.
    pub fn see(&self, backbone: &dyn Backbone, needs: Needs, view: u64, places: &[usize]) -> Result<Seen> {
        if !needs.images() {
            return Ok(Seen::default());
        }
        let next = self.made.borrow().as_ref().and_then(|made| made.recv().ok());
        match next {
            Some(((of, at), pixels)) if of == view && at == places => {
                self.pictures.seen(backbone, needs, &pixels?, places)
            }
            _ => {
                self.made.take();
                self.pictures.see(backbone, needs, view, places)
            }
        }
    }
}
