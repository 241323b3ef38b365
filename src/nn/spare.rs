//! Working memory that a layer's passes hand on to those of the next step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::gemm::buffer::Buffer;

/// Buffers that are not in use, of all layers of a model. A step's gates are hundreds of megabytes
/// that the next step writes anew: to ask the system for zeros in between costs a tenth of a step
/// in bf16.
#[derive(Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<Buffer<f32>>>>);

impl Spare {
    fn lock(&self) -> MutexGuard<'_, Vec<Buffer<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `len` numbers, whatever they are: the smallest that has the room, or else the
    /// largest, made larger.
    pub(super) fn take(&self, len: usize) -> Buffer<f32> {
        if len == 0 {
            return Buffer::default();
        }
        let mut spare = self.lock();
        let fits = (0..spare.len()).filter(|&i| spare[i].room() >= len);
        let best = fits
            .min_by_key(|&i| spare[i].room())
            .or_else(|| (0..spare.len()).max_by_key(|&i| spare[i].room()));
        let mut buffer = best.map_or_else(Buffer::default, |i| spare.swap_remove(i));
        drop(spare);
        buffer.resize(len);
        buffer
    }

    /// Gives a buffer back.
    pub(super) fn put(&self, buffer: Buffer<f32>) {
        if buffer.room() > 0 {
            self.lock().push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_taken_again() {
        let spare = Spare::default();
        let mut first = spare.take(1000);
        first.as_mut_slice().fill(3.0);
        let small = spare.take(10);
        spare.put(first);
        spare.put(small);
        assert_eq!(spare.take(8).room(), 10);
        assert_eq!(spare.take(900).as_slice(), [3.0; 900]);
        assert_eq!(spare.take(5).as_slice(), [0.0; 5]);
    }

    #[test]
    fn the_largest_grows_where_none_has_the_room() {
        let spare = Spare::default();
        let (small, large) = (spare.take(10), spare.take(100));
        spare.put(small);
        spare.put(large);
        assert_eq!(spare.take(200).as_slice().len(), 200);
        assert_eq!(spare.take(1).room(), 10);
        assert!(spare.lock().is_empty());
    }
}
