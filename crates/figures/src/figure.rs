//! One figure as it is printed.

use serde::Serialize;

/// A measured value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Its name; what follows a `/` is a part of it.
    #[serde(rename = "figure")]
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// What we want it to be, at most.
    pub(crate) aim: Option<f64>,
    /// What it is compared with in the same run, where there is something.
    pub(crate) baseline: Option<f64>,
    pub(crate) runs: usize,
}

impl Figure {
    pub(crate) fn new(name: &str, value: f64, unit: &'static str, aim: Option<f64>) -> Self {
        let value = (value * 10.0).round() / 10.0;
        Self { name: name.to_owned(), value, unit, aim, baseline: None, runs: 1 }
    }

    /// The value below which 95 of 100 samples lie, and their median as a part.
    pub(crate) fn p95(name: &str, samples: &[f64], unit: &'static str, aim: f64) -> [Self; 2] {
        let runs = samples.len();
        let at = |share| quantile(samples, share);
        [
            Self { runs, ..Self::new(name, at(0.95), unit, Some(aim)) },
            Self { runs, ..Self::new(&format!("{name}/median"), at(0.5), unit, None) },
        ]
    }

    /// The name without the part.
    pub(crate) fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// A row of the table.
    pub(crate) fn row(&self) -> String {
        let aim = self.aim.map(|aim| format!("≤ {aim} {}", self.unit)).unwrap_or_default();
        format!("| {} | {} {} | {aim} | {} |", self.name, self.value, self.unit, self.runs)
    }
}

/// The smallest sample that at least that share of all does not exceed (nearest rank).
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_samples() {
        let samples: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        for (share, expected) in [(0.95, 19.0), (0.5, 10.0), (1.0, 20.0)] {
            assert!((quantile(&samples, share) - expected).abs() < f64::EPSILON);
        }
        assert!(quantile(&[], 0.5).is_nan());
    }
}
