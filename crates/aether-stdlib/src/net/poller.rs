//! The poller: one thread for the sockets of every engine of this process.
//!
//! A socket belongs to its engine's thread, which reads and writes it. The poller only learns from the system which
//! sockets have something new, and names them to their engine's event source. A socket is named once, until its engine has
//! asked what is new: however much arrives while the engine is busy, its receiver does not grow.
//!
//! A connection that was closed after writing is kept here for a moment: were it closed while the peer still sends,
//! the system would throw away what the peer has not received yet.
//!
//! Invariants
//! - Work is constant for an event; nothing is polled on a timer while no connection lingers.
//! - A slot is used again under another generation: an event for a socket that has gone reaches nobody.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aether_eval::Sender;
use mio::event::Source;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

/// There is something to read, the end included.
pub(super) const READ: u8 = 1;
/// There is room to write, or a connection is made or has failed.
pub(super) const WRITE: u8 = 2;

/// Events taken from the system at a time.
const EVENTS: usize = 1024;
/// How long a closed connection is kept for its peer to end it.
const LINGER: Duration = Duration::from_secs(2);
/// Most connections that are kept so.
const MOST_LINGERING: usize = 1024;
/// The thread only names sockets.
const STACK: usize = 128 << 10;
/// Descriptors that servers of many connections want.
const DESCRIPTORS: u64 = 1 << 20;

/// Who hears of a socket.
struct Target {
    post: Sender,
    source: u64,
    /// What is new and has not been asked for.
    news: AtomicU8,
}

enum Use {
    Free,
    Engine(Arc<Target>),
    Lingering(TcpStream, Instant),
}

struct Slot {
    generation: u32,
    is: Use,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    lingering: usize,
    /// When the lingering ones are looked at next.
    sweep_at: Option<Instant>,
}

struct Poller {
    registry: Registry,
    waker: mio::Waker,
    table: Mutex<Table>,
}

/// A socket's place at the poller; it is given up when this goes.
pub(super) struct Watch {
    /// `None` once the place is somebody else's.
    token: Option<Token>,
    target: Arc<Target>,
}

static POLLER: OnceLock<Result<&'static Poller, io::ErrorKind>> = OnceLock::new();

/// The token that wakes the thread.
const WAKE: Token = Token(usize::MAX);

fn token(slot: u32, generation: u32) -> Token {
    Token((generation as usize) << 32 | slot as usize)
}

fn poller() -> io::Result<&'static Poller> {
    let poller = POLLER.get_or_init(|| start().map_err(|error| error.kind()));
    (*poller).map_err(io::Error::from)
}

fn start() -> io::Result<&'static Poller> {
    raise_descriptors();
    let poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    let waker = mio::Waker::new(&registry, WAKE)?;
    let poller: &'static Poller = Box::leak(Box::new(Poller {
        registry,
        waker,
        table: Mutex::default(),
    }));
    std::thread::Builder::new()
        .name("aether-poller".to_owned())
        .stack_size(STACK)
        .spawn(move || poller.run(poll))?;
    Ok(poller)
}

/// Lets this process have as many open descriptors as the system allows it.
pub(crate) fn raise_descriptors() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let wanted = maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
        if current.is_some_and(|current| current < wanted) {
            // Where it cannot be raised, accepting more connections fails and says so.
            let _ = setrlimit(
                Resource::Nofile,
                Rlimit {
                    current: Some(wanted),
                    maximum,
                },
            );
        }
    }
}

impl Poller {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life: the process's.
    fn run(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(EVENTS);
        let mut timeout = None;
        loop {
            // An interrupted call is made again; there is nobody to tell of other failures.
            let _ = poll.poll(&mut events, timeout);
            let mut table = self.table();
            for event in &events {
                let news = if event.is_readable() || event.is_read_closed() || event.is_error() {
                    READ
                } else {
                    0
                };
                let room = if event.is_writable() || event.is_error() {
                    WRITE
                } else {
                    0
                };
                table.tell(event.token(), news | room);
            }
            timeout = table.sweep();
        }
    }
}

impl Table {
    fn insert(&mut self, target: Arc<Target>) -> Token {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                is: Use::Free,
            });
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.generation = place.generation.wrapping_add(1) & (u32::MAX >> 1);
        place.is = Use::Engine(target);
        token(slot, place.generation)
    }

    fn slot(&mut self, at: Token) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(at.0 & u32::MAX as usize)?;
        (slot.generation as usize == at.0 >> 32).then_some(slot)
    }

    fn remove(&mut self, at: Token) {
        if let Some(slot) = self.slot(at) {
            let was = std::mem::replace(&mut slot.is, Use::Free);
            if matches!(was, Use::Lingering(..)) {
                self.lingering -= 1;
            }
            if !matches!(was, Use::Free) {
                self.free.push((at.0 & u32::MAX as usize) as u32);
            }
        }
    }

    fn tell(&mut self, at: Token, news: u8) {
        let Some(slot) = self.slot(at) else { return };
        match &mut slot.is {
            Use::Free => {}
            Use::Engine(target) => {
                if target.news.fetch_or(news, Ordering::AcqRel) == 0 && news != 0 {
                    target.post.post(target.source);
                }
            }
            Use::Lingering(stream, _) => {
                if has_ended(stream) {
                    self.remove(at);
                }
            }
        }
    }

    /// Closes the connections that have lingered long enough; gives the time until the next look.
    fn sweep(&mut self) -> Option<Duration> {
        if self.lingering == 0 {
            self.sweep_at = None;
            return None;
        }
        let now = Instant::now();
        let due = *self.sweep_at.get_or_insert(now + LINGER);
        if due > now {
            return Some(due - now);
        }
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if let Use::Lingering(_, until) = slot.is
                && until <= now
            {
                self.remove(token(index as u32, slot.generation));
            }
        }
        self.sweep_at = (self.lingering > 0).then_some(now + LINGER);
        self.sweep_at.map(|_| LINGER)
    }
}

/// Throws away what a peer still sends; answers whether that was all.
fn has_ended(stream: &mut TcpStream) -> bool {
    let mut waste = [0; 4096];
    loop {
        match stream.read(&mut waste) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl Watch {
    /// Has the poller name a socket to an event source when it has something new.
    pub(super) fn new(socket: &mut impl Source, post: Sender, source: u64) -> io::Result<Self> {
        let poller = poller()?;
        let target = Arc::new(Target {
            post,
            source,
            news: AtomicU8::new(0),
        });
        let token = poller.table().insert(target.clone());
        let registered = poller
            .registry
            .register(socket, token, Interest::READABLE | Interest::WRITABLE);
        if let Err(error) = registered {
            poller.table().remove(token);
            return Err(error);
        }
        Ok(Self {
            token: Some(token),
            target,
        })
    }

    /// What is new since this was last asked.
    pub(super) fn take_readiness(&self) -> u8 {
        self.target.news.swap(0, Ordering::AcqRel)
    }

    /// Keeps a connection whose writing side has been shut down until its peer ends it too, for a moment.
    pub(super) fn linger(mut self, mut stream: TcpStream) {
        let (Ok(poller), Some(token)) = (poller(), self.token) else {
            return;
        };
        let mut table = poller.table();
        if table.lingering >= MOST_LINGERING || has_ended(&mut stream) {
            return;
        }
        if let Some(slot) = table.slot(token) {
            slot.is = Use::Lingering(stream, Instant::now() + LINGER);
            table.lingering += 1;
            self.token = None;
            // The thread has to learn of the deadline.
            let _ = poller.waker.wake();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let (Ok(poller), Some(token)) = (poller(), self.token) {
            poller.table().remove(token);
        }
    }
}
