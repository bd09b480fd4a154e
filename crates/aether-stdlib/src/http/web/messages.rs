//! A web socket's side on the network's thread: messages that come and go, pings, the end.
//!
//! What has come waits in a pipe of bounded room; while it is full nothing is read. What is to be sent waits in a queue
//! whose bytes are counted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::listener::{Phase, reached};
use crate::awaited::Awaited;

/// Messages that wait to be taken.
const MESSAGES: usize = 64;
/// Bytes of them, beside the last one.
const WAITING: usize = 256 << 10;
/// How often a silent peer is asked whether it is there.
const PING: Duration = Duration::from_secs(30);
/// How long a message may take to be sent.
const SENDING: Duration = Duration::from_secs(30);
/// How long the peer may take to agree to the end.
const CLOSING: Duration = Duration::from_secs(5);
/// Bytes that are read at a time.
const BUFFER: usize = 4 << 10;

/// What has come.
pub(super) enum Received {
    Text(Utf8Bytes),
    Binary(Bytes),
}

impl Received {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// What is to be sent.
pub(super) enum Outgoing {
    Text(String),
    Binary(Vec<u8>),
    Close(u16, String),
}

/// How it ended.
#[derive(Clone)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Received>,
    bytes: usize,
    end: Option<End>,
    /// Nobody takes any more.
    abandoned: bool,
}

/// Where messages wait, and what both threads know of a socket.
#[derive(Default)]
pub(super) struct Pipe {
    state: Awaited<State>,
    room: Notify,
    /// Bytes that are to be sent.
    pub(super) unsent: AtomicUsize,
}

/// What is to be known of the next message.
pub(super) enum Ahead {
    Message(Received),
    End(End),
    NotYet,
}

impl Pipe {
    /// Takes what comes next.
    pub(super) fn take(&self) -> Ahead {
        let mut state = self.state.lock();
        match state.messages.pop_front() {
            Some(message) => {
                state.bytes -= message.len();
                drop(state);
                self.room.notify_one();
                Ahead::Message(message)
            }
            None => state.end.clone().map_or(Ahead::NotYet, Ahead::End),
        }
    }

    /// Whether there is a message; none if that is not known yet.
    pub(super) fn has_message(&self) -> Option<bool> {
        let state = self.state.lock();
        if state.messages.is_empty() {
            return state.end.is_some().then_some(false);
        }
        Some(true)
    }

    /// How it ended, if it has, whatever still waits.
    pub(super) fn end(&self) -> Option<End> {
        self.state.lock().end.clone()
    }

    /// Bytes that wait to be taken.
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().bytes
    }

    /// Waits until there is a message, or the end.
    pub(super) async fn has_come(self: Arc<Self>) {
        let has_come = |state: &mut State| (!state.messages.is_empty() || state.end.is_some()).then_some(());
        self.state.find(has_come).await;
    }

    /// Waits until it has ended, whatever still waits.
    pub(super) async fn is_over(self: Arc<Self>) {
        self.state.find(|state| state.end.is_some().then_some(())).await;
    }

    /// Nobody takes messages any more.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        state.abandoned = true;
        state.messages.clear();
        state.bytes = 0;
        drop(state);
        self.room.notify_one();
    }

    fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.abandoned || state.messages.len() < MESSAGES && state.bytes < WAITING
    }

    fn push(&self, message: Received) {
        self.state.change(|state| {
            if !state.abandoned {
                state.bytes += message.len();
                state.messages.push_back(message);
            }
        });
    }

    /// It has ended. Only the first end counts.
    pub(super) fn finish(&self, end: End) {
        self.state.change(|state| {
            state.end.get_or_insert(end);
        });
    }
}

/// The limits of a socket whose messages have so many bytes at most.
pub(super) fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// A stream that is a web socket by now.
pub(super) async fn socket<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    role: Role,
    max_message: usize,
) -> WebSocketStream<S> {
    WebSocketStream::from_raw_socket(stream, role, Some(config(max_message))).await
}

/// What becomes of a connection next.
enum Turn {
    /// This end closes it.
    Close(u16, String),
    /// It is over.
    Over(End),
}

fn lost(detail: &str) -> End {
    End {
        code: CloseCode::Abnormal.into(),
        reason: detail.to_owned(),
    }
}

