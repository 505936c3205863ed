//! How the bot bears a large library.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    bench::{Bench, Cast},
    figure::Figure,
};

/// Files of the library: artists, albums of each, pieces of each.
const ARTISTS: usize = 500;
const ALBUMS: usize = 10;
const PIECES: usize = 20;
const FILES: usize = ARTISTS * ALBUMS * PIECES;
/// Of these and numbers names are made.
const WORDS: [&str; 20] = [
    "amber", "bridge", "carousel", "delta", "ember", "forest", "garden", "harbour", "island",
    "jasmine", "kite", "lantern", "meadow", "night", "orchard", "paper", "quiet", "river",
    "summer", "tide",
];
/// What is searched for: what thousands of files have, few, one, and none.
const SEARCHED: [&str; 5] =
    ["summer", "carousel river", "lantern 77", "artist 499 amber", "nothing"];
/// How long the index may take before it counts as failed.
const WITHIN: Duration = Duration::from_mins(5);
/// So that nobody is told to be slower: ten commands in five seconds are heeded.
const PACE: Duration = Duration::from_millis(600);
const INDEXED: &str = "the library is indexed";
const SEARCH: &str = "looked into the library";
const LOG: &str =
    "[logging]\nformat = \"json\"\nfilter = \"warn,phonograph=info,phonograph::jukebox=debug\"";

/// A library of 100 000 small FLAC files with tags and no sound, in 5 500 folders, just written, so
/// that the system has them in memory.
///
/// `library_index_s`: how long the bot says that its first look through them took, on an empty store,
/// with nothing else to do. `library_search_ms`: how long it says that a `!search` looked into the
/// library: words that thousands of files have, a few, one, and none, in turn.
pub(crate) async fn measure(bench: &Bench, runs: u32) -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().to_owned();
    tokio::task::spawn_blocking(move || write(&root)).await??;
    let library = Some(folder.path());
    let cast = Cast { name: "files", library, sections: Some(LOG), ..Cast::default() };
    let mut scene = bench.scene_of(&cast).await?;
    scene.bot.wait_log(INDEXED, 1, WITHIN).await?;
    let (files, index) = indexed(&scene.bot.log()?)?;
    ensure!(files == FILES as u64, "{files} files of {FILES} were indexed");
    let before = searches(&scene.bot.log()?).len();
    for words in SEARCHED.iter().cycle().take(runs as usize) {
        let said = scene.person.say(&scene.room, &format!("!search {words}")).await?;
        scene.person.wait_for_answer(&scene.room, &said, WITHIN).await?;
        sleep(PACE).await;
    }
    let samples = searches(&scene.bot.log()?).split_off(before);
    ensure!(samples.len() >= runs as usize, "{} searches were logged", samples.len());
    let mut figures = vec![Figure::new("library_index_s", index, "s", Some(60.0))];
    figures.extend(Figure::p95("library_search_ms", &samples, "ms", 30.0));
    Ok(figures)
}

/// How many files the bot found, and in how many seconds.
fn indexed(log: &str) -> Result<(u64, f64)> {
    let line = lines(log, INDEXED).next().context("the bot has indexed nothing")?;
    let files = line["files"].as_u64().context("no number of files")?;
    Ok((files, elapsed_ms(&line).context("no time")? / 1000.0))
}

/// How long each search took, in milliseconds.
fn searches(log: &str) -> Vec<f64> {
    lines(log, SEARCH).filter_map(|line| elapsed_ms(&line)).collect()
}

fn lines(log: &str, message: &str) -> impl Iterator<Item = Value> {
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed.filter(move |line| line["message"].as_str() == Some(message))
}

/// A time as `Duration` prints it for programmers.
fn elapsed_ms(line: &Value) -> Option<f64> {
    let text = line["elapsed"].as_str()?;
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let factor = match &text[digits.len()..] {
        "s" => 1e3,
        "ms" => 1.0,
        "µs" => 1e-3,
        "ns" => 1e-6,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

fn write(root: &Path) -> Result<()> {
    for artist in 0..ARTISTS {
        let artist_name = format!("{} Artist {artist}", word(artist));
        for album in 0..ALBUMS {
            let album_name = format!("{} {}", word(artist / 3 + album), word(artist + album * 7));
            let folder = root.join(&artist_name).join(format!("{album} {album_name}"));
            fs::create_dir_all(&folder)?;
            for piece in 0..PIECES {
                let number = artist + album + piece;
                let title = format!("{} {} {number}", word(number * 3), word(artist + piece * 11));
                let path: PathBuf = folder.join(format!("{piece:02} {title}.flac"));
                let tags = [
                    format!("TITLE={title}"),
                    format!("ARTIST={artist_name}"),
                    format!("ALBUM={album_name}"),
                    format!("TRACKNUMBER={}", piece + 1),
                ];
                fs::write(path, flac(&tags))?;
            }
        }
    }
    Ok(())
}

fn word(number: usize) -> &'static str {
    WORDS[number % WORDS.len()]
}

/// A FLAC file (RFC 9639 §8) that claims three minutes and has none.
fn flac(tags: &[String]) -> Vec<u8> {
    const SECONDS: u64 = 180;
    let mut file = b"fLaC".to_vec();
    file.extend([0, 0, 0, 34]);
    // Blocks of 4096 samples, frames of unknown size.
    file.extend([0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    // 20 bits of rate, 3 of channels, 5 of bits, each but the rate less one; 36 of samples.
    let shape = (44_100_u64 << 44) | (1 << 41) | (15 << 36) | (SECONDS * 44_100);
    file.extend(shape.to_be_bytes());
    file.extend([0; 16]);
    let mut comment = 0_u32.to_le_bytes().to_vec();
    comment.extend((tags.len() as u32).to_le_bytes());
    for tag in tags {
        comment.extend((tag.len() as u32).to_le_bytes());
        comment.extend(tag.as_bytes());
    }
    // The last block, 24 bits of length.
    file.extend((0x8400_0000 | comment.len() as u32).to_be_bytes());
    file.extend(comment);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_the_log_in_every_unit() {
        for (text, expected) in
            [("1.5s", 1500.0), ("12.25ms", 12.25), ("500µs", 0.5), ("80ns", 8e-5)]
        {
            let line = serde_json::json!({ "elapsed": text });
            assert!((elapsed_ms(&line).unwrap() - expected).abs() < 1e-9, "{text}");
        }
        assert_eq!(elapsed_ms(&serde_json::json!({ "elapsed": "soon" })), None);
    }

    #[test]
    fn what_was_indexed_and_searched_is_found_in_the_log() {
        let log = concat!(
            "{\"message\":\"the library is indexed\",\"files\":3,\"elapsed\":\"2s\"}\nnot json\n",
            "{\"message\":\"looked into the library\",\"elapsed\":\"3ms\"}",
        );
        assert_eq!(indexed(log).unwrap(), (3, 2.0));
        assert_eq!(searches(log), [3.0]);
        assert!(indexed("").is_err());
    }
}
