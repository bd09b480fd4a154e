//! A connection of a server: its requests are read whole, handed over, and answered one after the other.
//!
//! Each part has its time: the head of a request with the silence before it, its body, its handler, and what is written
//! to a peer that does not take it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::body::ReplyBody;
use super::listener::{Counted, Exchange, Held, Phase, Shared, reached};

/// Bytes of a refused body that are read, so that a peer that sends first and reads then gets its answer.
const MOST_IGNORED: usize = 16 << 20;
/// How long.
const IGNORED_FOR: Duration = Duration::from_secs(2);
/// How long an encrypted connection may take to be made, unless less is said.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Serves a connection until its end, or the server's.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    protocol: http1::Builder,
    counted: Arc<Counted>,
) {
    // Small answers leave at once; where that cannot be set they leave a little later.
    let _ = stream.set_nodelay(true);
    let limit = shared.limits.timeout;
    // A connection over which nothing comes takes no buffers.
    let mut phase = shared.phase.subscribe();
    // A new stream is taken to be readable until it has been tried, so it is looked at what there is.
    let begun = async {
        let mut first = [0];
        match limit {
            Some(limit) => timeout(limit, stream.peek(&mut first))
                .await
                .is_ok_and(|begun| begun.is_ok()),
            None => stream.peek(&mut first).await.is_ok(),
        }
    };
    let begins = tokio::select! {
        begins = begun => begins,
        () = reached(&mut phase, Phase::Draining) => false,
    };
    if begins {
        // Tasks of their own: one that waits is as small as it can be.
        match tls {
            None => drop(tokio::spawn(serve_stream(
                stream, peer, shared, protocol, counted,
            ))),
            Some(tls) => drop(tokio::spawn(serve_encrypted(
                stream, peer, tls, shared, protocol, counted,
            ))),
        }
    }
}

async fn serve_encrypted(
    stream: TcpStream,
    peer: SocketAddr,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
    protocol: http1::Builder,
    counted: Arc<Counted>,
) {
    let limit = shared.limits.timeout;
    let most = limit.map_or(HANDSHAKE, |limit| limit.min(HANDSHAKE));
    // A peer that does not get it done is the peer's business.
    if let Ok(Ok(stream)) = timeout(most, tls.accept(stream)).await {
        Box::pin(serve_stream(stream, peer, shared, protocol, counted)).await;
    }
}

async fn serve_stream<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    peer: SocketAddr,
    shared: Arc<Shared>,
    protocol: http1::Builder,
    counted: Arc<Counted>,
) {
    let mut phase = shared.phase.subscribe();
    let limit = shared.limits.timeout;
    let service = service_fn(|request| answer(shared.clone(), peer, request, counted.clone()));
    let io = TokioIo::new(Punctual::new(stream, limit));
    let mut connection = pin!(protocol.serve_connection(io, service).with_upgrades());
    tokio::select! {
        // What goes wrong with a connection is its peer's business.
        _ = connection.as_mut() => return,
        () = reached(&mut phase, Phase::Draining) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = reached(&mut phase, Phase::Killed) => {}
    }
}

/// An answer that no handler gives.
pub(super) fn plain(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Bytes(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// An answer after which the connection is closed, since its request has not been read.
fn refusal(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    let mut response = plain(status, text);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Reads a request, hands it over, and waits for the answer.
async fn answer(
    shared: Arc<Shared>,
    peer: SocketAddr,
    mut request: Request<Incoming>,
    connection: Arc<Counted>,
) -> Result<Response<ReplyBody>, Infallible> {
    let upgrade = request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let mut held = Held::new(&shared);
    let limit = shared.limits.timeout;
    let body = if body.is_end_stream() {
        Bytes::new()
    } else {
        let expects = parts.headers.contains_key(header::EXPECT);
        let read = read(body, &mut held, shared.limits.max_body, expects);
        let read = match limit {
            Some(limit) => timeout(limit, read).await,
            None => Ok(read.await),
        };
        match read {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return Ok(refusal),
            Err(_) => {
                return Ok(refusal(
                    StatusCode::REQUEST_TIMEOUT,
                    "The request took too long.\n",
                ));
            }
        }
    };
    if shared.is_clogged() {
        return Ok(plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "The server has too much to do.\n",
        ));
    }
    let (reply, answered) = oneshot::channel();
    shared.push(Exchange {
        parts,
        body,
        peer,
        reply,
        upgrade,
        connection,
        held,
    });
    let answered = match limit {
        Some(limit) => timeout(limit, answered).await,
        None => Ok(answered.await),
    };
    Ok(match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => plain(StatusCode::SERVICE_UNAVAILABLE, "The server is closing.\n"),
        Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "The answer took too long.\n"),
    })
}

/// The whole body, or why it is refused.
async fn read(
    mut body: Incoming,
    held: &mut Held,
    most: usize,
    expects: bool,
) -> Result<Bytes, Response<ReplyBody>> {
    let too_large = || {
        refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than the server takes.\n",
        )
    };
    let declared = body.size_hint();
    if declared.lower() > most as u64 {
        // A peer that asks first has sent nothing.
        if !expects {
            ignore(body).await;
        }
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(refusal(StatusCode::BAD_REQUEST, "The body is malformed.\n"));
        };
        let Ok(data) = frame.into_data() else { continue };
        if !held.add(data.len()) {
            ignore(body).await;
            return Err(refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "The server has too much to do.\n",
            ));
        }
        if first.len().max(rest.len()) + data.len() > most {
            ignore(body).await;
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
        } else {
            // The rest begins with the first.
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// Reads the rest of a body for some time.
async fn ignore(mut body: Incoming) {
    let reading = async {
        let mut count = 0;
        while let Some(Ok(frame)) = body.frame().await {
            count += frame.data_ref().map_or(0, Bytes::len);
            if count > MOST_IGNORED {
                return;
            }
        }
    };
    let _ = timeout(IGNORED_FOR, reading).await;
}

/// A stream whose peer has to take what is written within a time.
pub(super) struct Punctual<S> {
    stream: S,
    limit: Option<Duration>,
    /// Runs while nothing can be written.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<S> Punctual<S> {
    pub(super) fn new(stream: S, limit: Option<Duration>) -> Self {
        Self {
            stream,
            limit,
            waits: None,
        }
    }

    fn punctually<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match (polled, self.limit) {
            (Poll::Pending, Some(limit)) => {
                let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(limit)));
                ready!(waits.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            (polled, _) => {
                self.waits = None;
                polled
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Punctual<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Punctual<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, data);
        self.punctually(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.punctually(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.punctually(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.punctually(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::serve;

    /// The size of what an asynchronous function of six parameters gives.
    fn size<A, B, C, D, E, F, R>(_: fn(A, B, C, D, E, F) -> R) -> usize {
        size_of::<R>()
    }

    #[test]
    fn connections_over_which_nothing_has_come_are_small() {
        assert!(size(serve) <= 1024, "{} bytes", size(serve));
    }
}
