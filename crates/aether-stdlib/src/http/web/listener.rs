//! A server's side on the network's thread: it accepts connections until it is told to end, and knows how many there are.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aether_eval::Sender;
use bytes::Bytes;
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Response, server::conn::http1};
use tokio::net::TcpListener;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_rustls::TlsAcceptor;

use super::body::ReplyBody;
use super::connection;

/// Connections at a time, unless fewer handles may be open.
const CONNECTIONS: usize = 16 << 10;
/// How long a listener rests that cannot accept, as when there are no descriptors left.
const REST: Duration = Duration::from_millis(100);
/// Bodies of requests that may be in memory together, in units of the largest one.
const BODIES: usize = 16;
/// But at least so many bytes.
const LEAST_BODIES: usize = 64 << 20;

/// Bytes of answers that may wait for their peers to take them; beyond that requests are refused.
const MOST_UNSENT: usize = 256 << 20;
/// Answers of fewer bytes are not counted.
const LEAST_UNSENT: usize = 16 << 10;

/// What a server was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerLimits {
    /// Bytes of a request's body.
    pub(super) max_body: usize,
    /// How long a head, a body, a handler and a response may each take.
    pub(super) timeout: Option<Duration>,
    /// Handles that may be open.
    pub(super) handles: Option<usize>,
    /// The budget of the heap, which bodies and answers that wait do not exceed either.
    pub(super) memory: Option<usize>,
}

/// How a server is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Phase {
    /// It accepts.
    Open,
    /// Requests that have come are answered, and then it is over.
    Draining,
    /// Everything ends at once.
    Killed,
}

/// Where a connection waits for its answer.
pub(super) type Answered = oneshot::Sender<Response<ReplyBody>>;

/// A request that waits for its handler.
pub(super) struct Exchange {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) peer: SocketAddr,
    pub(super) reply: Answered,
    pub(super) upgrade: Option<OnUpgrade>,
    /// Counts the connection as long as a web socket over it lives.
    pub(super) connection: Arc<Counted>,
    pub(super) held: Held,
}

/// What the two threads share of a server.
pub(super) struct Shared {
    inbox: Mutex<VecDeque<Exchange>>,
    /// Whether the server has been told of requests that it has not taken.
    is_told: AtomicBool,
    sender: Sender,
    /// Answers that have not been handed to their connections. The first one wakes the network's thread for all.
    outbox: Mutex<Vec<(Answered, Response<ReplyBody>)>>,
    answers: Notify,
    pub(super) limits: ServerLimits,
    pub(super) phase: watch::Sender<Phase>,
    connections: AtomicUsize,
    /// Whether the listener is still there.
    listens: AtomicBool,
    /// Bytes of bodies in memory.
    bodies: AtomicUsize,
    /// Bytes of large answers that have not been sent.
    unsent: AtomicUsize,
}

/// Bytes of an answer, counted until they have been sent.
struct Unsent {
    shared: Arc<Shared>,
    bytes: Bytes,
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.shared.unsent.fetch_sub(self.bytes.len(), Ordering::AcqRel);
    }
}

/// A connection, counted as long as this lives.
pub(super) struct Counted {
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Counted {
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.shared.connections.fetch_sub(1, Ordering::AcqRel);
        self.shared.note_end();
    }
}

/// Bytes of a body in memory, counted as long as this lives.
pub(super) struct Held {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            bytes: 0,
        }
    }

    /// Counts more; false if there are too many.
    pub(super) fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        let limits = &self.shared.limits;
        let most = LEAST_BODIES.max(limits.max_body.saturating_mul(BODIES));
        let most = limits.memory.map_or(most, |memory| most.min(memory));
        self.shared.bodies.fetch_add(bytes, Ordering::AcqRel) + bytes <= most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.bodies.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

