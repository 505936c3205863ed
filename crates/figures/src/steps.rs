//! What the time is made of, by the bot's own log: the call library says how long each step took.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::figure::{Figure, quantile};

/// The median of every step in a log of JSON lines, as parts of one figure.
pub(crate) fn medians(log: &str, name: &str) -> Vec<Figure> {
    let mut steps = BTreeMap::<String, Vec<f64>>::new();
    for line in log.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        if let (Some(step), Some(took)) = (line["step"].as_str(), line["took_ms"].as_f64()) {
            steps.entry(step.to_owned()).or_default().push(took);
        }
    }
    let figure = |(step, samples): (String, Vec<f64>)| {
        let name = format!("{name}/{}", step.replace(' ', "_"));
        let runs = samples.len();
        Figure { runs, ..Figure::new(&name, quantile(&samples, 0.5), "ms", None) }
    };
    steps.into_iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_the_log_and_other_lines_left_out() {
        let log = "not json\n{\"step\":\"send key\",\"took_ms\":3.5}\n{\"message\":\"x\"}";
        let figures = medians(log, "steps");
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].row(), "| steps/send_key | 3.5 ms |  | 1 |");
    }
}
