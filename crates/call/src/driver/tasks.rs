//! What takes a while: requests to Matrix, tokens, opening sockets. Each is a task of its own, and comes
//! back as [`Done`].
//!
//! Requests run on the control plane, where Matrix has its timers and connections; sockets are opened
//! on the worker that will use them.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use phonograph_livekit::{Resume, Target};
use phonograph_matrixrtc::{
    DelayId, Request, RequestError, RequestId, Response, RoomId, ServiceUrl, transport::Grant,
};
use tracing::{Instrument, debug, debug_span};

use super::{
    Driver,
    sockets::{self, Opened, Tcp, WebSocket},
};
use crate::{
    end::{SfuError, TokenError},
    machine::LinkId,
    matrix::Matrix,
    network::Network,
};

/// What a task that was begun for the machine came back with.
pub(super) enum Done {
    Request(RequestId, Result<Response, RequestError>),
    Grant(LinkId, Result<Grant, TokenError>),
    Open(LinkId, Result<Opened, SfuError>),
    Reopen(LinkId, Result<WebSocket, SfuError>),
    Dial(LinkId, Target, SocketAddr, std::io::Result<Tcp>),
}

impl Driver {
    pub(super) fn request(&mut self, id: RequestId, request: Request) {
        let (matrix, network) = (Arc::clone(&self.setup.matrix), Arc::clone(&self.setup.network));
        let room = self.setup.config.room.clone();
        let service = self.machine.service().clone();
        let kind = request.kind();
        let work = async move {
            match request {
                Request::DelegateLeave { delay_id, delay } => {
                    let delegation = Some((&delay_id, delay));
                    let granted = token(&*matrix, &network, &service, &room, delegation).await;
                    granted.map(|_| Response::Done).map_err(TokenError::into_request_error)
                }
                request => matrix.perform(&room, request).await,
            }
        };
        let step = timed(kind, async move { Done::Request(id, work.await) });
        self.tasks.spawn_on(step, &self.setup.control);
    }

    pub(super) fn ask(&mut self, id: LinkId, service: ServiceUrl) {
        let (matrix, network) = (Arc::clone(&self.setup.matrix), Arc::clone(&self.setup.network));
        let room = self.setup.config.room.clone();
        let step = timed("ask the token service", async move {
            Done::Grant(id, token(&*matrix, &network, &service, &room, None).await)
        });
        self.tasks.spawn_on(step, &self.setup.control);
    }

    pub(super) fn open(&mut self, id: LinkId, grant: Grant) {
        let network = Arc::clone(&self.setup.network);
        let step = timed("open the sockets", async move {
            Done::Open(id, sockets::open(&network, &grant).await)
        });
        self.begin_opening(id, step);
    }

    pub(super) fn reopen(&mut self, id: LinkId, grant: Grant, resume: Resume) {
        self.give_up_opening(id);
        if let Some(sockets) = self.sockets.get_mut(&id) {
            sockets.drop_websocket();
        }
        let network = Arc::clone(&self.setup.network);
        let step = timed("open the WebSocket again", async move {
            Done::Reopen(id, sockets::reopen(&network, &grant, &resume).await)
        });
        self.begin_opening(id, step);
    }

    pub(super) fn dial(&mut self, id: LinkId, target: Target, remote: SocketAddr) {
        let step = timed("dial for media over TCP", async move {
            Done::Dial(id, target, remote, Tcp::dial(target, remote).await)
        });
        self.begin_opening(id, step);
    }

    fn begin_opening(&mut self, id: LinkId, step: impl Future<Output = Done> + Send + 'static) {
        let handle = self.tasks.spawn(step);
        let handles = self.opening.entry(id).or_default();
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }

    /// What is still being opened would come to the next connection.
    pub(super) fn give_up_opening(&mut self, id: LinkId) {
        self.opening.remove(&id).into_iter().flatten().for_each(|handle| handle.abort());
    }
}

/// Asks a token service for an SFU and a token to it, with a new OpenID token.
async fn token(
    matrix: &dyn Matrix,
    network: &Network,
    service: &ServiceUrl,
    room: &RoomId,
    delegation: Option<(&DelayId, Duration)>,
) -> Result<Grant, TokenError> {
    let device = matrix.me().device;
    let token = matrix.openid_token().await.map_err(TokenError::OpenId)?;
    network.grant(service, (room, &device), &token, delegation).await
}

/// Runs a step in a span of its own, and says how long it took.
pub(super) fn timed<F: Future>(step: &'static str, work: F) -> impl Future<Output = F::Output> {
    let span = debug_span!("step", step);
    let began = Instant::now();
    async move {
        let done = work.await;
        let took_ms = began.elapsed().as_secs_f64() * 1000.0;
        debug!(step, took_ms, "done");
        done
    }
    .instrument(span)
}
