//! The three discounts of modified Kneser–Ney, one set an order.
//!
//! Input: how many n-grams have adjusted count 1, 2, 3 and 4. Output: what is taken off an adjusted
//! count of 1, 2, and 3 or more.

use super::super::Error;
use super::adjust::Statistics;

/// What KenLM's lmplz falls back to, too.
pub const FALLBACK: [f32; 3] = [0.5, 1.0, 1.5];

/// The discounts `D₁`, `D₂`, `D₃₊` of one order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Discounts([f32; 4]);

impl Discounts {
    /// From the counts of counts: `Y = n₁ / (n₁ + 2 n₂)` and `Dᵢ = i − (i + 1) Y nᵢ₊₁ / nᵢ` (Chen &
    /// Goodman 1999, equation 26). Fails where one of them is missing or outside `[0, i]`, unless
    /// there is a fallback.
    pub fn estimate(
        statistics: &Statistics,
        order: usize,
        fallback: Option<[f32; 3]>,
    ) -> Result<Self, Error> {
        let [_, n1, n2, n3, n4] = statistics.with_count;
        match (Self::closed_form([n1, n2, n3, n4]), fallback) {
            (Ok(discounts), _) => Ok(discounts),
            (Err(_), Some([one, two, more])) => Ok(Self([0.0, one, two, more])),
            (Err(why), None) => Err(Error::Discounts {
                order,
                n1,
                n2,
                n3,
                n4,
                why,
            }),
        }
    }

    fn closed_form(n: [u64; 4]) -> Result<Self, String> {
        let mut amounts = [0.0; 4];
        if let Some(missing) = n[..3].iter().position(|&count| count == 0) {
            let missing = missing + 1;
            return Err(format!(
                "and none of adjusted count {missing} leaves D{missing} undefined"
            ));
        }
        let y = n[0] as f32 / (n[0] as f32 + 2.0 * n[1] as f32);
        for i in 1..4 {
            let discount = i as f32 - (i + 1) as f32 * y * n[i] as f32 / n[i - 1] as f32;
            if !(0.0..=i as f32).contains(&discount) {
                return Err(format!(
                    "which makes D{i} = {discount:.3}, outside 0 to {i}"
                ));
            }
            amounts[i] = discount;
        }
        Ok(Self(amounts))
    }

    /// The discount of an adjusted count; nothing is taken off 0.
    #[inline]
    pub fn of(self, count: u32) -> f32 {
        self.0[count.min(3) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(with_count: [u64; 5], fallback: Option<[f32; 3]>) -> Result<Discounts, Error> {
        Discounts::estimate(
            &Statistics {
                with_count,
                kept: 0,
            },
            2,
            fallback,
        )
    }

    #[test]
    fn discounts_follow_chen_and_goodman() {
        // Y = 100 / (100 + 80) = 5/9.
        let discounts = estimate([0, 100, 40, 20, 10], None).unwrap();
        let expected = [
            0.0,
            1.0 - 2.0 * 5.0 / 9.0 * 0.4,
            2.0 - 3.0 * 5.0 / 9.0 * 0.5,
            3.0 - 4.0 * 5.0 / 9.0 * 0.5,
        ];
        for (count, expected) in expected.into_iter().enumerate() {
            assert!((discounts.of(count as u32) - expected).abs() < 1e-6);
        }
        assert_eq!(discounts.of(77), discounts.of(3));
    }

    #[test]
    fn impossible_discounts_come_with_numbers_and_the_fix() {
        for (with_count, why) in [
            (
                [0, 3, 0, 1, 1],
                "none of adjusted count 2 leaves D2 undefined",
            ),
            ([0, 1, 9, 900, 0], "D2 = "),
        ] {
            let message = estimate(with_count, None).unwrap_err().to_string();
            assert!(message.contains("order 2: it has"), "{message}");
            assert!(
                message.contains(why) && message.contains("--discount-fallback"),
                "{message}"
            );
            assert_eq!(
                estimate(with_count, Some(FALLBACK)).unwrap(),
                Discounts([0.0, 0.5, 1.0, 1.5])
            );
        }
    }
}
