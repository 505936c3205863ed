//! Speech by a program of the operator's: text in, sound out.

use std::{io::Cursor, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::resolve::Source;
use crate::command::Title;

/// How long the program may take for one text.
const SPEAK_WITHIN: Duration = Duration::from_secs(20);
/// The most sound taken from it: three minutes of 16-bit stereo at 48 kHz are 33 MiB, and nobody
/// listens to a longer speech.
const OUTPUT_MAX: u64 = 32 << 20;

/// Why a text is not spoken. The operator has to look at the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpeechError {
    /// It cannot be started.
    #[error("the program for speech cannot be started")]
    NotStarted(#[source] std::io::Error),
    /// It could not be spoken to.
    #[error("the program for speech broke off")]
    Broken(#[source] std::io::Error),
    /// It took too long.
    #[error("the program for speech took longer than {SPEAK_WITHIN:?}")]
    TooSlow,
    /// It ended with an error.
    #[error("the program for speech failed: {0}")]
    Failed(std::process::ExitStatus),
    /// It made more sound than any text needs.
    #[error("the program for speech made more than {} MiB", OUTPUT_MAX >> 20)]
    TooMuch,
}

/// Has a text spoken: the program reads it from its standard input, and writes sound of any format
/// to its standard output. It runs without a shell, and without our environment.
///
/// Cancel-safe: the program is ended with the future.
///
/// # Errors
/// [`SpeechError`].
pub(crate) async fn speak(command: &[String], text: &str) -> Result<Source, SpeechError> {
    let [program, arguments @ ..] = command else {
        return Err(SpeechError::NotStarted(std::io::ErrorKind::NotFound.into()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(SpeechError::NotStarted)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let work = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                // A program that does not want all of it may close its input.
                drop(stdin.write_all(text.as_bytes()).await);
            }
        };
        let mut sound = Vec::new();
        let read = async {
            match stdout {
                Some(stdout) => stdout.take(OUTPUT_MAX + 1).read_to_end(&mut sound).await,
                None => Ok(0),
            }
        };
        let ((), read) = tokio::join!(write, read);
        read.map_err(SpeechError::Broken)?;
        if sound.len() as u64 > OUTPUT_MAX {
            return Err(SpeechError::TooMuch);
        }
        let status = child.wait().await.map_err(SpeechError::Broken)?;
        if status.success() { Ok(sound) } else { Err(SpeechError::Failed(status)) }
    };
    let sound = timeout(SPEAK_WITHIN, work).await.map_err(|_| SpeechError::TooSlow)??;
    Ok(Source::of_media(Title::new("speech"), Box::new(Cursor::new(sound))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn the_text_goes_in_and_the_sound_comes_out() {
        let mut source = speak(&command(&["cat"]), "RIFF").await.unwrap();
        let mut sound = String::new();
        tokio::task::spawn_blocking(move || {
            std::io::Read::read_to_string(&mut source.media, &mut sound).unwrap();
            assert_eq!(sound, "RIFF");
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_program_that_fails_or_is_missing_is_told() {
        let failed = speak(&command(&["false"]), "x").await;
        assert!(matches!(failed, Err(SpeechError::Failed(_))));
        let missing = speak(&command(&["/nonexistent/speaker"]), "x").await;
        assert!(matches!(missing, Err(SpeechError::NotStarted(_))));
        let endless = speak(&command(&["cat", "/dev/zero"]), "x").await;
        assert!(matches!(endless, Err(SpeechError::TooMuch)));
    }
}
