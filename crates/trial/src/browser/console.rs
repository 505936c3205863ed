//! What a page says on its console, kept with its time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Lines kept; beyond it the oldest go. Element Call writes some hundreds in a call of a few
/// minutes. The level `debug` is left out: there every request is told twice.
const LINES_MAX: usize = 5000;

/// Characters kept of a line: enough for an error with its stack.
const LINE_CHARS_MAX: usize = 2000;

/// One line of a page's console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was said: milliseconds since 1970.
    pub at_ms: u64,
    /// `info`, `log`, `warning`, `error`, or `uncaught` for an exception that nobody caught.
    pub level: String,
    /// Its words, separated by blanks.
    pub text: String,
}

/// The last lines of one page and the frames in it.
#[derive(Debug, Default)]
pub(super) struct Console(Mutex<VecDeque<Line>>);

impl Console {
    /// The lines so far, oldest first.
    pub(super) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Keeps an event of the page's, if it is one of the console's.
    pub(super) fn take(&self, method: &str, params: &Value) {
        let line = match method {
            "Runtime.consoleAPICalled" if params["type"] != "debug" => said(params),
            "Runtime.exceptionThrown" => thrown(params),
            _ => return,
        };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

fn said(params: &Value) -> Line {
    let words = params["args"].as_array().map(Vec::as_slice).unwrap_or_default();
    let words = words.iter().map(|word| match (&word["value"], &word["description"]) {
        (Value::String(text), _) | (Value::Null, Value::String(text)) => text.clone(),
        (value, _) => value.to_string(),
    });
    line(params, params["type"].as_str().unwrap_or("log"), &words.collect::<Vec<_>>().join(" "))
}

fn thrown(params: &Value) -> Line {
    let details = &params["exceptionDetails"];
    let text = details["exception"]["description"].as_str().or(details["text"].as_str());
    line(params, "uncaught", text.unwrap_or_default())
}

fn line(params: &Value, level: &str, text: &str) -> Line {
    Line {
        at_ms: params["timestamp"].as_f64().unwrap_or_default() as u64,
        level: level.to_owned(),
        text: text.chars().take(LINE_CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_joined_and_objects_described() {
        let console = Console::default();
        let words = json!({ "type": "string", "value": "Encryption error for" });
        let object = json!({ "type": "object", "description": "Error: MissingKey" });
        let args = json!([words, object]);
        console.take(
            "Runtime.consoleAPICalled",
            &json!({ "type": "warning", "args": args, "timestamp": 1_700_000_000_123.4 }),
        );
        let line = Line {
            at_ms: 1_700_000_000_123,
            level: "warning".to_owned(),
            text: "Encryption error for Error: MissingKey".to_owned(),
        };
        assert_eq!(console.lines(), [line]);
    }

    #[test]
    fn the_oldest_lines_go() {
        let console = Console::default();
        for number in 0..=LINES_MAX {
            console.take("Runtime.consoleAPICalled", &json!({ "args": [{ "value": number }] }));
        }
        let lines = console.lines();
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(lines[0].text, "1");
    }
}
