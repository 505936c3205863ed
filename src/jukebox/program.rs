//! Helper programs: what is behind links that are no music themselves, as the operator's own programs
//! find out.
//!
//! A program is run without a shell, with the link as its last argument, and says on standard output,
//! a line each: `title TEXT` and `duration SECONDS` about the link that follows, `link ADDRESS`,
//! `error SENTENCE`. What it prints is no more trusted than any link.

use std::{
    env, io,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, copy, sink},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};
use tracing::debug;
use url::Url;

use super::playlist::{Entry, ITEMS_MAX};
use crate::{command::Title, config};

/// How many programs run at once.
const AT_ONCE: usize = 4;
/// How much a program may print, in bytes.
const OUTPUT_MAX: usize = 64 * 1024;
/// How much of its standard error is logged, in bytes.
const STDERR_MAX: usize = 4 * 1024;

/// Why a program finds nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    /// As many run as may. Later helps.
    #[error("{AT_ONCE} helper programs are at work")]
    Busy,
    /// It cannot be started. The operator has to look at `programs`.
    #[error("cannot start the helper program {program:?} for {host}")]
    NotStarted {
        /// The program.
        program: String,
        /// The host of the link.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// It did not end in time.
    #[error("the helper program for {host} took longer than {limit:?}")]
    TooSlow {
        /// The host of the link.
        host: String,
        /// The setting.
        limit: Duration,
    },
    /// It printed more than any answer takes, or could not be read.
    #[error("the helper program for {host} printed more than {OUTPUT_MAX} bytes")]
    TooMuch {
        /// The host of the link.
        host: String,
    },
    /// It said itself what is wrong.
    #[error("the helper program says: {what}")]
    Says {
        /// Its words.
        what: Title,
    },
    /// It ended without a link.
    #[error("the helper program for {host} found no link ({status})")]
    Nothing {
        /// The host of the link.
        host: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// Waiting for it failed.
    #[error("the helper program for {host} was lost")]
    Lost {
        /// The host of the link.
        host: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The programs of the settings. Clones share their limit.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    programs: Arc<[config::Program]>,
    permits: Arc<Semaphore>,
}

impl Programs {
    /// Runs these, each for the links of its pattern.
    pub(super) fn new(programs: &[config::Program]) -> Self {
        Self { programs: programs.into(), permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The first program that is meant for a link.
    pub(super) fn of(&self, url: &Url) -> Option<&config::Program> {
        self.programs.iter().find(|program| fits(&program.pattern, url))
    }

    /// Asks a program about a link: what it found, at least one.
    ///
    /// # Errors
    /// [`ProgramError`]. Cancel-safe: the program and all that it started are killed.
    pub(super) async fn ask(
        &self,
        program: &config::Program,
        url: &Url,
    ) -> Result<Vec<Entry>, ProgramError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let _permit = self.permits.try_acquire().map_err(|_| ProgramError::Busy)?;
        let mut running = Running::start(program, url).map_err(|source| {
            let program = program.command.first().cloned().unwrap_or_default();
            ProgramError::NotStarted { program, host: host.clone(), source }
        })?;
        let limit = program.timeout;
        let Ok(ended) = timeout(limit, running.end()).await else {
            return Err(ProgramError::TooSlow { host, limit });
        };
        let Ended { output, errors, status } =
            ended.map_err(|source| ProgramError::Lost { host: host.clone(), source })?;
        if !errors.is_empty() {
            debug!(%host, %status, errors = %String::from_utf8_lossy(&errors), "a program complains");
        }
        if output.len() > OUTPUT_MAX {
            return Err(ProgramError::TooMuch { host });
        }
        match read(&String::from_utf8_lossy(&output)) {
            (_, Some(what)) => Err(ProgramError::Says { what }),
            (entries, None) if entries.is_empty() => Err(ProgramError::Nothing { host, status }),
            (entries, None) => Ok(entries),
        }
    }
}

/// A program at work, in a process group of its own. Dropping it kills the group.
struct Running {
    child: Child,
    /// `None` once it has ended.
    group: Option<Pid>,
}

/// What came of a program.
struct Ended {
    output: Vec<u8>,
    errors: Vec<u8>,
    status: ExitStatus,
}

impl Running {
    fn start(program: &config::Program, url: &Url) -> io::Result<Self> {
        let (name, arguments) = program.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let kept = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
        let child = Command::new(name)
            .args(arguments)
            .arg(url.as_str())
            .env_clear()
            .envs(kept)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self { child, group: id.and_then(Pid::from_raw) })
    }

    /// Waits for its end. One byte more than is allowed is kept of what it prints.
    async fn end(&mut self) -> io::Result<Ended> {
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (output, errors) = tokio::try_join!(
            // A program that prints on and on is not waited for.
            first(stdout, OUTPUT_MAX + 1, false),
            first(stderr, STDERR_MAX, true)
        )?;
        if output.len() > OUTPUT_MAX {
            self.kill();
        }
        let status = self.child.wait().await?;
        self.group = None;
        Ok(Ended { output, errors, status })
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The first bytes of a pipe; the rest is read and forgotten, or left.
async fn first(
    pipe: Option<impl AsyncRead + Unpin>,
    bytes_max: usize,
    reads_on: bool,
) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(bytes_max as u64).read_to_end(&mut bytes).await?;
        if reads_on {
            copy(&mut pipe, &mut sink()).await?;
        }
    }
    Ok(bytes)
}

/// What a program printed: links with what was said before each, and what it says is wrong.
fn read(output: &str) -> (Vec<Entry>, Option<Title>) {
    let (mut entries, mut wrong) = (Vec::new(), None);
    let (mut title, mut duration) = (None, None);
    for line in output.lines() {
        let (word, said) = line.trim().split_once(char::is_whitespace).unwrap_or_default();
        let said = said.trim();
        match word {
            "title" => title = Some(Title::new(said)),
            "duration" => duration = said.parse().ok().and_then(seconds),
            "link" => {
                let url = Url::parse(said).ok();
                let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
                let (title, duration) = (title.take(), duration.take());
                if entries.len() < ITEMS_MAX {
                    entries.extend(url.map(|url| Entry { url, title, duration }));
                }
            }
            "error" => wrong = Some(Title::new(said)),
            // Programs say more than they are asked.
            _ => {}
        }
    }
    (entries, wrong)
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

/// Whether a pattern is meant for a link: it is compared with `host` or, if it has a slash, with
/// `host/path`. A `*` stands for any text; `*.` at its beginning for nothing too.
fn fits(pattern: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let pattern = pattern.to_lowercase();
    let link = if pattern.contains('/') {
        format!("{host}{}", url.path()).to_lowercase()
    } else {
        host.to_lowercase()
    };
    glob(&pattern, &link) || pattern.strip_prefix("*.").is_some_and(|bare| glob(bare, &link))
}

/// Whether a text is that of a pattern, where `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::*;

    #[test]
    fn patterns_are_hosts_with_or_without_a_path() {
        for (pattern, link, expected) in [
            ("video.example", "https://video.example/watch?v=1", true),
            ("video.example", "https://www.video.example/watch", false),
            ("*.video.example", "https://www.video.example/", true),
            ("*.video.example", "https://video.example/", true),
            ("*.video.example", "https://evilvideo.example/", false),
            ("video.example", "https://evil.example/?video.example", false),
            ("Video.Example/watch*", "https://video.example/watch?v=1", true),
            ("video.example/watch*", "https://video.example/about", false),
            ("video.example/*/song", "https://video.example/a/b/song", true),
            ("*", "https://any.example/", true),
        ] {
            assert_eq!(fits(pattern, &link.parse().unwrap()), expected, "{pattern} {link}");
        }
    }

    #[test]
    fn what_a_program_prints_is_read_line_by_line() {
        let (entries, wrong) = read(
            "title One\u{202e}\nduration 61.5\nlink https://a.example/1\nchatter\n\
             link file:///etc/passwd\nlink https://a.example/2\n",
        );
        assert_eq!(wrong, None);
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].title, Some(Title::new("One")));
        assert_eq!(entries[0].duration, Some(Duration::from_millis(61_500)));
        assert_eq!((entries[1].title.as_ref(), entries[1].duration), (None, None));
        assert_eq!(read("error not here\n").1, Some(Title::new("not here")));
    }

    #[tokio::test]
    async fn a_program_gets_the_link_as_one_argument_and_little_else() {
        let script = "test -z \"$SECRET$(cat)\" && echo title $# && echo \"link $1\"";
        // It stands for whatever secret the bot's own environment holds.
        let link = "https://v.example/a?b=1&c=$(id);'x'";
        let entries = ask(script, Duration::from_secs(10), link).await.unwrap();
        assert_eq!(entries[0].url.as_str(), url(link).as_str());
        assert_eq!(entries[0].title, Some(Title::new("1")));
    }

    #[tokio::test]
    async fn the_environment_is_cleared_but_for_the_way_to_programs() {
        let names = "env | cut -d= -f1 | grep -vE '^(PATH|HOME|PWD|SHLVL|_|OLDPWD)$' | head -1";
        let script = format!("echo \"error left: $({names})\"");
        let error = ask(&script, Duration::from_secs(10), "https://v.example/").await.unwrap_err();
        assert_eq!(error.to_string(), "the helper program says: left:");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let error = ask(&script, Duration::from_secs(1), "https://v.example/").await.unwrap_err();
        assert!(matches!(error, ProgramError::TooSlow { .. }), "{error}");
        let child: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        // The kernel takes a moment to put it away; whoever inherited it takes another.
        let is_alive = || {
            let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            !(state.is_empty() || state.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(10);
        while is_alive() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!is_alive());
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_killed() {
        let error = ask("yes title x", Duration::from_secs(20), "https://v.example/");
        let error = error.await.unwrap_err();
        assert!(matches!(error, ProgramError::TooMuch { .. }), "{error}");
    }

    #[tokio::test]
    async fn what_a_program_does_wrong_is_told() {
        let limit = Duration::from_secs(10);
        let error = ask("exit 3", limit, "https://v.example/").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the helper program for v.example found no link (exit status: 3)"
        );
        let missing = config::Program {
            pattern: "*".to_owned(),
            command: vec!["/nonexistent/program".to_owned()],
            timeout: limit,
        };
        let programs = Programs::new(std::slice::from_ref(&missing));
        let error = programs.ask(&missing, &url("https://v.example/")).await.unwrap_err();
        assert!(matches!(error, ProgramError::NotStarted { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_fifth_program_is_not_started() {
        let program = shell("sleep 1000", Duration::from_millis(300));
        let programs = Programs::new(std::slice::from_ref(&program));
        let link = url("https://v.example/");
        let asked = || programs.ask(&program, &link);
        let (a, b, c, d, fifth) = tokio::join!(asked(), asked(), asked(), asked(), asked());
        assert!(matches!(fifth, Err(ProgramError::Busy)));
        for slow in [a, b, c, d] {
            assert!(matches!(slow, Err(ProgramError::TooSlow { .. })));
        }
    }

    async fn ask(script: &str, limit: Duration, link: &str) -> Result<Vec<Entry>, ProgramError> {
        let program = shell(script, limit);
        Programs::new(std::slice::from_ref(&program)).ask(&program, &url(link)).await
    }

    fn shell(script: &str, timeout: Duration) -> config::Program {
        let command = ["sh", "-c", script, "program"].map(str::to_owned).into();
        config::Program { pattern: "*".to_owned(), command, timeout }
    }

    fn url(link: &str) -> Url {
        link.parse().unwrap()
    }
}
