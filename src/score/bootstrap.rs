//! Bootstrap confidence intervals of error rates and of their differences (Bisani & Ney 2004,
//! "Bootstrap estimates for confidence intervals in ASR performance evaluation").

use rand::Rng;
use rand_pcg::Pcg32;
use rayon::prelude::*;
use serde::Serialize;

/// How the utterances are resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// How many times.
    pub replicates: usize,
    /// Seed of the generator; the same seed gives the same numbers on any number of threads.
    pub seed: u64,
}

/// The probability mass that an interval covers.
pub const LEVEL: f64 = 0.95;

/// A confidence interval of [`LEVEL`], by the percentile method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Is one system better than another on the same utterances? A paired bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedBootstrap {
    /// Error rate of the first system minus that of the second; negative if the first is better.
    pub difference: f64,
    /// Its interval.
    pub interval: Interval,
    /// Share of replicates in which the first system is better ("probability of improvement",
    /// ties count half).
    pub better: f64,
    /// Two-sided p-value: twice the smaller of the shares of replicates with a difference of at
    /// most and of at least 0, at most 1.
    pub p_value: f64,
}

impl Bootstrap {
    /// The interval of `Σ errors / Σ items` for utterances of `(errors, items)`; `None` without
    /// utterances or replicates.
    pub fn interval(self, utterances: &[(u64, u64)]) -> Option<Interval> {
        let rows: Vec<_> = utterances
            .iter()
            .map(|&(errors, items)| [errors, items])
            .collect();
        let rates = self
            .resample(&rows)
            .into_iter()
            .map(|[errors, items]| rate(errors, items));
        percentile_interval(rates.collect())
    }

    /// Compares two systems: utterances are `(errors of the first, errors of the second, items)`.
    /// `None` without utterances or replicates.
    pub fn paired(self, utterances: &[(u64, u64, u64)]) -> Option<PairedBootstrap> {
        let rows: Vec<_> = utterances
            .iter()
            .map(|&(a, b, items)| [a, b, items])
            .collect();
        // Each replicate's sign is that of the difference of integer counts: exact.
        let sums = self.resample(&rows);
        let share = |wanted: fn(u64, u64) -> bool| {
            sums.iter().filter(|[a, b, _]| wanted(*a, *b)).count() as f64 / sums.len() as f64
        };
        let (below, above) = (share(|a, b| a < b), share(|a, b| a > b));
        let difference = |[a, b, items]: &[u64; 3]| rate(*a, *items) - rate(*b, *items);
        let total = rows.iter().fold([0; 3], add);
        Some(PairedBootstrap {
            interval: percentile_interval(sums.iter().map(difference).collect())?,
            difference: difference(&total),
            better: below + (1.0 - below - above) / 2.0,
            p_value: (2.0 * (1.0 - above).min(1.0 - below)).min(1.0),
        })
    }

    /// The column sums of rows drawn with replacement, as many as there are, for each replicate.
    /// Every replicate has its own stream of the generator.
    fn resample<const K: usize>(self, rows: &[[u64; K]]) -> Vec<[u64; K]> {
        if rows.is_empty() {
            return Vec::new();
        }
        let count = rows.len() as u64;
        let replicate = |index: u64| {
            let mut rng = Pcg32::new(self.seed, index);
            let mut draw = || (u64::from(rng.next_u32()) * count) >> 32;
            (0..count).fold([0; K], |sum, _| add(sum, &rows[draw() as usize]))
        };
        (0..self.replicates as u64)
            .into_par_iter()
            .map(replicate)
            .collect()
    }
}

fn add<const K: usize>(sum: [u64; K], row: &[u64; K]) -> [u64; K] {
    std::array::from_fn(|k| sum[k] + row[k])
}

fn rate(errors: u64, items: u64) -> f64 {
    errors as f64 / items.max(1) as f64
}

/// The interval between the percentiles of a sample, interpolated linearly between its members.
fn percentile_interval(mut sample: Vec<f64>) -> Option<Interval> {
    sample.sort_by(f64::total_cmp);
    let last = sample.len().checked_sub(1)?;
    let percentile = |share: f64| {
        let position = share * last as f64;
        let (below, fraction) = (position.floor() as usize, position.fract());
        let above = (below + 1).min(last);
        sample[below] + fraction * (sample[above] - sample[below])
    };
    let tail = (1.0 - LEVEL) / 2.0;
    Some(Interval {
        low: percentile(tail),
        high: percentile(1.0 - tail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap {
        replicates: 20_000,
        seed: 7,
    };

    /// 100 utterances of one word, 30 of them wrong: the resampled count of errors is binomial,
    /// whose 2.5% and 97.5% quantiles are 21 and 39.
    #[test]
    fn the_interval_of_single_words_is_the_binomial_one() {
        let utterances: Vec<_> = (0..100).map(|i| (u64::from(i < 30), 1)).collect();
        let interval = BOOTSTRAP.interval(&utterances).unwrap();
        assert!((interval.low - 0.21).abs() < 1e-9, "{interval:?}");
        assert!((interval.high - 0.39).abs() < 1e-9, "{interval:?}");
    }

    #[test]
    fn longer_utterances_weigh_more() {
        let interval = BOOTSTRAP.interval(&[(0, 1), (99, 99)]).unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 1.0));
        let one = BOOTSTRAP.interval(&[(1, 4)]).unwrap();
        assert_eq!((one.low, one.high), (0.25, 0.25));
    }

    /// A better than B by one error in one of two utterances: a replicate differs unless it draws
    /// the other one twice (1 in 4), so A is better in 3 of 4 and equal in 1 of 4.
    #[test]
    fn the_paired_bootstrap_counts_replicates_in_which_one_system_is_better() {
        let paired = BOOTSTRAP.paired(&[(0, 1, 2), (1, 1, 2)]).unwrap();
        assert_eq!(paired.difference, -0.25);
        assert!((paired.better - 0.875).abs() < 0.01, "{paired:?}");
        assert!((paired.p_value - 0.5).abs() < 0.02, "{paired:?}");
        assert_eq!((paired.interval.low, paired.interval.high), (-0.5, 0.0));

        let same = BOOTSTRAP.paired(&[(1, 1, 2), (0, 0, 5)]).unwrap();
        assert_eq!(
            (same.difference, same.better, same.p_value),
            (0.0, 0.5, 1.0)
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_on_any_number_of_threads() {
        let utterances: Vec<_> = (0..50).map(|i| (i % 3, 5 + i % 7)).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| BOOTSTRAP.interval(&utterances))
        };
        assert_eq!(on(1), on(3));
        let other = Bootstrap {
            seed: 8,
            ..BOOTSTRAP
        };
        assert_ne!(on(1), other.interval(&utterances));
    }

    #[test]
    fn without_utterances_or_replicates_there_is_no_interval() {
        assert_eq!(BOOTSTRAP.interval(&[]), None);
        assert_eq!(
            Bootstrap {
                replicates: 0,
                seed: 0
            }
            .interval(&[(1, 2)]),
            None
        );
        assert_eq!(BOOTSTRAP.paired(&[]), None);
    }
}
