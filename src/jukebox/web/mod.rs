//! What is behind a link: music, a list of links, an index of segments, a podcast, or something that
//! a helper program knows.
//!
//! Everything is judged by its content, again each time that it is opened, and everything goes
//! through the same [`Links`], so that no list leads where a link may not.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tracing::debug;
use url::Url;

use super::{
    Item, Origin,
    content::Kind,
    error::PlayError,
    hls::{self, Hls},
    link::{LinkError, Links, name},
    playlist::{self, Entry, Form, ITEMS_MAX, List},
    podcast,
    program::Programs,
    resolve::{Found, Source},
    xml,
};
use crate::command::{Barred, Episode, Title};

/// How deep lists in lists are followed, the first one included.
const DEPTH_MAX: usize = 3;
/// How many lists of one list are looked into; the others are when they are played.
const LISTS_MAX: usize = 10;
/// How many links of a list are tried before it is given up to play it.
const TRIES_MAX: usize = 3;
/// How much of an M3U is read, in bytes: it may turn out to be an index of segments, which are
/// longer than lists.
const M3U_BYTES_MAX: usize = 4 << 20;

/// Why a list of links gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaylistError {
    /// It names nothing that can be opened. Another may.
    #[error("the playlist {title} names no link to the web")]
    Empty {
        /// What it is called.
        title: Title,
    },
    /// It leads to itself, or to others too deep. A link from inside it may help.
    #[error("the playlist {title} leads to itself or through too many others")]
    Nested {
        /// What it is called.
        title: Title,
    },
}

/// Looks at links. Clones share their connections.
#[derive(Debug, Clone)]
pub(super) struct Web {
    links: Links,
    programs: Programs,
}

/// What was behind a link.
enum Looked {
    Media(Box<Source>),
    List(List),
    Feed { bytes: Vec<u8>, url: Url },
}

impl Web {
    pub(super) fn new(links: Links, programs: Programs) -> Self {
        Self { links, programs }
    }

    /// The same, that leads to none of these hosts.
    pub(super) fn barring(&self, barred: Barred) -> Self {
        Self { links: self.links.barring(barred), programs: self.programs.clone() }
    }

    /// Finds what somebody means by a link.
    pub(super) async fn look(&self, url: &Url) -> Result<Found, PlayError> {
        if let Some(entries) = self.ask_program(url).await? {
            return self.of_program(url, entries).await;
        }
        match self.look_at(url).await? {
            Looked::Media(source) => Ok(Found::opened(Origin::Link(url.clone()), *source)),
            Looked::Feed { bytes, url } => {
                let item = podcast::episode(&bytes, &url, &Episode::Latest)?;
                Ok(Found::of(vec![item]))
            }
            Looked::List(list) => self.flatten(url, list).await,
        }
    }

    /// Finds an episode of a podcast.
    pub(super) async fn podcast(&self, feed: &Url, which: &Episode) -> Result<Item, PlayError> {
        let bytes = if let Looked::Feed { bytes, .. } = self.look_at(feed).await? {
            bytes
        } else {
            // It says itself that it is none.
            Vec::new()
        };
        Ok(podcast::episode(&bytes, feed, which)?)
    }

    /// Opens what was found before.
    pub(super) async fn open(&self, url: &Url) -> Result<Source, PlayError> {
        let itself = || vec![Entry { url: url.clone(), title: None, duration: None }];
        let entries = self.ask_program(url).await?.unwrap_or_else(itself);
        self.open_first(&name(url), entries).await
    }

    /// Opens the first of these that can be, through lists of lists.
    async fn open_first(&self, title: &Title, entries: Vec<Entry>) -> Result<Source, PlayError> {
        let mut waiting: Vec<_> = entries.into_iter().rev().map(|entry| (entry, 0)).collect();
        let mut seen = BTreeSet::new();
        let mut trouble = None;
        let (mut tries, mut lists) = (0, 0);
        while let Some((entry, depth)) = waiting.pop() {
            if depth > DEPTH_MAX || lists > LISTS_MAX || !seen.insert(entry.url.clone()) {
                let nested = PlaylistError::Nested { title: title.clone() };
                trouble.get_or_insert(nested.into());
                continue;
            }
            match self.look_at(&entry.url).await {
                Ok(Looked::Media(source)) => return Ok(*source),
                Ok(Looked::List(list)) => {
                    lists += 1;
                    waiting.extend(list.entries.into_iter().rev().map(|entry| (entry, depth + 1)));
                }
                Ok(Looked::Feed { bytes, url }) => {
                    lists += 1;
                    let item = podcast::episode(&bytes, &url, &Episode::Latest)?;
                    if let Origin::Link(url) = item.origin {
                        waiting.push((Entry { url, title: None, duration: None }, depth + 1));
                    }
                }
                Err(error) => {
                    tries += 1;
                    debug!(error = phonograph_call::chain(&error), "a link of a list fails");
                    trouble.get_or_insert(error);
                    if tries == TRIES_MAX {
                        break;
                    }
                }
            }
        }
        Err(trouble.unwrap_or_else(|| PlaylistError::Empty { title: title.clone() }.into()))
    }

