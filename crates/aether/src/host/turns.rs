//! Turns: a program and its workers run one at a time, in an order that a seed chooses, so that a test can try many.
//!
//! An engine hands its turn on when it looks at its limits, when it has left a message, before it waits, and at its end.
//!
//! Invariants
//! - At most one engine runs at a time, that of the seat that has the turn.
//! - Who is next depends on the seed and on who can go on: whoever has not been kept waiting, or whose waker is woken.
//!   Where nobody can, time passes to the first moment that is waited for.
//! - A worker's thread keeps the turn until it has told of its end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aether_eval::{Random, Waiting, Waker};

/// How often it is looked whether somebody can go on, while nobody can.
const LOOK: Duration = Duration::from_micros(200);

/// An engine's place.
enum Seat {
    /// It can go on, or is not yet there.
    Ready,
    Waiting(Waker, Waiting),
    /// Its engine has ended.
    Empty,
}

struct State {
    random: Random,
    seats: Vec<Seat>,
    turn: Option<usize>,
    /// Nanoseconds of the clock that all share.
    clock: u64,
    /// Since when nobody can go on.
    idle_since: Option<Instant>,
}

/// What the engines of one program share.
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
    /// How long nobody may be able to go on, before the program is interrupted.
    patience: Duration,
}

/// An engine's place, which is empty when this is dropped.
pub(super) struct Place {
    turns: Arc<Turns>,
    seat: usize,
}

/// How a wait ended.
pub(super) struct Resumed {
    /// What time it is.
    pub(super) clock: u64,
    /// Whether nothing has happened for too long.
    pub(super) timed_out: bool,
}

impl Turns {
    /// The place of the first engine, which has the turn.
    pub(super) fn begin(seed: u64, clock: u64, patience: Duration) -> Place {
        let state = State {
            random: Random::new(seed),
            seats: vec![Seat::Ready],
            turn: Some(0),
            clock,
            idle_since: None,
        };
        let turns = Arc::new(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            patience,
        });
        Place { turns, seat: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until a seat has the turn.
    fn take_turn(&self, mut state: MutexGuard<'_, State>, seat: usize) -> Resumed {
        let mut timed_out = false;
        while state.turn != Some(seat) {
            if state.turn.is_none() && state.choose() {
                self.changed.notify_all();
                continue;
            }
            if state.turn.is_some() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let since = *state.idle_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.patience && seat == 0 {
                timed_out = true;
                state.turn = Some(seat);
                break;
            }
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.idle_since = None;
        state.seats[seat] = Seat::Ready;
        Resumed {
            clock: state.clock,
            timed_out,
        }
    }
}

impl State {
    /// Gives the turn to somebody who can go on, if there is anybody.
    fn choose(&mut self) -> bool {
        let able: Vec<usize> = (0..self.seats.len()).filter(|&seat| self.is_able(seat)).collect();
        self.turn = if able.is_empty() {
            self.first_moment()
        } else {
            Some(able[self.random.below(able.len() as u64) as usize])
        };
        self.turn.is_some()
    }

    fn is_able(&self, seat: usize) -> bool {
        match &self.seats[seat] {
            Seat::Ready => true,
            Seat::Waiting(waker, waiting) => {
                waker.is_woken(waiting.messages) || waiting.until.is_some_and(|until| until <= self.clock)
            }
            Seat::Empty => false,
        }
    }

    /// Lets time pass to the first moment that somebody waits for.
    fn first_moment(&mut self) -> Option<usize> {
        let waits = self.seats.iter().enumerate();
        let moments = waits.filter_map(|(seat, state)| match state {
            Seat::Waiting(_, waiting) => Some((waiting.until?, seat)),
            _ => None,
        });
        let (until, seat) = moments.min()?;
        self.clock = self.clock.max(until);
        Some(seat)
    }
}

impl Place {
    /// A place for one more engine, which can go on.
    pub(super) fn add(&self) -> Self {
        let mut state = self.turns.lock();
        state.seats.push(Seat::Ready);
        let seat = state.seats.len() - 1;
        drop(state);
        Self {
            turns: self.turns.clone(),
            seat,
        }
    }

    /// Waits for the first turn.
    pub(super) fn arrive(&self) -> Resumed {
        self.turns.take_turn(self.turns.lock(), self.seat)
    }

    /// Hands the turn on, maybe to itself.
    pub(super) fn pass(&self) -> Resumed {
        let mut state = self.turns.lock();
        if state.turn == Some(self.seat) {
            state.turn = None;
        }
        self.turns.take_turn(state, self.seat)
    }

    /// Hands the turn on, and waits as an engine asks. `now` is the engine's time, which others have to follow.
    pub(super) fn wait(&self, waker: &Waker, waiting: Waiting, now: u64) -> Resumed {
        let mut state = self.turns.lock();
        state.clock = state.clock.max(now);
        if state.turn == Some(self.seat) {
            state.turn = None;
        }
        state.seats[self.seat] = Seat::Waiting(waker.clone(), waiting);
        let resumed = self.turns.take_turn(state, self.seat);
        // The wake is taken note of.
        waker.wait(Some(Duration::ZERO), waiting.messages);
        resumed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        state.seats[self.seat] = Seat::Empty;
        if state.turn == Some(self.seat) {
            state.turn = None;
            self.turns.changed.notify_all();
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Place").field(&self.seat).finish()
    }
}
