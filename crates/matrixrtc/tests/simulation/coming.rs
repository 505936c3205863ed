//! What is on its way between clients and homeserver.

use phonograph_matrixrtc::{KeyMessage, Request, RequestError, RequestId, Response};

/// What is on its way.
pub(crate) enum Coming {
    /// A request to the homeserver. The answer gets lost if it says so.
    Request {
        from: usize,
        run: u32,
        id: RequestId,
        request: Request,
        fault: Option<Fault>,
    },
    Answer {
        to: usize,
        run: u32,
        id: RequestId,
        answer: Result<Response, RequestError>,
    },
    State {
        to: usize,
    },
    Key {
        to: usize,
        message: KeyMessage,
    },
    /// A delayed event's time.
    Fire {
        delay_id: String,
        generation: u32,
    },
    Listen {
        who: usize,
    },
    Crash {
        who: usize,
    },
    Start {
        who: usize,
    },
    Leave {
        who: usize,
    },
    /// A moderator removes its membership.
    Remove {
        who: usize,
    },
    Join {
        who: usize,
        run: u32,
    },
}

/// How a request fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Lost,
    /// It is refused for now.
    Limited,
    /// It is done, and nobody hears of it.
    AnswerLost,
}
