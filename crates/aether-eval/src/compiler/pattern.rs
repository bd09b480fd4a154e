//! Destructuring.

use aether_ast::{List, Node, NodeId};

use super::{Compiler, Result};
use crate::bytecode::Op;

impl Compiler<'_> {
    // --- destructuring ---

    /// Evaluates the value of a destructuring `let` into a hidden local.
    fn pattern_value(&mut self, value: NodeId, check: Op) -> Result<u16> {
        let register = self.allocate()?;
        self.expr(value, register)?;
        self.at(value);
        self.emit(check, register, 0, 0);
        self.add_local(register, true);
        Ok(register)
    }

    /// Ends the hidden local of a destructuring `let`.
    fn end_pattern_value(&mut self, register: u16) {
        self.emit(Op::Drop, register, 0, 0);
        if let Some(scope) = self.function.scopes.last_mut()
            && let Some(local) = scope.locals.iter_mut().find(|local| local.register == register)
        {
            local.counted = false;
        }
    }

    pub(super) fn array_pattern(&mut self, value: NodeId, items: List) -> Result<()> {
        let ast = self.ast;
        let source = self.pattern_value(value, Op::CheckArray)?;
        self.bind_elements(source, ast.list(items))?;
        self.end_pattern_value(source);
        Ok(())
    }

    /// Takes the array in `source`, which stays there, apart.
    pub(super) fn elements_of(&mut self, source: u16, pattern: NodeId, items: &[NodeId]) -> Result<()> {
        self.at(pattern);
        self.emit(Op::CheckArray, source, 0, 0);
        self.bind_elements(source, items)
    }

    fn bind_elements(&mut self, source: u16, items: &[NodeId]) -> Result<()> {
        let ast = self.ast;
        for (index, &item) in items.iter().enumerate() {
            self.at(item);
            let (target, default, rest) = match ast.node(item) {
                Node::DefaultPattern { target, default } => (target, Some(default), false),
                Node::RestPattern(target) => (target, None, true),
                _ => (item, None, false),
            };
            if matches!(ast.node(target), Node::Wildcard) {
                continue;
            }
            let register = self.allocate()?;
            let op = if rest { Op::Rest } else { Op::ElementOrNull };
            self.emit(op, register, source, index as u16);
            self.default_value(default, register)?;
            self.declare(target, register)?;
        }
        Ok(())
    }

    pub(super) fn dict_pattern(&mut self, value: NodeId, items: List) -> Result<()> {
        let source = self.pattern_value(value, Op::CheckDict)?;
        self.bind_entries(source, items)?;
        self.end_pattern_value(source);
        Ok(())
    }

    /// Takes the dict or instance in `source`, which stays there, apart.
    pub(super) fn entries_of(&mut self, source: u16, pattern: NodeId, items: List) -> Result<()> {
        self.at(pattern);
        self.emit(Op::CheckDict, source, 0, 0);
        self.bind_entries(source, items)
    }

    fn bind_entries(&mut self, source: u16, items: List) -> Result<()> {
        let ast = self.ast;
        for &item in ast.list(items) {
            let Node::EntryPattern { key, target, default } = ast.node(item) else {
                continue;
            };
            if matches!(ast.node(target), Node::Wildcard) {
                continue;
            }
            let name = self.text(key).to_owned();
            let constant = self.string(&name)?;
            self.at(item);
            let register = self.allocate()?;
            self.emit(Op::KeyOrNull, register, source, 0);
            self.extend(u64::from(constant) << 32);
            self.default_value(default, register)?;
            self.declare(target, register)?;
        }
        Ok(())
    }

    fn default_value(&mut self, default: Option<NodeId>, register: u16) -> Result<()> {
        if let Some(default) = default {
            let given = self.label();
            self.jump_on(Op::JumpIfNotNull, register, false, given);
            self.expr(default, register)?;
            self.bind(given);
        }
        Ok(())
    }
}
