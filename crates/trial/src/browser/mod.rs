//! A real Chromium without a window, driven over its debugging protocol, and the web server of the
//! pages that it shows.
//!
//! [`Browser`] is the process, [`Page`] one page in it, [`Web`] serves the host page and Element
//! Call in it.

mod cdp;
mod chromium;
mod console;
mod page;
mod web;

pub use chromium::{Browser, Options};
pub use console::Line;
pub use page::Page;
pub use web::{Account, Web};
