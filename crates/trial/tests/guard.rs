//! Servers of a trial: looked after while we live, and gone when we are.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use phonograph_trial::guard::{self, Error, Program, Server};

/// Tells the parent's run of the test below from the test's own.
const PARENT: &str = "PHONOGRAPH_TRIAL_TEST_PARENT";

/// The guard needs a second for a server that is deaf to TERM; a busy machine needs more.
const GONE_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn nothing_outlives_a_process_that_is_killed() {
    if std::env::var_os(PARENT).is_some() {
        be_the_parent();
    }
    let mut parent = Command::new(std::env::current_exe().expect("this test's executable"))
        .args(["--exact", "nothing_outlives_a_process_that_is_killed", "--nocapture"])
        .env(PARENT, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a parent");
    let (servers, folder) = told(&mut parent);
    assert_eq!(servers.len(), 3);
    assert!(servers.iter().all(|id| runs(*id)) && folder.exists());

    parent.kill().expect("it can be killed");
    let status = parent.wait().expect("it ends");

    assert_eq!(status.signal(), Some(9));
    wait_until("the servers are gone", || !servers.iter().any(|id| runs(*id)));
    wait_until("their folder is gone", || !folder.exists());
}

#[tokio::test]
async fn a_server_that_ends_is_reported_with_its_last_lines() {
    let folder = guard::folder("test").expect("a folder");
    let mut server = shell(folder.path(), "echo first; echo the port is taken >&2; exit 3");

    let error = server.wait_until(GONE_WITHIN, async || false).await.expect_err("it ended");

    let Error::Ended { status, tail, .. } = error else { panic!("{error}") };
    assert_eq!(status.code(), Some(3));
    assert_eq!(tail, "first\nthe port is taken");
}

#[tokio::test]
async fn a_server_that_never_answers_is_reported_after_the_limit() {
    let folder = guard::folder("test").expect("a folder");
    let mut server = shell(folder.path(), "echo waiting; sleep 60");
    wait_until("it has said so", || server.tail() == "waiting");

    let limit = Duration::from_millis(50);
    let error = server.wait_until(limit, async || false).await.expect_err("no answer");

    assert!(matches!(error, Error::NoAnswer { tail, .. } if tail == "waiting"));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_reported_with_the_shells_complaint() {
    let folder = guard::folder("test").expect("a folder");
    let program = Program {
        path: "/nowhere/server".into(),
        folder: folder.path().to_owned(),
        ..Program::default()
    };
    let mut server =
        Server::start("nothing", program, folder.path().join("log")).expect("the gate starts");

    let error = server.wait_until(GONE_WITHIN, async || false).await.expect_err("it ended");

    assert!(error.to_string().contains("/nowhere/server"), "{error}");
}

#[tokio::test]
async fn a_server_can_be_frozen_thawed_killed_and_started_again() {
    let folder = guard::folder("test").expect("a folder");
    let mut server = shell(folder.path(), "echo up; sleep 60");
    let first = server.id().expect("it runs");
    wait_until("it has said so", || server.tail() == "up");

    server.freeze().expect("it can be frozen");
    wait_until("it stands still", || state(first) == Some('T'));
    server.thaw().expect("it can be thawed");
    wait_until("it goes on", || state(first) != Some('T'));
    server.kill().expect("it can be killed");
    assert!(server.id().is_none() && !runs(first));

    server.restart().await.expect("it starts again");
    assert_ne!(server.id(), Some(first));
    wait_until("it has said so twice", || server.tail() == "up\nup");
}

#[tokio::test]
async fn a_frozen_server_can_be_stopped() {
    let folder = guard::folder("test").expect("a folder");
    let mut server = shell(folder.path(), "exec sleep 60");
    let id = server.id().expect("it runs");
    server.freeze().expect("it can be frozen");

    server.stop().await.expect("it can be stopped");

    assert!(!runs(id));
}

#[test]
fn dropping_a_server_ends_its_whole_group() {
    let folder = guard::folder("test").expect("a folder");
    let server = shell(folder.path(), "sleep 60 & echo $!; wait");
    wait_until("its child runs", || !server.tail().is_empty());
    let child = server.tail().parse().expect("the child's number");
    assert!(runs(child));

    drop(server);

    wait_until("the child is gone", || !runs(child));
}

/// Runs until it is killed: starts servers, one of them deaf to TERM and one frozen, and tells of
/// them.
fn be_the_parent() -> ! {
    let folder = guard::folder("parent").expect("a folder");
    let scripts = ["exec sleep 600", "trap '' TERM; echo deaf; while :; do sleep 1; done"];
    let polite = shell(folder.path(), scripts[0]);
    let deaf = shell(folder.path(), scripts[1]);
    let frozen = shell(folder.path(), scripts[0]);
    wait_until("it is deaf", || deaf.tail() == "deaf");
    frozen.freeze().expect("it can be frozen");
    let ids = [&polite, &deaf, &frozen].map(|server| server.id().expect("it runs").to_string());
    let mut out = std::io::stdout();
    // The harness has not ended its own line yet.
    writeln!(out, "\n{} {}", folder.path().display(), ids.join(" ")).expect("it is told");
    out.flush().expect("it is told");
    loop {
        std::thread::park();
    }
}

/// What the parent tells: its servers' numbers, and their folder.
fn told(parent: &mut Child) -> (Vec<u32>, PathBuf) {
    let out = parent.stdout.take().expect("its output");
    let line = BufReader::new(out)
        .lines()
        .map(|line| line.expect("text"))
        .find(|line| line.starts_with('/'))
        .expect("it tells of its servers");
    let mut words = line.split(' ');
    let folder = words.next().expect("a folder").into();
    (words.map(|id| id.parse().expect("a number")).collect(), folder)
}

fn shell(folder: &Path, script: &str) -> Server {
    let program = Program {
        path: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: Vec::new(),
        folder: folder.to_owned(),
    };
    let (_, log) =
        tempfile::NamedTempFile::new_in(folder).and_then(|log| Ok(log.keep()?)).expect("a log");
    Server::start("shell", program, log).expect("it starts")
}

/// Whether a process is there and is more than a corpse that nobody has collected.
fn runs(id: u32) -> bool {
    !matches!(state(id), None | Some('Z'))
}

/// The letter that the kernel gives a process's state.
fn state(id: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < GONE_WITHIN, "{what}: not within {GONE_WITHIN:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
