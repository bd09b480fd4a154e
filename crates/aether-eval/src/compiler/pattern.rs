//! Destructuring and `match`.

use aether_ast::{List, Node, NodeId, UnaryOp};
use aether_resolve::Use;

use super::function::Label;
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
            self.extend(u64::from(constant));
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

    // --- match ---

    pub(super) fn match_statement(&mut self, subject: NodeId, arms: List) -> Result<()> {
        let ast = self.ast;
        self.open_scope();
        let subject = self.operand(subject)?;
        if subject.temporary {
            self.add_local(subject.register, !subject.scalar);
        }
        let end = self.label();
        for &arm in ast.list(arms) {
            let Node::Arm { pattern, body } = ast.node(arm) else {
                continue;
            };
            let next = self.label();
            self.open_scope();
            self.pattern_bindings(pattern)?;
            self.at(pattern);
            self.test_pattern(pattern, subject.register, next, ast.span(arm).len() + 16)?;
            self.seal_bindings(pattern);
            // Not before the test, which leaves the arm without releasing its locals.
            self.forward_cells(body)?;
            self.body(body)?;
            self.close_scope();
            self.jump(end);
            self.bind(next);
        }
        self.bind(end);
        self.close_scope();
        Ok(())
    }

    /// Gives every name of a pattern a register, null until its alternative binds it.
    fn pattern_bindings(&mut self, pattern: NodeId) -> Result<()> {
        match self.ast.node(pattern) {
            Node::Ident(_) => {
                if let Use::Local(binding) = self.resolution.use_of(pattern)
                    && !self.function.registers.contains_key(&binding)
                {
                    let register = self.allocate()?;
                    self.emit(Op::LoadNull, register, 0, 0);
                    self.function.registers.insert(binding, register);
                    self.add_local(register, true);
                }
            }
            Node::OrPattern(items) | Node::VariantPattern { fields: items, .. } => {
                let ast = self.ast;
                for &item in ast.list(items) {
                    self.pattern_bindings(item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts the bindings that closures share into cells, once the arm has been chosen.
    fn seal_bindings(&mut self, pattern: NodeId) {
        let ast = self.ast;
        let mut work = vec![pattern];
        let mut sealed = Vec::new();
        while let Some(pattern) = work.pop() {
            match ast.node(pattern) {
                Node::Ident(_) => {
                    if let Use::Local(binding) = self.resolution.use_of(pattern)
                        && self.resolution.binding(binding).cell
                        && !sealed.contains(&binding)
                    {
                        sealed.push(binding);
                        let register = self.function.registers[&binding];
                        self.emit(Op::NewCell, register, register, 0);
                    }
                }
                Node::OrPattern(items) | Node::VariantPattern { fields: items, .. } => {
                    work.extend(ast.list(items));
                }
                _ => {}
            }
        }
    }

    /// Tests a pattern and binds its names; goes to `fail` if it does not match.
    fn test_pattern(&mut self, pattern: NodeId, subject: u16, fail: Label, over: u32) -> Result<()> {
        let ast = self.ast;
        match ast.node(pattern) {
            Node::Ident(_) => {
                if let Use::Local(binding) = self.resolution.use_of(pattern) {
                    let register = self.function.registers[&binding];
                    self.emit(Op::Copy, register, subject, 0);
                }
            }
            Node::LiteralPattern(literal) => {
                let constant = self.pattern_constant(literal)?;
                let Ok(constant) = u16::try_from(constant) else {
                    return self.too_large("Too many different literals", ast.span(pattern));
                };
                self.jump_narrow(Op::JumpUnlessLiteral, subject, constant, fail, over);
            }
            Node::VariantPattern {
                enum_name,
                variant,
                fields,
            } => {
                let enum_name = self.string(ast.text(enum_name))?;
                let variant = self.string(ast.text(variant))?;
                let at = self.here();
                self.jump_narrow(Op::JumpUnlessVariant, subject, 0, fail, over);
                self.function.words[at + 1] = u64::from(enum_name) | u64::from(variant) << 32;
                for (index, &field) in ast.list(fields).iter().enumerate() {
                    if let (Node::Ident(_), Use::Local(binding)) =
                        (ast.node(field), self.resolution.use_of(field))
                    {
                        let register = self.function.registers[&binding];
                        self.emit(Op::Payload, register, subject, index as u16);
                    }
                }
            }
            Node::OrPattern(items) => {
                let matched = self.label();
                let items = ast.list(items);
                for (index, &item) in items.iter().enumerate() {
                    if index + 1 == items.len() {
                        self.test_pattern(item, subject, fail, over)?;
                    } else {
                        let next = self.label();
                        self.test_pattern(item, subject, next, ast.span(item).len() + 16)?;
                        self.jump(matched);
                        self.bind(next);
                        self.function.reachable = true;
                    }
                }
                self.bind(matched);
            }
            _ => {}
        }
        Ok(())
    }

    fn pattern_constant(&mut self, literal: NodeId) -> Result<u32> {
        let ast = self.ast;
        Ok(match ast.node(literal) {
            Node::Bool(value) => self.tables.plain(&aether_value::Value::Bool(value)),
            Node::Int(value) => self.tables.int(value),
            Node::Float(value) => self.tables.float(value),
            Node::Str(text) => self.string(ast.text(text))?,
            Node::Unary {
                op: UnaryOp::Negate,
                operand,
            } => match ast.node(operand) {
                Node::Int(value) => self.tables.int(value.wrapping_neg()),
                Node::Float(value) => self.tables.float(-value),
                _ => self.tables.plain(&aether_value::Value::Null),
            },
            _ => self.tables.plain(&aether_value::Value::Null),
        })
    }
}
