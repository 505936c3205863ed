//! The log: what the operator reads. It goes to standard error.

use std::{
    error::Error,
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::config::{LogFormat, Logging};

/// Why the log could not be started; the operator has to change a setting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoggingError {
    /// The filter is not made of directives; the source names the one.
    #[error("the setting `logging.filter` cannot be used; an example is \"warn,phonograph=debug\"")]
    Filter(#[source] ParseError),
    /// Something else in this process has taken the log already.
    #[error("the log is in use already")]
    Taken(#[source] Box<dyn Error + Send + Sync>),
}

/// Starts the log for the whole process.
///
/// # Errors
/// [`LoggingError`] if the filter cannot be read, or at a second call.
pub(crate) fn start(settings: &Logging) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(&settings.filter).map_err(LoggingError::Filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match settings.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(LoggingError::Taken)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_default_filter_shows_what_our_crates_do_and_what_worries_others() {
        let filter = EnvFilter::try_new(Logging::default().filter).unwrap();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().finish();
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(target: "phonograph_call::driver", Level::INFO));
            assert!(!tracing::enabled!(target: "phonograph::room", Level::DEBUG));
            assert!(tracing::enabled!(target: "somebody_else", Level::WARN));
            assert!(!tracing::enabled!(target: "somebody_else", Level::INFO));
        });
    }

    #[test]
    fn a_filter_that_is_none_is_named_with_an_example() {
        let settings = Logging { filter: "phonograph=loud".to_owned(), ..Logging::default() };
        let error = start(&settings).unwrap_err();
        assert!(error.to_string().contains("`logging.filter`"));
    }
}
