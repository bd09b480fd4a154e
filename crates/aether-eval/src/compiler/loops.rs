//! `while` and `for`.
//!
//! Loops test at the bottom, so that a turn costs one jump. A `for` keeps three registers: the iteration state,
//! the position, and the item, which [`Op::Next`] releases when it brings the next one.

use aether_ast::{BinaryOp, List, Node, NodeId, Symbol, UnaryOp, ensure_stack};
use aether_resolve::Use;

use super::function::LoopState;
use super::{Compiler, Result};
use crate::bytecode::Op;

/// Source bytes of a body that `Next` can jump back over.
const NEAR_BODY: u32 = 8000;

enum TurnKind {
    /// A loop that `break` and `continue` know, and its label.
    Loop(Option<Symbol>),
    /// A clause of a comprehension.
    Clause,
}

/// What a turn of a `for` does.
struct Turn {
    /// The node whose scope it is.
    owner: NodeId,
    /// Bytes of its source text.
    source: u32,
    /// What it is a turn of.
    kind: TurnKind,
    /// An array that gets one item a turn.
    collects: Option<u16>,
}

impl Compiler<'_> {
    // --- comprehensions ---

    /// Collects what stands before the clauses: an element, or a key and a value.
    pub(super) fn comprehension(
        &mut self,
        id: NodeId,
        clauses: List,
        collected: &[NodeId],
        dst: u16,
    ) -> Result<()> {
        let ast = self.ast;
        let mark = self.function.next;
        let result = self.allocate()?;
        if collected.len() == 1 {
            self.emit(Op::Array, result, result, 0);
        } else {
            self.emit_wide(Op::Dict, result, 0);
        }
        self.clauses(id, ast.list(clauses), collected, result)?;
        self.free_to(mark);
        self.move_result(dst, result);
        Ok(())
    }

    fn clauses(&mut self, id: NodeId, clauses: &[NodeId], collected: &[NodeId], result: u16) -> Result<()> {
        ensure_stack(|| self.clauses_inner(id, clauses, collected, result))
    }

    fn clauses_inner(
        &mut self,
        id: NodeId,
        clauses: &[NodeId],
        collected: &[NodeId],
        result: u16,
    ) -> Result<()> {
        // What a clause governs stands before it too, so that only the whole has a length that covers it.
        let source = self.ast.span(id).len();
        let Some((&clause, inner)) = clauses.split_first() else {
            return self.collect(collected, result);
        };
        match self.ast.node(clause) {
            Node::ForClause { binding, iterable } => {
                let turn = Turn {
                    owner: clause,
                    source,
                    kind: TurnKind::Clause,
                    collects: (inner.is_empty() && collected.len() == 1).then_some(result),
                };
                self.open_scope_within();
                self.each(clause, binding, iterable, &turn, &mut |compiler| {
                    compiler.clauses(id, inner, collected, result)
                })
            }
            Node::IfClause(condition) => {
                let skip = self.label();
                self.branch(condition, false, skip, source + 16)?;
                self.clauses(id, inner, collected, result)?;
                self.bind(skip);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds an element or an entry to a comprehension's result.
    fn collect(&mut self, collected: &[NodeId], result: u16) -> Result<()> {
        let mark = self.function.next;
        let first = self.allocate()?;
        self.expr(collected[0], first)?;
        if let Some(&value) = collected.get(1) {
            let second = self.allocate()?;
            self.expr(value, second)?;
            self.at(collected[0]);
            self.emit(Op::Entry, result, first, second);
        } else {
            self.at(collected[0]);
            self.emit(Op::Append, result, first, 0);
        }
        self.free_to(mark);
        Ok(())
    }

    // --- statements ---

    pub(super) fn while_loop(
        &mut self,
        label: Option<Symbol>,
        condition: Option<NodeId>,
        body: NodeId,
    ) -> Result<()> {
        let (top, test, end) = (self.label(), self.label(), self.label());
        // `loop` has no condition, and `while (true)` none that matters.
        let condition =
            condition.filter(|&condition| self.ast.node(self.ungroup(condition)) != Node::Bool(true));
        let always = condition.is_none();
        let bottom_test = condition.filter(|&condition| self.spends_fuel(condition));
        if bottom_test.is_some() {
            self.jump(test);
            self.bind(top);
            // Reached through the jump from the bottom.
            self.function.reachable = true;
        } else {
            self.bind(top);
            self.bind(test);
            if let Some(condition) = condition {
                self.branch(condition, false, end, self.ast.span(body).len() + 16)?;
            }
        }
        self.function.loops.push(LoopState {
            label,
            scopes: self.function.scopes.len(),
            finals: self.function.finals.len(),
            on_break: end,
            on_continue: test,
        });
        self.in_scope(body)?;
        self.function.loops.pop();
        if let Some(condition) = bottom_test {
            self.bind(test);
            let over = self.ast.span(body).len() + self.ast.span(condition).len() + 16;
            if self.function.reachable {
                self.branch(condition, true, top, over)?;
            }
        } else {
            self.jump(top);
        }
        self.function.reachable = !always;
        self.bind(end);
        Ok(())
    }

    /// Whether every jump that `branch(condition, true, …)` makes spends fuel when taken.
    fn spends_fuel(&self, condition: NodeId) -> bool {
        let mut work = vec![condition];
        while let Some(id) = work.pop() {
            match self.ast.node(self.ungroup(id)) {
                Node::Unary { op: UnaryOp::Not, .. } | Node::Bool(_) => return false,
                Node::Logical { lhs, rhs, .. } => work.extend([lhs, rhs]),
                Node::Binary {
                    op: BinaryOp::Equal | BinaryOp::NotEqual,
                    rhs,
                    ..
                } => {
                    if matches!(self.ast.node(self.ungroup(rhs)), Node::Null) {
                        return false;
                    }
                }
                _ => {}
            }
        }
        true
    }

    pub(super) fn for_loop(
        &mut self,
        label: Option<Symbol>,
        id: NodeId,
        binding: NodeId,
        iterable: NodeId,
        body: NodeId,
    ) -> Result<()> {
        let inner = Turn {
            owner: body,
            source: self.ast.span(body).len(),
            kind: TurnKind::Loop(label),
            collects: None,
        };
        self.open_scope();
        self.each(id, binding, iterable, &inner, &mut |compiler| compiler.body(body))
    }

    /// What stands in the scope that is open, for each item; ends the scope.
    fn each(
        &mut self,
        id: NodeId,
        binding: NodeId,
        iterable: NodeId,
        turn: &Turn,
        body: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let (top, next, on_break, exit) = (self.label(), self.label(), self.label(), self.label());
        let state = self.allocate()?;
        let (_, item) = (self.allocate()?, self.allocate()?);
        let pairs = matches!(self.ast.node(binding), Node::PairPattern { .. });
        let range = self.literal_range(iterable).filter(|_| !pairs);
        let bounds = self.range_bounds(iterable).filter(|_| !pairs);
        let ranged = if let Some(bounds) = bounds {
            self.ranged_between(iterable, state, bounds)?;
            true
        } else if let Some((slot, args)) = range {
            self.ranged(iterable, state, slot, args)?;
            true
        } else {
            self.expr(iterable, state)?;
            self.at(iterable);
            if pairs {
                self.pairs_of(state)?;
            }
            self.emit(Op::Iterate, state, 0, 0);
            false
        };
        if let Some(array) = turn.collects {
            self.emit(Op::Reserve, array, state, 0);
        }
        self.add_local(state, true);
        self.add_local(item, true);
        self.jump(next);

        self.bind(top);
        self.function.reachable = true;
        if let TurnKind::Loop(label) = turn.kind {
            self.function.loops.push(LoopState {
                label,
                scopes: self.function.scopes.len(),
                finals: self.function.finals.len(),
                on_break,
                on_continue: next,
            });
        }
        self.open_scope_of(turn.owner)?;
        let assigned = self.bind_item(binding, item)?;
        let ast = self.ast;
        match ast.node(binding) {
            Node::PairPattern { first, second } => self.elements_of(item, binding, &[first, second])?,
            Node::ArrayPattern(items) => self.elements_of(item, binding, ast.list(items))?,
            Node::DictPattern(items) => self.entries_of(item, binding, items)?,
            _ => {}
        }
        body(self)?;
        self.close_scope();
        if let TurnKind::Loop(_) = turn.kind {
            self.function.loops.pop();
        }

        self.bind(next);
        self.function.reachable = true;
        self.set_place(self.ast.span(iterable));
        let op = if ranged && !assigned {
            Op::NextInt
        } else {
            Op::Next
        };
        let near = turn.source <= NEAR_BODY;
        let again = if near { top } else { self.label() };
        self.jump_narrow(op, state, 0, again, 0);
        self.jump(exit);
        self.function.reachable = true;
        self.instance_iteration(state, item, on_break)?;
        self.jump(top);
        if !near {
            self.bind(again);
            self.jump(top);
        }
        self.bind(on_break);
        self.at(id);
        self.emit(Op::Drop2, item, state, 0);
        self.bind(exit);
        self.function.reachable = true;
        if let Some(scope) = self.function.scopes.last_mut() {
            scope.locals.clear();
        }
        self.close_scope();
        Ok(())
    }

    /// Makes of what a loop over two variables goes over something that gives pairs.
    fn pairs_of(&mut self, state: u16) -> Result<()> {
        let mark = self.function.next;
        let (window, argument) = (self.allocate()?, self.allocate()?);
        self.emit(Op::Move, argument, state, 0);
        self.built_in(&crate::builtins::PAIRS, window);
        self.emit(Op::CallTop, window, 0, 1);
        self.emit(Op::Move, state, window, 0);
        self.free_to(mark);
        Ok(())
    }

    /// Gives the loop variable its register; answers whether the item's register itself may be assigned.
    fn bind_item(&mut self, binding: NodeId, item: u16) -> Result<bool> {
        let Use::Local(binding) = self.resolution.use_of(binding) else {
            return Ok(true);
        };
        let info = self.resolution.binding(binding);
        if info.cell {
            let cell = self.allocate()?;
            self.emit(Op::NewCell, cell, item, 0);
            self.function.registers.insert(binding, cell);
            self.add_local(cell, true);
            return Ok(false);
        }
        self.function.registers.insert(binding, item);
        Ok(info.assigned)
    }

    /// `range(…)` written where it is iterated, unless the module has a `range` of its own.
    fn literal_range(&self, iterable: NodeId) -> Option<(Symbol, List)> {
        let Node::Call { callee, args } = self.ast.node(self.ungroup(iterable)) else {
            return None;
        };
        let Node::Name(name) = self.ast.node(callee) else {
            return None;
        };
        let is_library = self.resolution.use_of(callee) == Use::Global
            && self.ast.text(name) == "range"
            && !self.declared.contains(&name)
            && self.tables.in_prelude("range");
        (is_library && matches!(args.len(), 1 | 2)).then_some((name, args))
    }

    /// The bounds of `a..b` written where it is iterated.
    fn range_bounds(&self, iterable: NodeId) -> Option<[NodeId; 2]> {
        match self.ast.node(self.ungroup(iterable)) {
            Node::Range {
                start,
                end,
                inclusive: false,
            } => Some([start, end]),
            _ => None,
        }
    }

    fn ranged_between(&mut self, iterable: NodeId, state: u16, bounds: [NodeId; 2]) -> Result<()> {
        let after = self.function.next;
        self.free_to(state + 1);
        for bound in bounds {
            let register = self.allocate()?;
            self.expr(bound, register)?;
        }
        self.function.next = after;
        self.built_in(&crate::builtins::RANGE, state);
        self.count_up(iterable, state, 2);
        Ok(())
    }

    fn ranged(&mut self, iterable: NodeId, state: u16, name: Symbol, args: List) -> Result<()> {
        let slot = self.slot(name)?;
        self.at(iterable);
        self.emit_wide(Op::GetGlobal, state, slot);
        let ast = self.ast;
        let after = self.function.next;
        // The arguments stand where the call below wants them: in the registers after the state.
        self.free_to(state + 1);
        for &arg in ast.list(args) {
            let register = self.allocate()?;
            self.expr(arg, register)?;
        }
        self.function.next = after;
        self.count_up(iterable, state, args.len() as u16);
        Ok(())
    }

    /// Begins to count with the bounds behind `state`, or calls what is there for something to go over.
    fn count_up(&mut self, iterable: NodeId, state: u16, count: u16) {
        self.at(iterable);
        let counted = self.label();
        self.jump_narrow(Op::IterateRange, state, count, counted, 0);
        self.emit(Op::CallTop, state, 0, count);
        self.emit(Op::Iterate, state, 0, 0);
        self.bind(counted);
    }

    /// A turn of a loop over an instance: `has_next()`, then `next()`.
    fn instance_iteration(&mut self, state: u16, item: u16, end: super::function::Label) -> Result<()> {
        let mark = self.function.next;
        let (window, receiver) = (self.allocate()?, self.allocate()?);
        for (method, last) in [("has_next", false), ("next", true)] {
            let constant = self.string(method)?;
            self.emit(Op::Copy, receiver, state, 0);
            self.emit(Op::CallMethod, window, 0, crate::builtins::method_number(method));
            self.extend(u64::from(constant) << 32);
            self.extend(0);
            if last {
                self.emit(Op::Move, item, window, 0);
            } else {
                self.jump_on(Op::JumpIfNot, window, true, end);
            }
        }
        self.free_to(mark);
        Ok(())
    }
}
