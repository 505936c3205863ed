//! Replays what fuzzing starts from, and whatever it once found: each file in `fuzz/corpus`.

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of another package")]
mod targets;

use std::{fs, path::Path};

fn replay(corpus: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(corpus);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    assert!(files.len() >= 3, "{} has {} files", folder.display(), files.len());
    for file in files {
        // A failure names the file that it came from.
        let bytes = fs::read(&file).expect("it can be read");
        let run = std::panic::AssertUnwindSafe(|| target(&bytes));
        assert!(std::panic::catch_unwind(run).is_ok(), "{}", file.display());
    }
}

#[test]
fn frames() {
    replay("frames", targets::frames);
}

#[test]
fn trailers() {
    replay("trailers", targets::trailers);
}

#[test]
fn memberships() {
    replay("memberships", targets::memberships);
}

#[test]
fn keys() {
    replay("keys", targets::keys);
}

#[test]
fn signals() {
    replay("signals", targets::signals);
}

#[test]
fn offers() {
    replay("offers", targets::offers);
}
