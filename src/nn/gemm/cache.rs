//! How much of a product fits beside the core.

use std::sync::OnceLock;

/// Bytes of the second level of cache of the first processor, as the system tells it (Linux); a
/// mebibyte where it does not. Sizes of blocks that change no sum follow from it.
pub(super) fn second_level() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size")
            .ok()
            .and_then(|size| size.trim().strip_suffix('K')?.parse::<usize>().ok())
            .map_or(1 << 20, |kibibytes| {
                (kibibytes << 10).clamp(1 << 18, 1 << 23)
            })
    })
}
