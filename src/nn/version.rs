//! When weights change, and what is derived from them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the changes of a model's weights, so that what is derived from them (packed copies for
/// the kernels) is rebuilt once per step of the optimiser and not more often.
#[derive(Debug, Clone, Default)]
pub struct Version(Arc<AtomicU64>);

impl Version {
    /// Changes so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Counts a change.
    pub(super) fn bump(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Something computed from the weights, made again when they have changed since.
#[derive(Debug)]
pub struct Derived<T> {
    version: Version,
    made: Mutex<Option<(u64, Arc<T>)>>,
}

impl<T> Derived<T> {
    /// Nothing yet, of the weights that `version` counts the changes of.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            made: Mutex::new(None),
        }
    }

    /// What was made of the weights as they are now, by `make` if that is not yet done.
    pub fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let now = self.version.get();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, value)) = &*made
            && *then == now
        {
            return value.clone();
        }
        let value = Arc::new(make());
        *made = Some((now, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_for_each_version() {
        let version = Version::default();
        let derived = Derived::new(version.clone());
        assert_eq!(*derived.get(|| 1), 1);
        assert_eq!(*derived.get(|| 2), 1);
        version.bump();
        assert_eq!(*derived.get(|| 3), 3);
    }
}
