//! Event sources: how a service that waits for many sources, such as a server for its connections, hears of them.
//!
//! The service is a built-in's frame. It takes events, does what they ask for, and awaits the next one. A source that
//! has something new is named once, however often it has; the service asks the source itself what is new.
//!
//! While a service runs, Ctrl-C asks it to come to an end instead of ending the program, and an error of a queued
//! callback is the service's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use aether_value::{Promise, Raise, Rc};

use super::receiver::{Message, Receiver};

/// What a service listens to.
pub struct EventSource {
    pub(crate) number: u64,
    /// What messages call the service.
    pub(crate) service: &'static str,
    /// Whether it serves beside the program, so that errors of queued callbacks are not its own.
    pub(crate) in_background: bool,
    events: RefCell<VecDeque<u64>>,
    /// Settled to wake the service.
    pub(crate) waiting: RefCell<Option<Rc<Promise>>>,
    /// When its timer is due, if one is set.
    pub(crate) due: Cell<Option<u64>>,
    /// How often the user has asked to stop.
    pub(crate) stops: Cell<u32>,
    /// What a callback threw.
    pub(crate) failure: RefCell<Option<Raise>>,
}

/// Names sources to an event source, from any thread.
#[derive(Clone)]
pub struct Sender {
    receiver: Receiver,
    event_source: u64,
}

impl EventSource {
    pub(super) fn new(number: u64, service: &'static str, in_background: bool) -> Self {
        Self {
            number,
            service,
            in_background,
            events: RefCell::default(),
            waiting: RefCell::new(None),
            due: Cell::new(None),
            stops: Cell::new(0),
            failure: RefCell::new(None),
        }
    }

    /// The next source that has something new.
    pub fn next_event(&self) -> Option<u64> {
        self.events.borrow_mut().pop_front()
    }

    /// A source has something new. The service is not woken.
    pub(crate) fn push_event(&self, source: u64) {
        self.events.borrow_mut().push_back(source);
    }

    /// How often the user has asked to stop since the service began.
    pub fn stops(&self) -> u32 {
        self.stops.get()
    }

    /// What a queued callback threw while the service ran.
    pub fn take_failure(&self) -> Option<Raise> {
        self.failure.borrow_mut().take()
    }

    /// Whether the service has no reason to wait.
    pub(crate) fn has_pending(&self, stops: u32) -> bool {
        !self.events.borrow().is_empty() || self.failure.borrow().is_some() || self.stops.get() != stops
    }
}

impl Sender {
    pub(super) fn new(receiver: &Receiver, event_source: u64) -> Self {
        Self {
            receiver: receiver.clone(),
            event_source,
        }
    }

    /// Names a source that has something new.
    pub fn post(&self, source: u64) {
        self.receiver.post(Message::Event {
            event_source: self.event_source,
            source,
        });
    }
}
