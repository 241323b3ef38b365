//! Which instructions compute: resolved once, recorded with every run.

use serde::{Deserialize, Serialize};

use super::Error;
#[cfg(target_arch = "x86_64")]
use super::gemm::{amx::Amx, kernel::Kernel};

/// What a config asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit products and state.
    F32,
    /// bf16 operands, 32-bit accumulation and master weights, where the machine has the
    /// instructions; 32 bits otherwise.
    Bf16,
    /// The fastest that the machine has.
    #[default]
    Auto,
}

/// The instruction set of the kernels. The same seed, config and path give the same bytes on any
/// number of threads; another path differs in the last bits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// Plain Rust, on every processor.
    Portable,
    /// 256-bit vectors with fused multiply–add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
    /// bf16 by `vdpbf16ps`, 512 bits wide.
    Bf16Avx512,
    /// bf16 by AMX tiles.
    Bf16Amx,
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Path::Portable => "portable",
            Path::Avx2 => "avx2",
            Path::Avx512 => "avx512",
            Path::Bf16Avx512 => "bf16-avx512",
            Path::Bf16Amx => "bf16-amx",
        })
    }
}

impl Path {
    /// All paths, the plainest first.
    pub const ALL: [Path; 5] = [
        Path::Portable,
        Path::Avx2,
        Path::Avx512,
        Path::Bf16Avx512,
        Path::Bf16Amx,
    ];

    /// Whether products take bf16 operands.
    pub fn is_bf16(self) -> bool {
        matches!(self, Path::Bf16Avx512 | Path::Bf16Amx)
    }

    /// Whether this machine can run the path.
    pub fn is_available(self) -> bool {
        match self {
            Path::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 => {
                Path::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Path::Bf16Avx512 => {
                Path::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(target_arch = "x86_64")]
            Path::Bf16Amx => Path::Bf16Avx512.is_available() && Amx::detect().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The best path that this machine has for a precision. `Bf16` on a machine without the
    /// instructions gives its best 32-bit path: compare [`Path::is_bf16`] to tell the user.
    pub fn resolve(precision: Precision) -> Path {
        Path::ALL
            .into_iter()
            .rev()
            .filter(|path| precision != Precision::F32 || !path.is_bf16())
            .find(|path| path.is_available())
            .unwrap_or(Path::Portable)
    }

    /// The path itself where the machine has it.
    ///
    /// Fails with the paths that are there, so that a run never goes on with another in silence.
    pub fn require(self) -> Result<Path, Error> {
        if self.is_available() {
            return Ok(self);
        }
        let available: Vec<String> = Path::ALL
            .into_iter()
            .filter(|path| path.is_available())
            .map(|path| path.to_string())
            .collect();
        Err(Error::Path {
            wanted: self,
            available: available.join(", "),
        })
    }
}

/// What layers need to know of the machine, given to them when they are built. Threads are those
/// of the rayon pool in which they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runtime {
    /// The kernels' instructions.
    pub path: Path,
}

impl Runtime {
    /// The best path of this machine for a precision.
    pub fn new(precision: Precision) -> Self {
        Self {
            path: Path::resolve(precision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_the_portable_path() {
        assert_eq!(Path::Portable.require().unwrap(), Path::Portable);
    }

    #[test]
    fn f32_never_resolves_to_bf16() {
        assert!(!Path::resolve(Precision::F32).is_bf16());
        assert!(Path::resolve(Precision::Auto).is_available());
    }

    #[test]
    fn names_are_the_same_in_configs_and_messages() {
        for path in Path::ALL {
            let named = serde_json::to_string(&path).unwrap();
            assert_eq!(named, format!("\"{path}\""));
        }
    }
}
