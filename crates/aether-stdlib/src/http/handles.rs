//! Connections of requests that are under way, counted as open handles.
//!
//! A request counts as one from its beginning until its response is there, or its streamed body has ended. What a client
//! keeps for its next request counts on, and is used by that.
//!
//! Invariant: what is counted goes with the job of the request, also if nobody hears of its outcome.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use aether_eval::{Count, Ctx};
use aether_value::Raise;

/// Connections that a client keeps while nothing goes over them.
#[cfg(feature = "web")]
pub(super) const IDLE_CONNECTIONS: usize = 8;

/// The connections that a client keeps.
#[derive(Clone, Default)]
pub(super) struct Kept(Rc<RefCell<Vec<Count>>>);

/// A connection that counts.
#[cfg_attr(not(feature = "web"), expect(dead_code, reason = "held for what it counts"))]
pub(super) struct Connection {
    count: Count,
    kept: Option<Kept>,
}

#[cfg(feature = "web")]
impl Connection {
    /// The exchange is over; a client keeps the connection.
    pub(super) fn keep(self) {
        if let Some(Kept(kept)) = self.kept
            && kept.borrow().len() < IDLE_CONNECTIONS
        {
            kept.borrow_mut().push(self.count);
        }
    }
}

/// Stands for a connection where its count cannot go: on other threads.
pub(super) struct Token(Arc<()>);

/// The connections of requests that are under way.
#[derive(Default)]
struct UnderWay(Vec<(Weak<()>, Connection)>);

/// Counts a connection, one that a client has kept if there is such.
///
/// # Errors
/// The limit of open handles has been reached.
pub(super) fn begin(ctx: &mut Ctx<'_>, kept: Option<&Kept>) -> Result<Token, Raise> {
    // Requests that nobody waits for any more may have ended.
    forget(ctx);
    let count = match kept.and_then(|Kept(kept)| kept.borrow_mut().pop()) {
        Some(count) => count,
        None => ctx.open_handle()?,
    };
    let token = Arc::new(());
    let connection = Connection {
        count,
        kept: kept.cloned(),
    };
    let entry = (Arc::downgrade(&token), connection);
    ctx.module_state::<UnderWay>().0.push(entry);
    Ok(Token(token))
}

/// The request has an outcome: its connection.
#[expect(clippy::needless_pass_by_value, reason = "a token is good for once")]
pub(super) fn end(ctx: &mut Ctx<'_>, token: Token) -> Option<Connection> {
    let under_way = &mut ctx.module_state::<UnderWay>().0;
    let at = under_way
        .iter()
        .position(|(known, _)| std::ptr::eq(known.as_ptr(), Arc::as_ptr(&token.0)))?;
    Some(under_way.swap_remove(at).1)
}

/// Lets go of what no request holds any more.
pub(super) fn forget(ctx: &mut Ctx<'_>) {
    ctx.module_state::<UnderWay>()
        .0
        .retain(|(token, _)| token.strong_count() > 0);
}