impl Shared {
    pub(super) fn new(sender: Sender, limits: ServerLimits) -> Arc<Self> {
        Arc::new(Self {
            inbox: Mutex::default(),
            is_told: AtomicBool::new(false),
            sender,
            outbox: Mutex::default(),
            answers: Notify::new(),
            limits,
            phase: watch::Sender::new(Phase::Open),
            connections: AtomicUsize::new(0),
            listens: AtomicBool::new(true),
            bodies: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
        })
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a request over.
    pub(super) fn push(&self, exchange: Exchange) {
        self.inbox().push_back(exchange);
        self.tell();
    }

    fn tell(&self) {
        if !self.is_told.swap(true, Ordering::AcqRel) {
            self.sender.post(0);
        }
    }

    /// Whether too much waits for peers that do not take it.
    pub(super) fn is_clogged(&self) -> bool {
        let most = self
            .limits
            .memory
            .map_or(MOST_UNSENT, |memory| MOST_UNSENT.min(memory));
        self.unsent.load(Ordering::Acquire) > most
    }

    /// Answers a request.
    pub(super) fn answer(self: &Arc<Self>, reply: Answered, response: Response<ReplyBody>) {
        let response = response.map(|body| match body {
            ReplyBody::Bytes(bytes) if bytes.len() >= LEAST_UNSENT => {
                self.unsent.fetch_add(bytes.len(), Ordering::AcqRel);
                let shared = self.clone();
                ReplyBody::Bytes(Bytes::from_owner(Unsent { shared, bytes }))
            }
            body => body,
        });
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.push((reply, response));
        let is_first = outbox.len() == 1;
        drop(outbox);
        if is_first {
            self.answers.notify_one();
        }
    }

    fn note_end(&self) {
        if *self.phase.borrow() != Phase::Open {
            self.tell();
        }
    }

    /// Has the server told of what comes from now on. Before it looks.
    pub(super) fn listen(&self) {
        self.is_told.store(false, Ordering::Release);
    }

    /// Takes the requests that wait, up to a number.
    pub(super) fn take(&self, most: usize, into: &mut Vec<Exchange>) {
        let mut inbox = self.inbox();
        let count = most.min(inbox.len());
        into.extend(inbox.drain(..count));
    }

    /// Whether nothing is open any more.
    pub(super) fn is_over(&self) -> bool {
        !self.listens.load(Ordering::Acquire)
            && self.connections.load(Ordering::Acquire) == 0
            && self.inbox().is_empty()
    }

    /// Enters a phase, unless it is in a later one.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let is_later = phase > *now;
            if is_later {
                *now = phase;
            }
            is_later
        });
        if phase == Phase::Killed {
            // Whoever waits for an answer is told that there is none.
            self.inbox().clear();
        }
    }
}

/// Waits until a server is in a phase, or in a later one. Without a server that is never.
pub(super) async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How connections are served.
fn protocol(limits: ServerLimits) -> http1::Builder {
    /// Bytes of a request's head.
    const HEAD: usize = 16 << 10;
    /// Bytes that are read ahead.
    const BUFFER: usize = 32 << 10;
    let mut builder = http1::Builder::new();
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(limits.timeout)
        .max_header_size(HEAD)
        .max_buf_size(BUFFER);
    builder
}

/// Hands answers to their connections until the server has ended.
pub(super) async fn deliver(shared: Arc<Shared>) {
    let mut phase = shared.phase.subscribe();
    let mut answers = Vec::new();
    loop {
        let is_over = tokio::select! {
            () = shared.answers.notified() => false,
            () = reached(&mut phase, Phase::Killed) => true,
        };
        std::mem::swap(
            &mut answers,
            &mut *shared.outbox.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for (reply, response) in answers.drain(..) {
            // A peer that has gone gets no answer.
            let _ = reply.send(response);
        }
        if is_over {
            return;
        }
    }
}

/// Accepts connections until the server is told to end.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let most = CONNECTIONS.min(shared.limits.handles.unwrap_or(usize::MAX));
    let permits = Arc::new(Semaphore::new(most));
    let mut phase = shared.phase.subscribe();
    let protocol = protocol(shared.limits);
    let next = async || {
        let permit = permits.clone().acquire_owned().await.ok()?;
        Some((listener.accept().await, permit))
    };
    loop {
        let accepted = tokio::select! {
            () = reached(&mut phase, Phase::Draining) => break,
            accepted = next() => accepted,
        };
        match accepted {
            Some((Ok((stream, peer)), permit)) => {
                shared.connections.fetch_add(1, Ordering::AcqRel);
                let counted = Arc::new(Counted {
                    shared: shared.clone(),
                    _permit: permit,
                });
                let served = connection::serve(
                    stream,
                    peer,
                    tls.clone(),
                    shared.clone(),
                    protocol.clone(),
                    counted,
                );
                tokio::spawn(served);
            }
            Some((Err(_), _)) => tokio::time::sleep(REST).await,
            None => break,
        }
    }
    drop(listener);
    shared.listens.store(false, Ordering::Release);
    shared.note_end();
}
