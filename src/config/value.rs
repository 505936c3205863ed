//! How single values are read, where serde's own way is not enough.
//!
//! A value from the environment is a string, whatever it is read as.

use std::{fmt, marker::PhantomData, time::Duration};

use phonograph_matrixrtc::ServiceUrl;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, SeqAccess, Visitor},
};
use url::Url;

/// The shortest pause between two looks at something large.
const PAUSE_MIN: Duration = Duration::from_secs(10);

/// Reads a whole number from `MIN` to `MAX`.
pub(super) fn within<'de, D, const MIN: u32, const MAX: u32>(
    deserializer: D,
) -> Result<u32, D::Error>
where
    D: Deserializer<'de>,
{
    let value = i64::deserialize(deserializer)?;
    u32::try_from(value)
        .ok()
        .filter(|value| (MIN..=MAX).contains(value))
        .ok_or_else(|| D::Error::custom(format!("{value} is not from {MIN} to {MAX}")))
}

/// Reads a pause; one of nothing would keep a core busy.
pub(super) fn pause<'de, D>(deserializer: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    let pause: Duration = humantime_serde::deserialize(deserializer)?;
    if pause < PAUSE_MIN {
        return Err(D::Error::custom(format!("{pause:?} is less than {PAUSE_MIN:?}")));
    }
    Ok(pause)
}

/// Reads the address of a token service, and keeps it byte for byte.
pub(super) fn service_url<'de, D>(deserializer: D) -> Result<Option<ServiceUrl>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(ServiceUrl::from(text))),
        _ => {
            let problem = format!("{text:?} is no address such as https://livekit.example.org");
            Err(D::Error::custom(problem))
        }
    }
}

/// Reads a program and its arguments: at least the program.
pub(super) fn command<'de, D>(deserializer: D) -> Result<Vec<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let command = Vec::<String>::deserialize(deserializer)?;
    if command.first().is_none_or(String::is_empty) {
        return Err(D::Error::custom("it names no program: write [\"/path/to/program\"]"));
    }
    Ok(command)
}

/// Reads a list, or a string with commas between the items.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(List(PhantomData))
}

struct List<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or a string with commas between its items")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| T::deserialize(item.to_owned().into_deserializer()))
            .collect()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(list)
    }
}
