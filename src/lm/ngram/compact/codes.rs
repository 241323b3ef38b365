//! Values as codes in tables, one table an order.
//!
//! Input: all values of each order. Output: a table an order and a code for each value: exact where
//! an order has few different values or as many bits as asked for suffice; otherwise the nearest of
//! 2^bits values chosen by Lloyd's algorithm (1982), from bins of equal population (Federico &
//! Bertoldi 2006, the method of KenLM's tries).

use rayon::prelude::*;

/// Bits of a value that is written as it is.
pub const PLAIN: u32 = 32;

/// Tables up to this many bits stay in the nearest caches.
const LARGEST_TABLE: u32 = 12;

/// Rounds of Lloyd's algorithm; more change nothing that can be measured.
const ROUNDS: usize = 20;

/// How the values of one kind are written.
pub struct Codes {
    /// Bits of a code, or [`PLAIN`].
    pub bits: u32,
    /// By order: `2^bits` values, rising; the unused ones at the end repeat the last. Empty if the
    /// values are plain.
    pub tables: Vec<Vec<f32>>,
}

impl Codes {
    /// Tables for the values of each order, of `quantise` bits at most if that is given.
    pub fn new(orders: &[&[f32]], quantise: Option<u32>) -> Self {
        let mut sorted: Vec<Vec<f32>> = orders.par_iter().map(|values| values.to_vec()).collect();
        sorted
            .par_iter_mut()
            .for_each(|values| values.sort_unstable_by(f32::total_cmp));
        let distinct =
            |values: &Vec<f32>| 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let most = sorted.iter().map(distinct).max().unwrap_or(1);
        let exact = most.next_power_of_two().ilog2().max(1);
        let bits = match quantise {
            Some(bits) => bits.min(exact),
            None if exact <= LARGEST_TABLE => exact,
            None => {
                let tables = Vec::new();
                return Self {
                    bits: PLAIN,
                    tables,
                };
            }
        };
        let tables = sorted
            .par_iter()
            .map(|values| table(values, 1 << bits))
            .collect();
        Self { bits, tables }
    }

    /// The code of a value of the order with index `order`.
    #[inline]
    pub fn of(&self, order: usize, value: f32) -> u64 {
        match self.tables.get(order) {
            Some(table) => nearest(table, value) as u64,
            None => value.to_bits().into(),
        }
    }
}

/// The first of the table's values that is nearest.
fn nearest(table: &[f32], value: f32) -> usize {
    let above = table.partition_point(|&entry| entry < value);
    let below = above.saturating_sub(1);
    if above == table.len() || (value - table[below]).abs() <= (table[above] - value).abs() {
        table.partition_point(|&entry| entry < table[below])
    } else {
        above
    }
}

/// `size` values for sorted ones.
fn table(sorted: &[f32], size: usize) -> Vec<f32> {
    let mut distinct = sorted.to_vec();
    distinct.dedup();
    if distinct.len() <= size {
        let last = distinct.last().copied().unwrap_or(0.0);
        distinct.resize(size, last);
        return distinct;
    }
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    sums.extend(sorted.iter().map(|&value| {
        sum += f64::from(value);
        sum
    }));
    let mean = |from: usize, to: usize| ((sums[to] - sums[from]) / (to - from) as f64) as f32;
    let mut centres: Vec<f32> = (0..size)
        .map(|bin| mean(bin * sorted.len() / size, (bin + 1) * sorted.len() / size))
        .collect();
    for _ in 0..ROUNDS {
        let mut from = 0;
        for bin in 0..size {
            let to = match centres.get(bin + 1) {
                Some(&next) => {
                    let middle = (centres[bin] + next) / 2.0;
                    from + sorted[from..].partition_point(|&value| value < middle)
                }
                None => sorted.len(),
            };
            if from < to {
                centres[bin] = mean(from, to);
            }
            from = to;
        }
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn few_values_are_exact() {
        let values = [-1.5, -0.25, -0.25, 0.0, -7.0];
        let codes = Codes::new(&[&values, &[-2.0]], None);
        assert_eq!(codes.bits, 2);
        for value in values {
            assert_eq!(codes.tables[0][codes.of(0, value) as usize], value);
        }
        assert_eq!(codes.tables[1][codes.of(1, -2.0) as usize], -2.0);
    }

    proptest! {
        #[test]
        fn codes_name_the_nearest_of_better_values_than_equal_bins(values in prop::collection::vec(-8.0f32..0.0, 40..400)) {
            let codes = Codes::new(&[&values], Some(3));
            prop_assert_eq!(codes.bits, 3);
            let table = &codes.tables[0];
            prop_assert!(table.is_sorted());
            let mut error = 0.0;
            for &value in &values {
                let chosen = (value - table[codes.of(0, value) as usize]).abs();
                prop_assert!(table.iter().all(|entry| (value - entry).abs() >= chosen));
                error += f64::from(chosen).powi(2);
            }
            let mut sorted = values.clone();
            sorted.sort_by(f32::total_cmp);
            let bins = (0..8).map(|bin| &sorted[bin * sorted.len() / 8..(bin + 1) * sorted.len() / 8]);
            let plain: f64 = bins
                .map(|bin| {
                    let mean = bin.iter().sum::<f32>() / bin.len() as f32;
                    bin.iter().map(|value| f64::from(value - mean).powi(2)).sum::<f64>()
                })
                .sum();
            prop_assert!(error <= plain + 1e-6, "{} against {}", error, plain);
        }
    }
}
