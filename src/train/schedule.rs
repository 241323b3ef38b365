//! Learning-rate schedules.

use serde::{Deserialize, Serialize};

use super::{ScheduleConfig, ScheduleKind};

/// A schedule and what it remembers: the plateau schedule keeps the best dev figure and the factor
/// reached. It is part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    config: ScheduleConfig,
    best: Option<f64>,
    factor: f64,
}

impl Schedule {
    /// A schedule at its start.
    pub fn new(config: ScheduleConfig) -> Self {
        Self {
            config,
            best: None,
            factor: 1.0,
        }
    }

    /// What the learning rate is multiplied by at optimiser step `step` (from 0) when the fraction
    /// `progress` of the run, in [0, 1], is done.
    pub fn multiplier(&self, step: u64, progress: f64) -> f64 {
        let config = &self.config;
        let warmup = if step < config.warmup_steps {
            (step + 1) as f64 / config.warmup_steps as f64
        } else {
            1.0
        };
        let shape = match config.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Plateau => self.factor,
            ScheduleKind::Cosine if progress < config.hold || config.hold >= 1.0 => 1.0,
            ScheduleKind::Cosine => {
                let fallen = (progress - config.hold) / (1.0 - config.hold);
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * fallen.min(1.0)).cos());
                cosine.max(config.floor)
            }
        };
        warmup * shape
    }

    /// Tells the schedule an epoch's dev figure (smaller is better).
    pub fn observe(&mut self, figure: f64) {
        let improved = self
            .best
            .is_none_or(|best| figure < best * (1.0 - self.config.threshold));
        if !improved && self.config.kind == ScheduleKind::Plateau {
            self.factor *= self.config.factor;
        }
        if self.best.is_none_or(|best| figure < best) {
            self.best = Some(figure);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind, warmup_steps: u64) -> Schedule {
        Schedule::new(ScheduleConfig {
            kind,
            warmup_steps,
            ..ScheduleConfig::default()
        })
    }

    #[test]
    fn warm_up_rises_linearly_to_one() {
        let schedule = schedule(ScheduleKind::Constant, 4);
        let rates: Vec<f64> = (0..6).map(|step| schedule.multiplier(step, 0.0)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn cosine_holds_then_falls_to_its_floor() {
        let schedule = schedule(ScheduleKind::Cosine, 0);
        assert_eq!(schedule.multiplier(9, 0.29), 1.0);
        assert!((schedule.multiplier(9, 0.65) - 0.5).abs() < 1e-12);
        assert_eq!(schedule.multiplier(9, 1.0), 0.01);
    }

    #[test]
    fn plateau_halves_only_when_the_figure_stalls() {
        let mut schedule = schedule(ScheduleKind::Plateau, 0);
        for (figure, expected) in [
            (10.0, 1.0),
            (9.0, 1.0),
            (9.0, 0.5),
            (8.99, 0.25),
            (7.0, 0.25),
        ] {
            schedule.observe(figure);
            assert_eq!(schedule.multiplier(0, 0.5), expected, "after {figure}");
        }
    }
}
