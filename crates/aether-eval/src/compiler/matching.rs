//! `match`: patterns become tests and jumps.
//!
//! Every name of a pattern, and every part that a nested pattern looks at, has a register of its own that is null
//! until the part is read. So a pattern that fails after it has bound something only has to release them all; those
//! that cannot fail that late go to the next arm at once.

use aether_ast::{List, Node, NodeId, UnaryOp, ensure_stack};
use aether_resolve::{BindingId, Use};
use ahash::AHashMap;

use super::function::{Key, Label};
use super::{Compiler, Result};
use crate::bytecode::Op;

/// Arms for literals in a row that make a table worth its place.
const SWITCH_ARMS: usize = 10;

/// A pattern that is being tested.
struct Attempt {
    /// Registers of the parts that nested patterns look at.
    parts: AHashMap<NodeId, u16>,
    /// The same in order.
    part_registers: Vec<u16>,
    /// Registers of the names.
    names: Vec<u16>,
    /// Names that the patterns tested so far have bound.
    bound: Vec<BindingId>,
    /// Bytes of source text between the tests and where failure leads.
    over: u32,
}

impl Compiler<'_> {
    pub(super) fn match_statement(&mut self, subject: NodeId, arms: List) -> Result<()> {
        self.open_scope();
        self.arms(subject, arms, None)
    }

    /// A `match` whose value goes to `dst`.
    pub(super) fn match_expression(&mut self, subject: NodeId, arms: List, dst: u16) -> Result<()> {
        self.open_scope_within();
        self.arms(subject, arms, Some(dst))
    }

    /// The arms, in the scope that is open, which ends with them.
    fn arms(&mut self, subject: NodeId, arms: List, dst: Option<u16>) -> Result<()> {
        let ast = self.ast;
        let place = self.ast.span(subject);
        let subject = self.operand(subject)?;
        if subject.temporary {
            self.add_local(subject.register, !subject.scalar);
        }
        let end = self.label();
        let mut arms = ast.list(arms);
        while let Some((&arm, rest)) = arms.split_first() {
            let literals = arms
                .iter()
                .map_while(|&arm| self.literal_keys(arm))
                .collect::<Vec<_>>();
            if literals.len() >= SWITCH_ARMS {
                let (by_table, others) = arms.split_at(literals.len());
                self.arms_by_table(by_table, &literals, subject.register, dst, end)?;
                arms = others;
                continue;
            }
            arms = rest;
            let next = self.label();
            self.arm(arm, subject.register, dst, next)?;
            self.jump(end);
            self.bind(next);
        }
        if dst.is_some() && self.function.reachable {
            self.set_place(place);
            self.emit(Op::NoMatch, subject.register, 0, 0);
        }
        self.bind(end);
        self.close_scope();
        Ok(())
    }

    /// The literals that an arm without a guard is for, if it is for nothing else.
    fn literal_keys(&self, arm: NodeId) -> Option<Vec<Key>> {
        let Node::Arm {
            pattern, guard: None, ..
        } = self.ast.node(arm)
        else {
            return None;
        };
        let key = |pattern| {
            let Node::LiteralPattern(literal) = self.ast.node(pattern) else {
                return None;
            };
            let inner = match self.ast.node(literal) {
                Node::Unary { operand, .. } => operand,
                _ => literal,
            };
            match self.ast.node(inner) {
                Node::Int(_) => Some(Key::Int(self.pattern_int(literal))),
                Node::Str(text) => Some(Key::Text(text)),
                _ => None,
            }
        };
        match self.ast.node(pattern) {
            Node::OrPattern(items) => self.ast.list(items).iter().map(|&item| key(item)).collect(),
            _ => key(pattern).map(|key| vec![key]),
        }
    }

    /// Arms for literals alone, of which a table finds the right one.
    fn arms_by_table(
        &mut self,
        arms: &[NodeId],
        literals: &[Vec<Key>],
        subject: u16,
        dst: Option<u16>,
        end: Label,
    ) -> Result<()> {
        let labels: Vec<Label> = arms.iter().map(|_| self.label()).collect();
        let targets: Vec<(Key, Label)> = labels
            .iter()
            .zip(literals)
            .flat_map(|(&label, keys)| keys.iter().map(move |&key| (key, label)))
            .collect();
        let others = self.label();
        self.at(arms[0]);
        self.switch(subject, &targets);
        self.jump(others);
        for (&arm, label) in arms.iter().zip(labels) {
            self.bind(label);
            let Node::Arm { body, .. } = self.ast.node(arm) else {
                continue;
            };
            self.open_scope_of(body)?;
            match dst {
                Some(dst) => self.arm_value(body, dst)?,
                None => self.body(body)?,
            }
            self.close_scope();
            self.jump(end);
        }
        self.bind(others);
        Ok(())
    }

    fn arm(&mut self, arm: NodeId, subject: u16, dst: Option<u16>, next: Label) -> Result<()> {
        let ast = self.ast;
        let Node::Arm { pattern, guard, body } = ast.node(arm) else {
            return Ok(());
        };
        let mut attempt = Attempt {
            parts: AHashMap::new(),
            part_registers: Vec::new(),
            names: Vec::new(),
            bound: Vec::new(),
            over: ast.span(arm).len() + 16,
        };
        self.open_scope();
        self.pattern_registers(pattern, &mut attempt)?;
        let failed = if self.fails_late(pattern) {
            self.label()
        } else {
            next
        };
        self.at(pattern);
        self.test_pattern(pattern, subject, failed, &mut attempt)?;
        self.end_parts(&attempt.part_registers);
        self.seal_bindings(pattern);
        // Not before the test, which leaves the arm without releasing its locals.
        self.forward_cells(body)?;
        if let Some(guard) = guard {
            let accepted = self.label();
            let depth = self.function.scopes.len() - 1;
            let locals = self.function.scopes[depth].locals.len() as u32;
            self.branch(guard, true, accepted, locals + 16)?;
            self.release_scopes(depth, None);
            self.jump(next);
            self.bind(accepted);
        }
        match dst {
            Some(dst) => self.arm_value(body, dst)?,
            None => self.body(body)?,
        }
        self.close_scope();
        if failed != next {
            let end = self.label();
            self.jump(end);
            self.bind(failed);
            if self.function.reachable {
                self.release(&attempt.names);
                self.release(&attempt.part_registers);
            }
            self.jump(next);
            self.bind(end);
        }
        Ok(())
    }

    /// The value of an arm's body: of an expression, or of the expression that ends a block.
    fn arm_value(&mut self, body: NodeId, dst: u16) -> Result<()> {
        let ast = self.ast;
        let single = [body];
        let statements = match ast.node(body) {
            Node::Block(statements) => ast.list(statements),
            _ => &single,
        };
        if let Some((&last, before)) = statements.split_last() {
            for &statement in before {
                self.statement(statement)?;
            }
            if let Node::ExprStmt(value) = ast.node(last) {
                return self.expr(value, dst);
            }
            self.statement(last)?;
        }
        if self.function.reachable {
            self.emit(Op::LoadNull, dst, 0, 0);
        }
        Ok(())
    }

    /// Ends the parts that nested patterns have looked at.
    fn end_parts(&mut self, registers: &[u16]) {
        if registers.is_empty() {
            return;
        }
        self.release(registers);
        if let Some(scope) = self.function.scopes.last_mut() {
            for local in &mut scope.locals {
                local.counted &= !registers.contains(&local.register);
            }
        }
    }

    /// Gives every name of a pattern, and every part that a pattern within looks at, a register, null until it is read.
    fn pattern_registers(&mut self, pattern: NodeId, attempt: &mut Attempt) -> Result<()> {
        let ast = self.ast;
        match ast.node(pattern) {
            Node::Ident(_) => {
                if let Use::Local(binding) = self.resolution.use_of(pattern)
                    && !self.function.registers.contains_key(&binding)
                {
                    let register = self.null_local()?;
                    self.function.registers.insert(binding, register);
                    attempt.names.push(register);
                }
            }
            Node::OrPattern(items) => {
                for &item in ast.list(items) {
                    self.pattern_registers(item, attempt)?;
                }
            }
            Node::ArrayPattern(items) | Node::VariantPattern { fields: items, .. } => {
                for &item in ast.list(items) {
                    self.part_register(item, !self.is_plain(item), attempt)?;
                }
            }
            Node::DictPattern(items) | Node::StructPattern { fields: items, .. } => {
                for &item in ast.list(items) {
                    if let Node::EntryPattern { target, .. } = ast.node(item) {
                        let is_part = !matches!(ast.node(target), Node::Ident(_));
                        self.part_register(target, is_part, attempt)?;
                    }
                }
            }
            Node::AsPattern { pattern, name } => {
                self.pattern_registers(pattern, attempt)?;
                self.pattern_registers(name, attempt)?;
            }
            Node::RestPattern(target) => self.pattern_registers(target, attempt)?,
            _ => {}
        }
        Ok(())
    }

    fn part_register(&mut self, part: NodeId, is_part: bool, attempt: &mut Attempt) -> Result<()> {
        if is_part {
            let register = self.null_local()?;
            attempt.parts.insert(part, register);
            attempt.part_registers.push(register);
        }
        ensure_stack(|| self.pattern_registers(part, attempt))
    }

    fn null_local(&mut self) -> Result<u16> {
        let register = self.allocate()?;
        self.emit(Op::LoadNull, register, 0, 0);
        self.add_local(register, true);
        Ok(register)
    }

    /// Whether a pattern matches whatever there is, and looks at no part of it.
    fn is_plain(&self, pattern: NodeId) -> bool {
        matches!(
            self.ast.node(pattern),
            Node::Ident(_) | Node::Wildcard | Node::RestPattern(_)
        )
    }

    /// Whether a pattern may fail after it has read a part into a register.
    fn fails_late(&self, pattern: NodeId) -> bool {
        let ast = self.ast;
        match ast.node(pattern) {
            Node::ArrayPattern(items) | Node::VariantPattern { fields: items, .. } => {
                !ast.list(items).iter().all(|&item| self.is_plain(item))
            }
            Node::DictPattern(items) | Node::StructPattern { fields: items, .. } => match *ast.list(items) {
                [] => false,
                [only] => match ast.node(only) {
                    Node::EntryPattern { target, .. } => !self.is_plain(target),
                    _ => true,
                },
                _ => true,
            },
            Node::OrPattern(items) => ast.list(items).iter().any(|&item| self.fails_late(item)),
            Node::AsPattern { pattern, .. } => self.fails_late(pattern),
            _ => false,
        }
    }

    /// Puts the bindings that closures share into cells, once the pattern has matched.
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
                Node::EntryPattern { target, .. } => work.push(target),
                _ => ast.for_each_child(pattern, |child| work.push(child)),
            }
        }
    }

    /// The register of a name that a pattern binds now; what an earlier part of the pattern bound to it is released.
    fn name_register(&mut self, name: NodeId, attempt: &mut Attempt) -> Option<u16> {
        let Use::Local(binding) = self.resolution.use_of(name) else {
            return None;
        };
        let register = self.function.registers[&binding];
        if attempt.bound.contains(&binding) {
            self.emit(Op::Drop, register, 0, 0);
        } else {
            attempt.bound.push(binding);
        }
        Some(register)
    }

    /// Tests a pattern and binds its names; goes to `fail` if it does not match.
    fn test_pattern(
        &mut self,
        pattern: NodeId,
        subject: u16,
        fail: Label,
        attempt: &mut Attempt,
    ) -> Result<()> {
        ensure_stack(|| self.test_pattern_inner(pattern, subject, fail, attempt))
    }

    fn test_pattern_inner(
        &mut self,
        pattern: NodeId,
        subject: u16,
        fail: Label,
        attempt: &mut Attempt,
    ) -> Result<()> {
        let ast = self.ast;
        let over = attempt.over;
        match ast.node(pattern) {
            Node::Ident(_) => {
                if let Some(register) = self.name_register(pattern, attempt) {
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
            Node::RangePattern {
                start,
                end,
                inclusive,
            } => {
                let (first, end) = (self.pattern_int(start), self.pattern_int(end));
                let last = if inclusive { Some(end) } else { end.checked_sub(1) };
                // What is below every integer ends a range without any.
                let (first, last) = last.map_or((1, 0), |last| (first, last));
                let at = self.here();
                self.jump_narrow(Op::JumpUnlessWithin, subject, 0, fail, over);
                self.function.words[at + 1] = first as u64;
                self.function.words[at + 2] = last as u64;
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
                self.test_parts(ast.list(fields), subject, Op::Payload, fail, attempt)?;
            }
            Node::ArrayPattern(items) => {
                let items = ast.list(items);
                let has_rest = items
                    .last()
                    .is_some_and(|&last| matches!(ast.node(last), Node::RestPattern(_)));
                let Ok(count) = u16::try_from(items.len() - usize::from(has_rest)) else {
                    return self.too_large("Too many elements in one pattern", ast.span(pattern));
                };
                let at = self.here();
                self.jump_narrow(Op::JumpUnlessArray, subject, count, fail, over);
                self.function.words[at + 1] = u64::from(has_rest);
                self.test_parts(items, subject, Op::ElementOrNull, fail, attempt)?;
            }
            Node::DictPattern(items) => {
                self.jump_narrow(Op::JumpUnlessDict, subject, 0, fail, over);
                self.test_entries(ast.list(items), subject, fail, attempt)?;
            }
            Node::StructPattern { name, fields } => {
                let name = self.string(ast.text(name))?;
                let at = self.here();
                self.jump_narrow(Op::JumpUnlessStruct, subject, 0, fail, over);
                self.function.words[at + 1] = u64::from(name);
                self.test_entries(ast.list(fields), subject, fail, attempt)?;
            }
            Node::AsPattern { pattern, name } => {
                self.test_pattern(pattern, subject, fail, attempt)?;
                self.test_pattern(name, subject, fail, attempt)?;
            }
            Node::OrPattern(items) => self.test_alternatives(ast.list(items), subject, fail, attempt)?,
            _ => {}
        }
        Ok(())
    }

    /// Reads and tests the elements of an array or the payload of an enum value.
    fn test_parts(
        &mut self,
        items: &[NodeId],
        subject: u16,
        read: Op,
        fail: Label,
        attempt: &mut Attempt,
    ) -> Result<()> {
        let ast = self.ast;
        for (index, &item) in items.iter().enumerate() {
            let index = index as u16;
            match ast.node(item) {
                Node::Ident(_) => {
                    if let Some(register) = self.name_register(item, attempt) {
                        self.emit(read, register, subject, index);
                    }
                }
                Node::RestPattern(name) => {
                    if let Some(register) = self.name_register(name, attempt) {
                        self.emit(Op::Rest, register, subject, index);
                    }
                }
                Node::Wildcard => {}
                _ => {
                    let part = attempt.parts[&item];
                    self.emit(read, part, subject, index);
                    self.test_pattern(item, part, fail, attempt)?;
                }
            }
        }
        Ok(())
    }

    /// Looks up and tests the entries of a dict or the fields of an instance.
    fn test_entries(
        &mut self,
        entries: &[NodeId],
        subject: u16,
        fail: Label,
        attempt: &mut Attempt,
    ) -> Result<()> {
        for &entry in entries {
            let Node::EntryPattern { key, target, .. } = self.ast.node(entry) else {
                continue;
            };
            let name = self.text(key).to_owned();
            let constant = self.string(&name)?;
            let part = attempt.parts.get(&target).copied();
            let Some(register) = part.or_else(|| self.name_register(target, attempt)) else {
                continue;
            };
            self.emit(Op::MemberOrUnset, register, subject, 0);
            self.extend(u64::from(constant) << 32);
            let found = self.label();
            self.jump_on(Op::JumpIfSet, register, false, found);
            self.jump(fail);
            self.bind(found);
            if part.is_some() {
                self.test_pattern(target, register, fail, attempt)?;
            }
        }
        Ok(())
    }

    /// Tries patterns one after the other; what one that fails has bound is forgotten.
    fn test_alternatives(
        &mut self,
        items: &[NodeId],
        subject: u16,
        fail: Label,
        attempt: &mut Attempt,
    ) -> Result<()> {
        let matched = self.label();
        let before = attempt.bound.len();
        let mut bound = Vec::new();
        for (index, &item) in items.iter().enumerate() {
            let is_last = index + 1 == items.len();
            let next = if is_last { fail } else { self.label() };
            self.test_pattern(item, subject, next, attempt)?;
            let here = attempt.bound.split_off(before);
            if !is_last {
                self.jump(matched);
                self.bind(next);
                self.function.reachable = true;
                if self.fails_late(item) {
                    for binding in &here {
                        self.forget(self.function.registers[binding]);
                    }
                    self.reset_parts(item, attempt);
                }
            }
            bound.extend(here);
        }
        bound.sort_unstable();
        bound.dedup();
        attempt.bound.extend(bound);
        self.bind(matched);
        Ok(())
    }

    /// Releases the parts that a failed alternative has read.
    fn reset_parts(&mut self, pattern: NodeId, attempt: &Attempt) {
        let mut registers = Vec::new();
        let mut work = vec![pattern];
        while let Some(id) = work.pop() {
            registers.extend(attempt.parts.get(&id));
            self.ast.for_each_child(id, |child| work.push(child));
        }
        for register in registers {
            self.forget(register);
        }
    }

    /// Releases what a register holds, and makes it null.
    fn forget(&mut self, register: u16) {
        self.emit(Op::Drop, register, 0, 0);
        self.emit(Op::LoadNull, register, 0, 0);
    }

    /// The value of an int literal in a pattern.
    fn pattern_int(&self, literal: NodeId) -> i64 {
        match self.ast.node(literal) {
            Node::Int(value) => value,
            Node::Unary { operand, .. } => match self.ast.node(operand) {
                Node::Int(value) => value.wrapping_neg(),
                _ => 0,
            },
            _ => 0,
        }
    }

    fn pattern_constant(&mut self, literal: NodeId) -> Result<u32> {
        let ast = self.ast;
        Ok(match ast.node(literal) {
            Node::Bool(value) => self.tables.plain(&aether_value::Value::Bool(value)),
            Node::Int(_) => self.tables.int(self.pattern_int(literal)),
            Node::Float(value) => self.tables.float(value),
            Node::Str(text) => self.string(ast.text(text))?,
            Node::Unary {
                op: UnaryOp::Negate,
                operand,
            } => match ast.node(operand) {
                Node::Int(_) => self.tables.int(self.pattern_int(literal)),
                Node::Float(value) => self.tables.float(-value),
                _ => self.tables.plain(&aether_value::Value::Null),
            },
            _ => self.tables.plain(&aether_value::Value::Null),
        })
    }
}
