//! What somebody wants to hear, and how it is found.

use phonograph_call::matrixrtc::EventId;
use url::Url;

use super::{
    Item, Origin, Upload,
    error::PlayError,
    library::Album,
    resolve::{Found, Resolver},
    upload::UploadError,
};
use crate::command::{Episode, Title};

/// What somebody wants to hear.
#[derive(Debug, Clone)]
pub(crate) enum Want {
    /// A file of the library, by its name.
    Name(String),
    /// Something on the web.
    Link(Url),
    /// An album of the library, in its order.
    Album(String),
    /// A list of what fits, to choose from.
    Search(String),
    /// An episode of a podcast.
    Podcast {
        /// The feed.
        feed: Url,
        /// Which of its episodes.
        episode: Episode,
    },
    /// The file in a message that is answered.
    Answered(EventId),
    /// A file that somebody sent into the room, and its name.
    Upload(String, Upload),
}

impl Resolver {
    /// Finds what somebody wants to hear.
    ///
    /// Takes up to a few seconds, an upload as long as its download. Cancel-safe; a search that has
    /// begun ends by itself.
    ///
    /// # Errors
    /// [`PlayError`] knows what to tell the person who asked.
    pub(crate) async fn find(&self, want: Want) -> Result<Found, PlayError> {
        match want {
            Want::Name(name) => self.named(&name).await,
            Want::Link(url) => self.linked(&url).await,
            Want::Album(name) => {
                let Album { title, items } = self.library.album(&name).await?;
                Ok(Found { title: Some(title), ..Found::of(items) })
            }
            Want::Search(words) => {
                let (items, _) = self.search(&words, SEARCH_MAX).await?;
                Ok(Found::of(items))
            }
            Want::Podcast { feed, episode } => {
                Ok(Found::of(vec![self.podcast(&feed, &episode).await?]))
            }
            // Rooms find out what is in a message.
            Want::Answered(_) => {
                Err(PlayError::Upload { title: Title::new(""), source: UploadError::NoFile })
            }
            Want::Upload(name, upload) => {
                let title = Title::new(stem(&name));
                let item = Item { title, origin: Origin::Upload(upload), duration: None };
                let source = self.open(&item).await?;
                Ok(Found { opened: Some(source), ..Found::of(vec![item]) })
            }
        }
    }

    /// What of the library fits, at most so many, and how much fits in all as far as that was
    /// counted.
    ///
    /// # Errors
    /// [`PlayError`].
    pub(crate) async fn search(
        &self,
        words: &str,
        most: usize,
    ) -> Result<(Vec<Item>, usize), PlayError> {
        let hits = self.library.search(words, SEARCH_MAX).await?;
        let count = hits.len();
        Ok((hits.into_iter().take(most).map(|hit| hit.item).collect(), count))
    }
}

/// What of the library is looked at for one search.
const SEARCH_MAX: usize = 100;

/// A file's name without its ending.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
