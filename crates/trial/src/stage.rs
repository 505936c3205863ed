//! Servers, browsers and people together: where a trial, a journey or a measurement takes place.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};

use crate::{
    browser::{Account, Browser, Options, Web},
    install,
    person::{Microphone, Person},
    stack::{self, Stack},
};

/// For what takes a second or two, and longer on a machine that builds something beside it.
pub const WITHIN: Duration = Duration::from_mins(1);

/// Running servers, and what browsers are started with.
#[derive(Debug)]
pub struct Stage {
    /// The servers.
    pub stack: Stack,
    /// The pages.
    pub web: Web,
    chromium: PathBuf,
}

impl Stage {
    /// Installs what is missing, side by side, and starts the servers.
    ///
    /// # Errors
    ///
    /// Where something cannot be installed or started.
    pub async fn set(options: stack::Options) -> Result<Self> {
        let (chromium, modules, stack) =
            tokio::join!(install::chromium(), install::web(), Stack::start(options),);
        let (chromium, modules) = (chromium?, modules?);
        Ok(Self { stack: stack?, web: Web::start(&modules).await?, chromium })
    }

    /// A browser with that microphone, for any number of people.
    ///
    /// # Errors
    ///
    /// Where Chromium does not start.
    pub async fn browser(&self, microphone: Microphone) -> Result<Browser> {
        Browser::launch(&Options { microphone, ..Options::new(self.chromium.clone()) }).await
    }

    /// A new account.
    ///
    /// # Errors
    ///
    /// Where the homeserver refuses the name.
    pub async fn account(&self, name: &str) -> Result<Account> {
        let homeserver = self.stack.homeserver();
        let password = "a password".to_owned();
        homeserver.register(name, &password).await.context("registering an account")?;
        Ok(Account { homeserver: homeserver.url().to_owned(), user: name.to_owned(), password })
    }

    /// Somebody new, signed in on a page of that browser.
    ///
    /// # Errors
    ///
    /// As [`Person::sign_in`].
    pub async fn person(&self, name: &str, browser: &Browser) -> Result<Person> {
        Person::sign_in(browser, &self.web, self.account(name).await?).await
    }
}
