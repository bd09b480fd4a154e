//! What is sent behind the head of a response: bytes, or a part of a file that is read as the peer takes it.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes of a file that are read at a time.
const PIECE: usize = 64 << 10;

/// A body.
pub(super) enum ReplyBody {
    /// Bytes that are there.
    Bytes(Bytes),
    /// A part of a file.
    File(FilePart),
}

/// Bytes of a file.
pub(super) struct FilePart {
    left: u64,
    reading: Reading,
}

enum Reading {
    /// Nothing is being read. So many bytes are to be left out first.
    Idle(Box<dyn Read + Send>, u64),
    /// A piece is being read, on another thread.
    Piece(JoinHandle<io::Result<(Box<dyn Read + Send>, Bytes)>>),
    Over,
}

impl FilePart {
    /// So many bytes of a file, after as many others.
    pub(super) fn new(file: Box<dyn Read + Send>, skip: u64, length: u64) -> Self {
        Self {
            left: length,
            reading: Reading::Idle(file, skip),
        }
    }
}

fn read_piece(
    mut file: Box<dyn Read + Send>,
    skip: u64,
    most: usize,
) -> io::Result<(Box<dyn Read + Send>, Bytes)> {
    if skip > 0 {
        io::copy(&mut file.by_ref().take(skip), &mut io::sink())?;
    }
    let mut piece = Vec::with_capacity(most);
    file.by_ref().take(most as u64).read_to_end(&mut piece)?;
    if piece.is_empty() {
        // Shorter than it was when its head was sent.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, piece.into()))
}

impl ReplyBody {
    /// None at all.
    pub(super) const EMPTY: Self = Self::Bytes(Bytes::new());
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::File(part) => part.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(part) => part.left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(part) => part.left,
        })
    }
}

impl FilePart {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match std::mem::replace(&mut self.reading, Reading::Over) {
                Reading::Over => return Poll::Ready(None),
                Reading::Idle(..) if self.left == 0 => return Poll::Ready(None),
                Reading::Idle(file, skip) => {
                    let most = self.left.min(PIECE as u64) as usize;
                    let work = move || read_piece(file, skip, most);
                    self.reading = Reading::Piece(tokio::task::spawn_blocking(work));
                }
                Reading::Piece(mut handle) => {
                    let outcome = match Pin::new(&mut handle).poll(context) {
                        Poll::Pending => {
                            self.reading = Reading::Piece(handle);
                            return Poll::Pending;
                        }
                        Poll::Ready(outcome) => outcome.map_err(io::Error::other).flatten(),
                    };
                    return Poll::Ready(Some(outcome.map(|(file, piece)| {
                        self.left -= piece.len() as u64;
                        self.reading = Reading::Idle(file, 0);
                        Frame::data(piece)
                    })));
                }
            }
        }
    }
}
