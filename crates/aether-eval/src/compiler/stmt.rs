//! Statements.

use aether_ast::{Node, NodeId, ensure_stack};

use super::function::Exit;
use super::{Compiler, Result};
use crate::bytecode::Op;

impl Compiler<'_> {
    pub(super) fn statement(&mut self, id: NodeId) -> Result<()> {
        ensure_stack(|| self.statement_inner(id))
    }

    fn statement_inner(&mut self, id: NodeId) -> Result<()> {
        self.at(id);
        match self.ast.node(id) {
            Node::ExprStmt(value) => self.discard(value),
            Node::Let { pattern, value } | Node::Const { pattern, value } => {
                self.let_statement(id, pattern, value)
            }
            Node::FunctionDecl(function) => self.function_declaration(id, function),
            Node::Struct(definition) => self.struct_declaration(id, definition),
            Node::Enum(definition) => self.enum_declaration(id, definition),
            Node::Import { module, alias } => self.import(id, module, alias),
            Node::FromImport { module, items } => self.import_members(id, module, items),
            Node::Assign { target, value } => self.assign(id, target, value),
            Node::CompoundAssign { op, target, value } => self.compound(id, op, target, value),
            Node::LogicalAssign { op, target, value } => self.logical_assign(id, op, target, value),
            Node::Block(_) => self.in_scope(id),
            Node::If { .. } => self.if_chain(id),
            Node::While { condition, body } => self.while_loop(None, Some(condition), body),
            Node::Loop(body) => self.while_loop(None, None, body),
            Node::For {
                binding,
                iterable,
                body,
            } => self.for_loop(None, id, binding, iterable, body),
            Node::Labelled { label, body } => {
                let label = self.ast.name_of(label);
                match self.ast.node(body) {
                    Node::While { condition, body } => self.while_loop(label, Some(condition), body),
                    Node::Loop(body) => self.while_loop(label, None, body),
                    Node::For {
                        binding,
                        iterable,
                        body: inner,
                    } => self.for_loop(label, body, binding, iterable, inner),
                    _ => self.statement(body),
                }
            }
            Node::Try { body, catch, finally } => self.try_statement(body, catch, finally),
            Node::Match { subject, arms } => self.match_statement(subject, arms),
            Node::Return(value) => self.return_statement(id, value),
            Node::Throw(value) => {
                let mark = self.function.next;
                let register = self.allocate()?;
                self.expr(value, register)?;
                self.at(id);
                self.emit(Op::Throw, register, 0, 0);
                self.free_to(mark);
                Ok(())
            }
            Node::Break(label) => {
                if let Some(target) = self.target_loop(label) {
                    self.leave(Exit::Break(target));
                }
                Ok(())
            }
            Node::Continue(label) => {
                if let Some(target) = self.target_loop(label) {
                    self.leave(Exit::Continue(target));
                }
                Ok(())
            }
            Node::Yield(value) => {
                let mark = self.function.next;
                let register = self.allocate()?;
                match value {
                    Some(value) => self.expr(value, register)?,
                    None => self.emit(Op::LoadNull, register, 0, 0),
                }
                self.at(id);
                self.emit(Op::Yield, register, 0, 0);
                self.free_to(mark);
                Ok(())
            }
            Node::Defer(function) => self.defer(id, function),
            Node::Debugger => {
                self.emit(Op::Debugger, 0, 0, 0);
                Ok(())
            }
            Node::Error => Ok(()),
            _ => self.discard(id),
        }
    }

    /// Evaluates an expression for its effects.
    fn discard(&mut self, value: NodeId) -> Result<()> {
        let mark = self.function.next;
        let register = self.allocate()?;
        self.expr(value, register)?;
        if !self.is_scalar(value) {
            self.emit(Op::Drop, register, 0, 0);
        }
        self.free_to(mark);
        Ok(())
    }

    /// A block or single statement in a scope of its own.
    pub(super) fn in_scope(&mut self, owner: NodeId) -> Result<()> {
        self.open_scope_of(owner)?;
        self.body(owner)?;
        self.close_scope();
        Ok(())
    }

    /// The statements of a block, or a single statement, in the scope that is open.
    pub(super) fn body(&mut self, body: NodeId) -> Result<()> {
        if let Node::Block(statements) = self.ast.node(body) {
            let ast = self.ast;
            for &statement in ast.list(statements) {
                self.statement(statement)?;
            }
            return Ok(());
        }
        self.statement(body)
    }

    fn if_chain(&mut self, mut id: NodeId) -> Result<()> {
        let end = self.label();
        loop {
            let Node::If {
                condition,
                then,
                otherwise,
            } = self.ast.node(id)
            else {
                self.in_scope(id)?;
                break;
            };
            let next = self.label();
            self.branch(condition, false, next, self.ast.span(then).len() + 16)?;
            self.in_scope(then)?;
            if otherwise.is_some() {
                self.jump(end);
            }
            self.bind(next);
            match otherwise {
                Some(otherwise) => id = otherwise,
                None => break,
            }
        }
        self.bind(end);
        Ok(())
    }

    // --- leaving ---

    fn return_statement(&mut self, id: NodeId, value: Option<NodeId>) -> Result<()> {
        let mark = self.function.next;
        if let Some(running) = self.function.finals.last().and_then(|finally| finally.running) {
            // A return executed by a finally block only ends the block.
            if let Some(value) = value {
                self.discard(value)?;
            }
            let depth = self.function.finals.last().map_or(0, |finally| finally.scopes);
            self.release_scopes(depth, None);
            self.jump(running);
            return Ok(());
        }
        if let Some((kind, _)) = self
            .function
            .finals
            .last()
            .map(|finally| (finally.kind, finally.scopes))
        {
            let register = self.result(id, value)?;
            self.emit(Op::Move, kind + 1, register, 0);
            self.free_to(mark);
            self.leave(Exit::Return);
            return Ok(());
        }
        if self.result_annotation().is_some() {
            let register = self.result(id, value)?;
            self.return_register(register);
            self.free_to(mark);
            return Ok(());
        }
        let Some(value) = value else {
            self.release_scopes(0, None);
            self.emit(Op::ReturnNull, 0, 0, 0);
            return Ok(());
        };
        let operand = self.operand(value)?;
        self.at(id);
        self.return_register(operand.register);
        self.free_to(mark);
        Ok(())
    }

    /// Evaluates what a `return` gives into a temporary, and checks it.
    fn result(&mut self, id: NodeId, value: Option<NodeId>) -> Result<u16> {
        let register = self.allocate()?;
        match value {
            Some(value) => self.expr(value, register)?,
            None => self.emit(Op::LoadNull, register, 0, 0),
        }
        if let Some((annotation, what)) = self.result_annotation() {
            self.at(id);
            self.check(annotation, what, register, value);
        }
        Ok(register)
    }

    /// Returns a register's value; a local is moved out of its register.
    fn return_register(&mut self, register: u16) {
        let mut dead = self.to_release(0, Some(register));
        let last = dead.split_off(dead.len().saturating_sub(2));
        self.release(&dead);
        match *last {
            [] => self.emit(Op::Return, register, 0, 0),
            [a] => self.emit(Op::Return1, register, a, 0),
            _ => self.emit(Op::Return2, register, last[0], last[1]),
        }
    }

    /// Leaves the innermost construct that stands between here and the exit's target.
    pub(super) fn leave(&mut self, exit: Exit) {
        let outside = match exit {
            Exit::Return => 0,
            Exit::Break(target) | Exit::Continue(target) => self.function.loops[target].finals,
        };
        if self.function.finals.len() > outside {
            let Some(finally) = self.function.finals.last_mut() else {
                return;
            };
            let (depth, running, kind, entry) =
                (finally.scopes, finally.running, finally.kind, finally.entry);
            if let Some(running) = running {
                self.release_scopes(depth, None);
                self.jump(running);
                return;
            }
            let number = if let Some(number) = finally.exits.iter().position(|&known| known == exit) {
                number
            } else {
                finally.exits.push(exit);
                finally.exits.len() - 1
            };
            self.release_scopes(depth, None);
            if self.function.reachable {
                self.load_int(number as i64, kind);
            }
            self.jump(entry);
            return;
        }
        match exit {
            Exit::Return => {
                // Only reached from a finally's dispatch, with the value in a register of its scope.
                unreachable!("a plain return is compiled where it stands")
            }
            Exit::Break(target) | Exit::Continue(target) => {
                let state = &self.function.loops[target];
                let (depth, label) = match exit {
                    Exit::Break(_) => (state.scopes, state.on_break),
                    _ => (state.scopes, state.on_continue),
                };
                self.release_scopes(depth, None);
                self.jump(label);
            }
        }
    }

    /// Goes on with an exit that a finally block has delayed; a returned value is in `value`.
    pub(super) fn resume_exit(&mut self, exit: Exit, value: u16) {
        if exit == Exit::Return {
            let outer = self
                .function
                .finals
                .last()
                .map(|finally| (finally.kind, finally.running));
            match outer {
                None => self.return_register(value),
                Some((_, Some(_))) => {
                    self.emit(Op::Drop, value, 0, 0);
                    self.leave(Exit::Return);
                }
                Some((kind, None)) => {
                    self.emit(Op::Move, kind + 1, value, 0);
                    self.leave(Exit::Return);
                }
            }
            return;
        }
        self.leave(exit);
    }

    fn target_loop(&self, label: Option<NodeId>) -> Option<usize> {
        let loops = &self.function.loops;
        match label {
            None => loops.len().checked_sub(1),
            Some(label) => {
                let name = self.ast.name_of(label);
                loops.iter().rposition(|state| state.label == name)
            }
        }
    }
}