    /// What a list comes to, with the lists in it.
    async fn flatten(&self, url: &Url, list: List) -> Result<Found, PlayError> {
        let own_title = list.title;
        let title = own_title.clone().unwrap_or_else(|| name(url));
        let mut is_cut = list.is_cut;
        let mut seen = BTreeSet::from([url.clone()]);
        let mut waiting: Vec<_> = list.entries.into_iter().rev().map(|entry| (entry, 1)).collect();
        let (mut items, mut trouble, mut lists) = (Vec::new(), None, 0);
        while let Some((entry, depth)) = waiting.pop() {
            if items.len() == ITEMS_MAX {
                is_cut = true;
                break;
            }
            if !playlist::is_list(&entry.url) && entry.url != *url || lists == LISTS_MAX {
                items.push(entry.into());
                continue;
            }
            if depth == DEPTH_MAX || !seen.insert(entry.url.clone()) {
                trouble.get_or_insert(PlaylistError::Nested { title: title.clone() }.into());
                continue;
            }
            lists += 1;
            match self.look_at(&entry.url).await {
                Ok(Looked::Media(_)) => items.push(entry.into()),
                Ok(Looked::List(list)) => {
                    is_cut |= list.is_cut;
                    waiting.extend(list.entries.into_iter().rev().map(|entry| (entry, depth + 1)));
                }
                Ok(Looked::Feed { .. }) => is_cut = true,
                Err(error) => {
                    trouble.get_or_insert(error);
                }
            }
        }
        if items.is_empty() {
            return Err(trouble.unwrap_or(PlaylistError::Empty { title }.into()));
        }
        let is_cut = is_cut || trouble.is_some();
        Ok(Found { title: own_title, is_cut, ..Found::of(items) })
    }

    /// What a program found, if there is one for this link.
    async fn ask_program(&self, url: &Url) -> Result<Option<Vec<Entry>>, PlayError> {
        let Some(program) = self.programs.of(url) else { return Ok(None) };
        self.links.check(url)?;
        Ok(Some(self.programs.ask(program, url).await?))
    }

    /// Several links are pieces of their own; one is this link's, and may be another tomorrow.
    async fn of_program(&self, url: &Url, mut entries: Vec<Entry>) -> Result<Found, PlayError> {
        if entries.len() > 1 {
            let items = entries.into_iter().map(Item::from).collect();
            return Ok(Found::of(items));
        }
        let (title, duration) = match entries.first_mut() {
            Some(entry) => (entry.title.take(), entry.duration),
            None => (None, None),
        };
        let mut source = self.open_first(&name(url), entries).await?;
        source.title = title.unwrap_or(source.title);
        let item =
            Item { title: source.title.clone(), origin: Origin::Link(url.clone()), duration };
        Ok(Found { opened: Some(source), ..Found::of(vec![item]) })
    }

    /// Asks for a link and looks at what comes.
    async fn look_at(&self, url: &Url) -> Result<Looked, PlayError> {
        let mut link = self.links.open(url).await?;
        let kind = link.look().await?;
        let at = link.url().clone();
        let (form, bytes_max) = match kind {
            Kind::Media => return Ok(Looked::Media(Box::new(link.into()))),
            Kind::Page => return Err(LinkError::WebPage.into()),
            Kind::Feed => {
                let bytes = link.read_up_to(podcast::BYTES_MAX).await?;
                return Ok(Looked::Feed { bytes, url: at });
            }
            Kind::M3u => (Form::M3u, M3U_BYTES_MAX),
            // One more tells that it is cut.
            Kind::Pls => (Form::Pls, playlist::BYTES_MAX + 1),
            Kind::Xspf => (Form::Xspf, playlist::BYTES_MAX + 1),
        };
        let title = link.title().clone();
        let bytes = link.read_up_to(bytes_max).await?;
        if form == Form::M3u {
            let text = xml::text(&bytes);
            if hls::is_index(&text) {
                let stream = Hls::open(self.links.clone(), &text, &at, title).await?;
                return Ok(Looked::Media(Box::new(stream.into())));
            }
        }
        Ok(Looked::List(playlist::read(form, &bytes, &at)))
    }
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let title = entry.title.unwrap_or_else(|| name(&entry.url));
        Self { title, origin: Origin::Link(entry.url), duration: entry.duration }
    }
}
