//! Our own membership: in, kept alive, and out again.
//!
//! Before we join, a leave is scheduled at the homeserver (MSC4140) that it sends unless we restart
//! it in time: a process that dies is gone from the call after 18 s.
//!
//! ```text
//!  join          ours listed           none left, stale        cleared
//!  ----> List ---------------> Cancel ------------------> Clear -------.
//!         ^ |  cannot list: those known    none left, none stale       v
//!         | '-----------------^  '-------------------------------> Schedule
//!         | answer lost: it may be there                            |  ^  |
//!         '---------------------------------------------------------'  |  | ok; no MSC4140; too
//!                                                     too long: shorter'  | many: unguarded
//!      .------------------------------------------------------------------'
//!      v          ok, guarded           ok                       refused
//!    Send ---------------------> Restart ---> Joined      Send, Clear ----> Failed
//!
//!  Joined:
//!    5 s passed                    Restart --> Joined
//!    restart: gone (404)           Schedule --> Verify --> Joined, or membership gone
//!    restart: no MSC4140           unguarded: short expiry, renewed often
//!    delay has run out             probably left, until a restart, a look or a new join
//!    not seen for 10 s             Verify
//!    renewal due                   (Restart first) Send --> Restart --> Joined
//!    announce anew                 Send without its creation time --> Restart --> Joined
//!    membership gone               Cancel --> Schedule --> Send --> ... --> Joined
//!    gone again within a minute    Failed (removed)
//!    token service took over       Cancel (the short leave) --> Joined, restarting no more
//!
//!  leave, from anywhere:  SendLeaveNow --gone or refused--> SendLeave --> Left
//!                         no leave held: SendLeave; nothing sent yet: Left
//!  hand over, likewise:   Withdraw each leave that may be held --> Left
//! ```
//!
//! One request is under way at a time, and one more for handing the leave over to the token service
//! (`delegation`). A failing network or homeserver is tried again without end, after 1, 2, then
//! every 4 s; a restart every second, and at once after a request that was not answered in time.
//! After 429 it is when the homeserver says so. A restart never waits for another step that is to be
//! tried again.

mod answers;
mod content;
mod delegation;
mod fuse;
mod joined;
mod machine;
mod outcome;
mod step;

pub use machine::{Lane, Membership};
pub use outcome::{Config, Event, Failure};

#[cfg(test)]
mod tests;
