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
    /// What we want it to be.
    pub(crate) aim: Option<f64>,
    /// Whether it is to be at least that, and not at most.
    pub(crate) at_least: bool,
    /// What it is compared with in the same run, where there is something.
    pub(crate) baseline: Option<f64>,
    pub(crate) runs: usize,
}

impl Figure {
    /// A value that is to be at most so much.
    pub(crate) fn new(name: &str, value: f64, unit: &'static str, aim: Option<f64>) -> Self {
        let value = rounded(value);
        let (name, at_least) = (name.to_owned(), false);
        Self { name, value, unit, aim, at_least, baseline: None, runs: 1 }
    }

    /// A value that is to be at least so much.
    pub(crate) fn at_least(name: &str, value: f64, unit: &'static str, aim: f64) -> Self {
        Self { at_least: true, ..Self::new(name, value, unit, Some(aim)) }
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
        let sign = if self.at_least { '≥' } else { '≤' };
        let with_unit = |value: f64| format!("{value} {}", self.unit).trim_end().to_owned();
        let aim = self.aim.map(|aim| format!("{sign} {}", with_unit(aim))).unwrap_or_default();
        format!("| {} | {} | {aim} | {} |", self.name, with_unit(self.value), self.runs)
    }
}

/// One digit behind the point, and where that would be too few for three digits, more.
fn rounded(value: f64) -> f64 {
    let digits = if value.abs() < 0.1 {
        4
    } else if value.abs() < 10.0 {
        2
    } else {
        1
    };
    let shift = 10_f64.powi(digits);
    (value * shift).round() / shift
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

    #[test]
    fn a_row_says_on_which_side_of_its_aim_a_value_is_to_be() {
        let low = Figure::new("cost", 0.012_34, "", Some(0.02));
        assert_eq!(low.row(), "| cost | 0.0123 | ≤ 0.02 | 1 |");
        let high = Figure::at_least("rate", 1.987, "million/s", 1.5);
        assert_eq!(high.row(), "| rate | 1.99 million/s | ≥ 1.5 million/s | 1 |");
    }
}
