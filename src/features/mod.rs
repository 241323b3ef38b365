//! Waveform → feature frames → the HDF5 feature store.
//!
//! One file a stage of the signal chain, in the order in which a frame passes through them:
//!
//! | stage | file |
//! |---|---|
//! | cut the waveform into overlapping frames | `framing` |
//! | subtract the mean, pre-emphasise, window | `preemphasis`, `window` |
//! | power spectrum | `rfft` |
//! | mel filterbank, logarithm | `mel`, `ln` |
//! | deltas and delta-deltas | `deltas` |
//! | mean–variance normalisation | `normalise` |
//! | stack frames, skip frames | `stack` |
//!
//! A [`Recipe`] (one of `features/*.toml`) says what each stage does, an [`Extractor`] runs the
//! chain on one waveform, [`extract`] runs it over a corpus into a [`Store`].
//!
//! The filterbank is Kaldi's: the tests hold it to 1e-3 of kaldi-native-fbank's numbers. Dither is added
//! to the spectrum as its expected power, not to the samples: features depend on these alone.

use std::path::Path;

use tempfile::NamedTempFile;

mod deltas;
mod error;
mod extract;
mod extractor;
mod framing;
mod ln;
mod locate;
mod mel;
mod noise;
mod normalise;
mod perturb;
mod plot;
mod preemphasis;
mod recipe;
mod reverberation;
mod rfft;
mod stack;
mod store;
mod volume;
mod window;
mod writer;

pub use error::Error;
pub use extract::{Copies, ExtractRequest, Summary, extract};
pub use extractor::Extractor;
pub use noise::Noise;
pub use normalise::{Moments, Stats};
pub use perturb::Perturbation;
pub use plot::plot;
pub use recipe::{Deltas, Energy, Frames, Kind, Mel, Normalisation, Recipe, Stacking, Window};
pub use reverberation::Reverberation;
pub use store::Store;
pub use volume::Volume;

/// An empty file beside `path`, to be renamed to it once it is whole.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".features-").suffix(".partial");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the user's umask makes of it, as any other output.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(|source| Error::Io {
        path: path.into(),
        source,
    })
}

/// Puts a whole temporary file in the place of `path`.
fn put_in_place(temporary: NamedTempFile, path: &Path) -> Result<(), Error> {
    let io = |source| Error::Io {
        path: path.into(),
        source,
    };
    temporary.as_file().sync_all().map_err(io)?;
    temporary.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}
