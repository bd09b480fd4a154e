//! `try`, `catch`, `finally`, and `defer`.
//!
//! Entering a `try` costs nothing: a table says which words it covers. A `finally` block is compiled once. Every
//! way out of the `try` loads its number into a register and goes there; behind the block a row of comparisons
//! goes on with what was delayed. A returned value or pending error waits in the register after the number.
//!
//! The body of a function with a `defer` is such a `try`. Deferred code is a closure of its own; a `finally` that no
//! script wrote calls all of them, the last one first, and keeps the last error.

use aether_ast::{FunctionId, Node, NodeId};
use aether_resolve::Use;
use aether_value::Handler;

use super::function::{FinallyState, Label};
use super::{Compiler, Result};
use crate::bytecode::Op;

/// Number of the way out: the body ended.
const COMPLETED: i64 = -1;
/// Number of the way out: an error is pending.
const RAISED: i16 = -2;

impl Compiler<'_> {
    pub(super) fn try_statement(
        &mut self,
        body: NodeId,
        catch: Option<NodeId>,
        finally: Option<NodeId>,
    ) -> Result<()> {
        let Some(block) = finally else {
            return self.try_catch(body, catch);
        };
        self.open_scope();
        let (kind, value) = (self.allocate()?, self.allocate()?);
        self.add_local(value, true);
        let (entry, start) = self.begin_finally(kind);
        match catch {
            Some(_) => self.try_catch(body, catch)?,
            None => self.in_scope(body)?,
        }
        self.enter_finally(start, kind, kind + 2, entry);
        let done = self.label();
        if let Some(state) = self.function.finals.last_mut() {
            state.running = Some(done);
        }
        let start = self.here() as u32;
        self.in_scope(block)?;
        self.bind(done);
        self.cleanup_since(start);
        self.end_finally(kind);
        Ok(())
    }

    /// Begins what a `finally` block follows; gives the label of the block and the word where this begins.
    fn begin_finally(&mut self, kind: u16) -> (Label, u32) {
        let entry = self.label();
        self.function.finals.push(FinallyState {
            kind,
            entry,
            exits: Vec::new(),
            scopes: self.function.scopes.len(),
            running: None,
        });
        (entry, self.here() as u32)
    }

    /// The ways into a `finally` block: from the end of what began at word `start`, and with an error, which leaves the
    /// registers below `live` as they are.
    fn enter_finally(&mut self, start: u32, kind: u16, live: u16, entry: Label) {
        if self.function.reachable {
            self.load_int(COMPLETED, kind);
            self.jump(entry);
        }
        let end = self.here() as u32;
        self.handler(start, end, kind + 1, live, true);
        self.load_int(i64::from(RAISED), kind);
        self.bind(entry);
        self.function.reachable = true;
    }

    /// The words since `start` clean up: what is cancelled may still await there.
    fn cleanup_since(&mut self, start: u32) {
        let end = self.here() as u32;
        self.function.cleanups.push((start, end));
    }

    /// Goes on with what the `finally` block that ends here has delayed, and ends its scope.
    fn end_finally(&mut self, kind: u16) {
        let value = kind + 1;
        let state = self.function.finals.pop();
        if self.function.reachable {
            for (number, exit) in state
                .map(|state| state.exits)
                .unwrap_or_default()
                .into_iter()
                .enumerate()
            {
                let other = self.label();
                self.jump_compare(Op::JumpNotEqualI, kind, number as u16, 0, other, u32::MAX);
                self.resume_exit(exit, value);
                self.bind(other);
                self.function.reachable = true;
            }
            let completed = self.label();
            self.jump_compare(Op::JumpNotEqualI, kind, RAISED as u16, 0, completed, 0);
            self.emit(Op::Rethrow, value, 0, 0);
            self.bind(completed);
        }
        // Whoever gets here has nothing pending: the value's register is empty.
        if let Some(scope) = self.function.scopes.last_mut() {
            scope.locals.clear();
        }
        self.close_scope();
    }

    // --- defer ---

    /// The body of a function that defers something.
    pub(super) fn body_with_deferred(&mut self, body: NodeId) -> Result<()> {
        self.open_scope();
        let (kind, value, list) = (self.allocate()?, self.allocate()?, self.allocate()?);
        self.emit(Op::LoadNull, list, 0, 0);
        self.add_local(value, true);
        self.add_local(list, true);
        self.function.deferred = Some(list);
        let (entry, start) = self.begin_finally(kind);
        self.in_scope(body)?;
        self.function.deferred = None;
        self.enter_finally(start, kind, list + 1, entry);
        let start = self.here() as u32;
        self.run_deferred(kind, list)?;
        self.cleanup_since(start);
        self.end_finally(kind);
        Ok(())
    }

    /// Calls what is deferred, the last one first, until there is none. An error takes the place of what was pending.
    fn run_deferred(&mut self, kind: u16, list: u16) -> Result<()> {
        let value = kind + 1;
        let (next, call, done) = (self.label(), self.label(), self.label());
        self.bind(next);
        self.function.reachable = true;
        let window = self.allocate()?;
        self.jump_narrow(Op::NextDeferred, window, list, call, 0);
        self.jump(done);
        self.bind(call);
        self.function.reachable = true;
        let start = self.here() as u32;
        self.emit(Op::CallDeferred, window, 0, 0);
        self.emit(Op::Drop, window, 0, 0);
        self.jump(next);
        let end = self.here() as u32;
        // A call that fails to begin leaves its callee in the window.
        self.handler(start, end, window, window, true);
        self.emit(Op::Drop, value, 0, 0);
        self.emit(Op::Move, value, window, 0);
        self.load_int(i64::from(RAISED), kind);
        self.jump(next);
        // An interruption may arrive at either jump back.
        let end = self.here() as u32;
        if let Some(handler) = self.function.handlers.last_mut() {
            handler.end = end;
        }
        self.bind(done);
        self.function.reachable = true;
        self.emit(Op::Drop, list, 0, 0);
        self.free_to(window);
        Ok(())
    }

    pub(super) fn defer(&mut self, id: NodeId, function: FunctionId) -> Result<()> {
        let mark = self.function.next;
        // In a trace it is a part of the function that it belongs to.
        let name = self.function.name.clone();
        let child = self.child(function, name, None)?;
        let closure = self.allocate()?;
        self.at(id);
        self.emit(Op::Closure, closure, child, 0);
        match self.function.deferred {
            Some(list) => self.emit(Op::Defer, list, closure, 0),
            None => self.emit(Op::DeferAtEnd, closure, 0, 0),
        }
        self.free_to(mark);
        Ok(())
    }

    fn try_catch(&mut self, body: NodeId, catch: Option<NodeId>) -> Result<()> {
        let Some(Node::Catch {
            binding,
            body: catch_body,
        }) = catch.map(|catch| self.ast.node(catch))
        else {
            return self.in_scope(body);
        };
        self.open_scope();
        let error = self.allocate()?;
        let start = self.here() as u32;
        self.in_scope(body)?;
        let after = self.label();
        self.jump(after);
        let end = self.here() as u32;
        self.handler(start, end, error, error + 1, false);
        self.open_scope_of(catch_body)?;
        match binding.map(|binding| self.resolution.use_of(binding)) {
            Some(Use::Local(binding)) => {
                if self.resolution.binding(binding).cell {
                    self.emit(Op::NewCell, error, error, 0);
                }
                self.function.registers.insert(binding, error);
                self.add_local(error, true);
            }
            // Kept to the end of the block, as the budget's reserve for handlers lasts as long as its error.
            _ => self.add_local(error, true),
        }
        self.body(catch_body)?;
        self.close_scope();
        self.bind(after);
        self.close_scope();
        Ok(())
    }

    /// Errors raised in the words from `start` to `end` go on at the next word, with the error in `register`.
    fn handler(&mut self, start: u32, end: u32, register: u16, live: u16, finally: bool) {
        let target = self.here() as u32;
        self.function.handlers.push(Handler {
            start,
            end,
            target,
            register,
            live,
            finally,
        });
        self.function.reachable = true;
        self.bind_known(0);
    }
}
