//! Code compiled for processors that count the bits of a word in one instruction, which every query
//! does dozens of times; the program itself is built for processors that may not have it.

/// Runs `query`, on x86-64 with POPCNT, BMI1 and BMI2 if the processor has them. What it calls gains only
/// if it is inlined.
#[inline]
pub fn counting_bits<R>(query: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        let has = is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        if has {
            // SAFETY: the processor has the instructions, as was just asked.
            return unsafe { compiled(query) };
        }
    }
    query()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,bmi1,bmi2")]
fn compiled<R>(query: impl FnOnce() -> R) -> R {
    query()
}