/// Carries messages until the end. `phase` is the server's, if there is one.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut socket: WebSocketStream<S>,
    pipe: Arc<Pipe>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    mut phase: watch::Receiver<Phase>,
) {
    let turn = carry(&mut socket, &pipe, &mut outgoing, &mut phase).await;
    let end = match turn {
        Turn::Over(end) => end,
        Turn::Close(code, reason) => {
            let closing = close(&mut socket, &pipe, code, reason);
            tokio::select! {
                end = timeout(CLOSING, closing) => end.unwrap_or_else(|_| lost("")),
                () = reached(&mut phase, Phase::Killed) => lost(""),
            }
        }
    };
    pipe.finish(end);
}

async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    pipe: &Pipe,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
    phase: &mut watch::Receiver<Phase>,
) -> Turn {
    let mut pings = interval_at(Instant::now() + PING, PING);
    // Whether the peer has said anything since it was asked.
    let mut is_silent = false;
    loop {
        let has_room = pipe.has_room();
        tokio::select! {
            message = outgoing.recv() => {
                let (message, length) = match message {
                    Some(Outgoing::Text(text)) => { let length = text.len(); (Message::text(text), length) }
                    Some(Outgoing::Binary(bytes)) => { let length = bytes.len(); (Message::binary(bytes), length) }
                    Some(Outgoing::Close(code, reason)) => return Turn::Close(code, reason),
                    // Nobody holds the socket any more.
                    None => return Turn::Close(CloseCode::Normal.into(), String::new()),
                };
                let sent = timeout(SENDING, socket.send(message)).await;
                pipe.unsent.fetch_sub(length, Ordering::AcqRel);
                match sent {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Turn::Over(lost(&error.to_string())),
                    Err(_) => return Turn::Over(lost("the peer does not take what is sent")),
                }
            }
            message = socket.next(), if has_room => {
                is_silent = false;
                match message {
                    Some(Ok(Message::Text(text))) => pipe.push(Received::Text(text)),
                    Some(Ok(Message::Binary(bytes))) => pipe.push(Received::Binary(bytes)),
                    Some(Ok(Message::Close(frame))) => return Turn::Over(agreed(socket, frame).await),
                    Some(Ok(_)) => {}
                    Some(Err(Error::Capacity(error))) => {
                        return Turn::Close(CloseCode::Size.into(), error.to_string());
                    }
                    Some(Err(Error::Utf8(_))) => {
                        return Turn::Close(CloseCode::Invalid.into(), "text that is not UTF-8".to_owned());
                    }
                    Some(Err(Error::Protocol(error))) => {
                        return Turn::Close(CloseCode::Protocol.into(), error.to_string());
                    }
                    Some(Err(error)) => return Turn::Over(lost(&error.to_string())),
                    None => return Turn::Over(lost("")),
                }
            }
            () = pipe.room.notified(), if !has_room => {}
            _ = pings.tick() => {
                if is_silent && has_room {
                    return Turn::Over(lost("the peer is silent"));
                }
                is_silent = true;
                let ping = socket.send(Message::Ping(Bytes::new()));
                if !matches!(timeout(SENDING, ping).await, Ok(Ok(()))) {
                    return Turn::Over(lost("the peer does not take what is sent"));
                }
            }
            () = reached(phase, Phase::Draining) => {
                return Turn::Close(CloseCode::Away.into(), "the server is closing".to_owned());
            }
        }
    }
}

fn end_of(frame: Option<CloseFrame>) -> End {
    frame.map_or(
        End {
            code: CloseCode::Status.into(),
            reason: String::new(),
        },
        |frame| End {
            code: frame.code.into(),
            reason: frame.reason.as_str().to_owned(),
        },
    )
}

/// The peer closes it: that is confirmed.
async fn agreed<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    frame: Option<CloseFrame>,
) -> End {
    // The answer has been queued by reading; a peer that has gone does not get it.
    let _ = timeout(CLOSING, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    end_of(frame)
}

/// This end closes it, and waits until the peer agrees. What comes meanwhile is still handed over.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    pipe: &Pipe,
    code: u16,
    reason: String,
) -> End {
    /// Bytes that a reason may have.
    const LONGEST: usize = 123;
    let own = End {
        code,
        reason: reason.clone(),
    };
    let mut cut = reason.len().min(LONGEST);
    while !reason.is_char_boundary(cut) {
        cut -= 1;
    }
    let frame = CloseFrame {
        code: code.into(),
        reason: reason[..cut].into(),
    };
    if socket.send(Message::Close(Some(frame))).await.is_err() {
        return own;
    }
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) if pipe.has_room() => pipe.push(Received::Text(text)),
            Message::Binary(bytes) if pipe.has_room() => pipe.push(Received::Binary(bytes)),
            _ => {}
        }
    }
    own
}
