//! Our own membership: in, kept alive, and out again.
//!
//! Before we join, a leave is scheduled at the homeserver (MSC4140) that it sends unless we restart
//! it in time: a process that dies is gone from the call after 18 s.
//!
//! ```text
//!  join                leftovers cancelled        stale one cleared
//!  ----> List --> CancelLeftover ... --> Clear --> Schedule <----------------.
//!                                                     | ok, or no MSC4140    |
//!                                                     v                      |
//!                                          Send (membership) <--.            |
//!                                                     | ok      |            |
//!                                     404             v         | refresh due|
//!                     .----------------------- Restart          |            |
//!                     |                          | ok  ^        |            |
//!                     |                          v     | 5 s    |            |
//!                     |                        Joined -+--------'            |
//!                     '------------------------------------------------------'
//!                                                | leave, from anywhere
//!                                                v
//!                               SendLeaveNow --fails--> SendLeave --> Left
//! ```
//!
//! One request is under way at a time. Each is tried again after a second when the network fails,
//! and when the homeserver says so after 429.

mod content;
mod machine;

pub use machine::{Config, Event, Failure, Membership};
