//! Assignment and compound assignment.
//!
//! The right side is evaluated first, then the target's object and index; a compound assignment evaluates the
//! target's parts once and reads the old value before its right side.

use aether_ast::{BinaryOp, LogicalOp, Node, NodeId, Symbol};
use aether_resolve::{BindingId, Use};
use aether_value::Raw;

use super::expr::Operand;
use super::function::Label;
use super::{Compiler, Result};
use crate::builtins;
use crate::bytecode::{AS_INDEX, Op, immediate_field};

/// Nodes a right side may have to count as simple.
const SIMPLE_NODES: usize = 32;

impl Compiler<'_> {
    pub(super) fn assign(&mut self, id: NodeId, target: NodeId, value: NodeId) -> Result<()> {
        let mark = self.function.next;
        let target = self.ungroup(target);
        match self.ast.node(target) {
            Node::Name(name) => self.assign_name(id, target, name, value)?,
            Node::Index { object, index, .. } if let Some(key) = self.string_key(index) => {
                let value = self.operand(value)?;
                let object = self.operand(object)?;
                self.at(target);
                let constant = self.string(self.ast.text(key))? | AS_INDEX;
                self.store_field(object, constant, value);
                self.release_operands(&[object]);
            }
            Node::Index { object, index, .. } => {
                if let Some(immediate) = self.element_immediate(value) {
                    let object = self.operand(object)?;
                    let index = self.operand(index)?;
                    self.at(target);
                    let field = immediate | u16::from(index.consumed());
                    self.emit(Op::SetIndexI, object.register, index.register, field);
                    self.release_operands(&[object]);
                } else {
                    let value = self.operand(value)?;
                    let object = self.operand(object)?;
                    let index = self.operand(index)?;
                    self.at(target);
                    self.store_index(object, index, value);
                    self.release_operands(&[object]);
                }
            }
            Node::Member { object, name, .. } => {
                let value = self.operand(value)?;
                let object = self.operand(object)?;
                self.at(target);
                let constant = self.string(self.ast.text(name))?;
                self.store_field(object, constant, value);
                self.release_operands(&[object]);
            }
            _ => {}
        }
        self.free_to(mark);
        Ok(())
    }

    /// The field of a `SetIndexI` that stores this literal.
    fn element_immediate(&self, value: NodeId) -> Option<u16> {
        match self.ast.node(self.ungroup(value)) {
            Node::Null => immediate_field(Raw::null()),
            Node::Bool(value) => immediate_field(Raw::bool(value)),
            _ => immediate_field(Raw::int(i64::from(self.immediate(value)?))),
        }
    }

    fn store_index(&mut self, object: Operand, index: Operand, value: Operand) {
        let op = match (value.temporary, index.consumed()) {
            (true, true) => Op::SetIndexMoveC,
            (true, false) => Op::SetIndexMove,
            (false, true) => Op::SetIndexC,
            (false, false) => Op::SetIndex,
        };
        self.emit(op, object.register, index.register, value.register);
    }

    fn store_field(&mut self, object: Operand, name: u32, value: Operand) {
        let op = if value.temporary {
            Op::SetFieldMove
        } else {
            Op::SetField
        };
        self.emit(op, object.register, value.register, 0);
        self.extend(u64::from(name) << 32);
    }

    /// Ends temporaries that an instruction has only borrowed.
    fn release_operands(&mut self, operands: &[Operand]) {
        let dead: Vec<u16> = operands
            .iter()
            .filter(|operand| operand.consumed())
            .map(|operand| operand.register)
            .collect();
        self.release(&dead);
    }

    // --- names ---

    fn assign_name(&mut self, id: NodeId, target: NodeId, name: Symbol, value: NodeId) -> Result<()> {
        if let Some(ident) = self.annotation_of(target, name) {
            let register = self.allocate()?;
            self.expr(value, register)?;
            self.at(id);
            self.check_declared(ident, register, Some(value));
            return self.store_checked(target, name, register);
        }
        if let Some((register, binding)) = self.plain_local(target) {
            return self.assign_local(id, register, binding, value);
        }
        if let Node::Binary {
            op: BinaryOp::Add,
            lhs,
            rhs,
        } = self.ast.node(self.ungroup(value))
        {
            // `g = g + e` may append in place, as `g += e` does.
            let lhs = self.ungroup(lhs);
            if matches!(self.ast.node(lhs), Node::Name(_))
                && self.ast.name_of(lhs) == Some(name)
                && self.resolution.use_of(lhs) == self.resolution.use_of(target)
                && !self.is_called(BinaryOp::Add, lhs, rhs)
            {
                return self.compound_name(id, BinaryOp::Add, target, name, rhs);
            }
        }
        let register = self.allocate()?;
        self.expr(value, register)?;
        self.at(target);
        self.store_name(target, name, register)
    }

    /// Stores a temporary that has been checked under a name.
    fn store_checked(&mut self, target: NodeId, name: Symbol, register: u16) -> Result<()> {
        if let Some((local, _)) = self.plain_local(target) {
            self.emit(Op::Assign, local, register, 0);
            return Ok(());
        }
        self.at(target);
        self.store_name(target, name, register)
    }

    /// Stores a temporary under a name that is no plain local.
    fn store_name(&mut self, target: NodeId, name: Symbol, register: u16) -> Result<()> {
        match self.resolution.use_of(target) {
            Use::Local(binding) => {
                if let Some(&cell) = self.function.registers.get(&binding) {
                    self.emit(Op::SetCell, cell, register, 0);
                } else if let Some(index) = self.capture_index(binding) {
                    self.emit(Op::SetCaptureCell, register, index, 0);
                }
            }
            Use::Global | Use::None => {
                let slot = self.slot(name)?;
                self.emit_wide(Op::SetGlobal, register, slot);
            }
        }
        Ok(())
    }

    fn assign_local(&mut self, id: NodeId, register: u16, binding: BindingId, value: NodeId) -> Result<()> {
        let scalar = self.scalars[binding.index()];
        let inner = self.ungroup(value);
        let direct = match self.ast.node(inner) {
            Node::Binary {
                op: BinaryOp::Add,
                lhs,
                rhs,
            } if !scalar && !self.is_called(BinaryOp::Add, lhs, rhs) => {
                // `x = x + e` consumes the old value, so that a string nobody else holds is extended in place.
                if self
                    .plain_local(self.ungroup(lhs))
                    .is_some_and(|(lhs, _)| lhs == register)
                {
                    return self.add_to_local(inner, register, scalar, rhs);
                }
                false
            }
            Node::Binary { .. } | Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) => scalar,
            _ => false,
        };
        if direct {
            self.at(inner);
            if let Node::Binary { .. } = self.ast.node(inner) {
                return self.binary(inner, register, None);
            }
            return self.expr(inner, register);
        }
        let operand = self.operand(value)?;
        self.at(id);
        let op = match (operand.temporary, scalar) {
            (true, true) => Op::Move,
            (true, false) => Op::Assign,
            (false, true) => Op::Copy,
            (false, false) => Op::AssignCopy,
        };
        if operand.temporary || operand.register != register {
            self.emit(op, register, operand.register, 0);
        }
        Ok(())
    }

    /// `x += e` for a plain local: the old value is read first, which nothing in `e` can tell.
    fn add_to_local(&mut self, id: NodeId, register: u16, scalar: bool, value: NodeId) -> Result<()> {
        if let Some(number) = self.immediate(value) {
            self.at(id);
            self.emit(Op::AddI, register, register, number as u16);
            return Ok(());
        }
        let left = Operand {
            register,
            temporary: true,
            scalar,
        };
        let right = self.operand(value)?;
        self.at(id);
        if right.register == register {
            // `x += x`: the operand must survive until it has been read twice.
            let spare = self.allocate()?;
            self.emit(Op::Copy, spare, register, 0);
            let right = Operand {
                register: spare,
                temporary: true,
                scalar,
            };
            self.operator_registers(BinaryOp::Add, register, left, right);
        } else {
            self.operator_registers(BinaryOp::Add, register, left, right);
        }
        Ok(())
    }

    // --- compound assignment ---

    pub(super) fn compound(&mut self, id: NodeId, op: BinaryOp, target: NodeId, value: NodeId) -> Result<()> {
        let mark = self.function.next;
        let target = self.ungroup(target);
        if self.is_called(op, target, value) {
            self.compound_called(id, op, target, value)?;
            self.free_to(mark);
            return Ok(());
        }
        match self.ast.node(target) {
            Node::Name(name) if let Some(ident) = self.annotation_of(target, name) => {
                let left = self.allocate()?;
                self.expr(target, left)?;
                let right = self.operand(value)?;
                let left = Operand {
                    register: left,
                    temporary: true,
                    scalar: false,
                };
                self.at(id);
                self.operator_registers(op, left.register, left, right);
                self.check_declared(ident, left.register, None);
                self.store_checked(target, name, left.register)?;
            }
            Node::Name(name) => {
                if let Some((register, binding)) = self.plain_local(target) {
                    self.compound_local(id, op, register, binding, value)?;
                } else {
                    self.compound_name(id, op, target, name, value)?;
                }
            }
            // What is appended to a text under a key goes by the way that can do so in place.
            Node::Index { object, index, .. }
                if let Some(key) = self.string_key(index)
                    && (op != BinaryOp::Add || self.is_simple(value)) =>
            {
                let constant = self.string(self.ast.text(key))? | AS_INDEX;
                self.compound_field(target, op, object, constant, value)?;
            }
            Node::Index { object, index, .. } => self.compound_index(target, op, object, index, value)?,
            Node::Member { object, name, .. } => {
                let constant = self.string(self.ast.text(name))?;
                self.compound_field(target, op, object, constant, value)?;
            }
            _ => {}
        }
        self.free_to(mark);
        Ok(())
    }

    /// A compound assignment whose operator is left to a built-in.
    fn compound_called(&mut self, id: NodeId, op: BinaryOp, target: NodeId, value: NodeId) -> Result<()> {
        match self.ast.node(target) {
            Node::Name(name) => {
                let result = self.operate(id, op, value, |compiler, left| compiler.expr(target, left))?;
                if let Some(ident) = self.annotation_of(target, name) {
                    self.check_declared(ident, result, None);
                    return self.store_checked(target, name, result);
                }
                self.at(target);
                match self.plain_local(target) {
                    Some((register, _)) => self.emit(Op::Assign, register, result, 0),
                    None => self.store_name(target, name, result)?,
                }
            }
            Node::Index { object, index, .. } => {
                let object = self.operand(object)?;
                let index = self.operand(index)?;
                let result = self.operate(id, op, value, |compiler, left| {
                    compiler.at(target);
                    compiler.forbid_fusion();
                    compiler.emit(Op::GetIndex, left, object.register, index.register);
                    Ok(())
                })?;
                self.at(target);
                self.emit(Op::SetIndexMove, object.register, index.register, result);
                self.release_operands(&[index, object]);
            }
            Node::Member { object, name, .. } => {
                let constant = u64::from(self.string(self.ast.text(name))?) << 32;
                let object = self.operand(object)?;
                let result = self.operate(id, op, value, |compiler, left| {
                    compiler.at(target);
                    compiler.emit(Op::GetField, left, object.register, 0);
                    compiler.extend(constant);
                    Ok(())
                })?;
                self.at(target);
                self.emit(Op::SetFieldMove, object.register, result, 0);
                self.extend(constant);
                self.release_operands(&[object]);
            }
            _ => {}
        }
        Ok(())
    }

    /// The built-in for an operator on what `load` puts into a register and a value; gives the register of the result.
    fn operate(
        &mut self,
        id: NodeId,
        op: BinaryOp,
        value: NodeId,
        load: impl FnOnce(&mut Self, u16) -> Result<()>,
    ) -> Result<u16> {
        let window = self.allocate()?;
        let left = self.allocate()?;
        load(self, left)?;
        let right = self.allocate()?;
        self.expr(value, right)?;
        self.built_in(builtins::binary_operator(op), window);
        self.at(id);
        self.emit(Op::CallTop, window, 0, 2);
        self.free_to(window + 1);
        Ok(window)
    }

    fn compound_local(
        &mut self,
        id: NodeId,
        op: BinaryOp,
        register: u16,
        binding: BindingId,
        value: NodeId,
    ) -> Result<()> {
        let scalar = self.scalars[binding.index()];
        if op == BinaryOp::Add {
            return self.add_to_local(id, register, scalar, value);
        }
        // The result is a number; what the register held before was one too, or this raises.
        self.set_place(self.ast.span(id));
        self.arithmetic(id, op, register, register, value)
    }

    /// `dst = R[left] op value`, where the operator is not `+` or the operands are numbers.
    fn arithmetic(&mut self, id: NodeId, op: BinaryOp, dst: u16, left: u16, value: NodeId) -> Result<()> {
        if let Some(number) = self.immediate(value) {
            let code = match op {
                BinaryOp::Subtract => Some(Op::SubtractI),
                BinaryOp::Multiply => Some(Op::MultiplyI),
                BinaryOp::Divide if number != 0 => Some(Op::DivideI),
                BinaryOp::Remainder if number > 0 => Some(Op::RemainderI),
                _ => None,
            };
            if let Some(code) = code {
                self.at(id);
                self.emit(code, dst, left, number as u16);
                return Ok(());
            }
        }
        let right = self.operand(value)?;
        self.at(id);
        let left = Operand {
            register: left,
            temporary: false,
            scalar: true,
        };
        self.operator_registers(
            op,
            dst,
            left,
            Operand {
                scalar: true,
                ..right
            },
        );
        Ok(())
    }

    fn compound_name(
        &mut self,
        id: NodeId,
        op: BinaryOp,
        target: NodeId,
        name: Symbol,
        value: NodeId,
    ) -> Result<()> {
        let old = self.allocate()?;
        self.expr(target, old)?;
        if op != BinaryOp::Add {
            self.arithmetic(id, op, old, old, value)?;
            self.at(target);
            return self.store_name(target, name, old);
        }
        let right = self.allocate()?;
        self.expr(value, right)?;
        self.at(id);
        match self.resolution.use_of(target) {
            Use::Local(binding) => {
                if let Some(&cell) = self.function.registers.get(&binding) {
                    self.emit(Op::AddCell, old, cell, right);
                } else if let Some(index) = self.capture_index(binding) {
                    self.emit(Op::AddCaptureCell, old, index, right << 4);
                }
            }
            Use::Global | Use::None => {
                let slot = self.slot(name)?;
                self.emit_wide(Op::AddGlobal, old, slot);
                self.extend(u64::from(right << 4) << 32);
            }
        }
        Ok(())
    }

    fn compound_index(
        &mut self,
        target: NodeId,
        op: BinaryOp,
        object: NodeId,
        index: NodeId,
        value: NodeId,
    ) -> Result<()> {
        let object = self.operand(object)?;
        let index = self.operand(index)?;
        if op == BinaryOp::Add && self.is_at_hand(value) {
            // Reading it cannot fail, so the element may be read after it.
            let right = self.operand(value)?;
            self.at(target);
            self.emit(Op::AddElement, object.register, index.register, right.register);
            self.extend(u64::from(right.consumed()));
            self.release_operands(&[index, object]);
            return Ok(());
        }
        let old = self.allocate()?;
        self.at(target);
        self.forbid_fusion();
        self.emit(Op::GetIndex, old, object.register, index.register);
        if op == BinaryOp::Add {
            let right = self.allocate()?;
            self.expr(value, right)?;
            self.at(target);
            self.emit(Op::AddIndex, object.register, index.register, old);
            self.extend(u64::from(right << 4) << 32);
        } else {
            self.arithmetic(target, op, old, old, value)?;
            self.at(target);
            self.emit(Op::SetIndexMove, object.register, index.register, old);
        }
        self.release_operands(&[index, object]);
        Ok(())
    }

    fn compound_field(
        &mut self,
        target: NodeId,
        op: BinaryOp,
        object: NodeId,
        name: u32,
        value: NodeId,
    ) -> Result<()> {
        let constant = u64::from(name) << 32;
        let object = self.operand(object)?;
        let fused = match op {
            BinaryOp::Add => Some(Op::AddField),
            BinaryOp::Subtract => Some(Op::SubtractField),
            _ => None,
        };
        // Nothing in a simple right side can change the field, so reading it late is reading it early.
        if let Some(code) = fused.filter(|_| self.is_simple(value)) {
            let right = self.operand(value)?;
            self.at(target);
            self.emit(code, object.register, right.register, 0);
            self.extend(constant);
            self.extend(u64::from(right.consumed()));
        } else {
            let old = self.allocate()?;
            self.at(target);
            self.emit(Op::GetField, old, object.register, 0);
            self.extend(constant);
            if op == BinaryOp::Add {
                let right = self.operand(value)?;
                self.at(target);
                let left = Operand {
                    register: old,
                    temporary: true,
                    scalar: false,
                };
                self.operator_registers(op, old, left, right);
            } else {
                self.arithmetic(target, op, old, old, value)?;
            }
            self.at(target);
            self.emit(Op::SetFieldMove, object.register, old, 0);
            self.extend(constant);
        }
        self.release_operands(&[object]);
        Ok(())
    }

    /// `t &&= v` and its kin: what is not assigned is not evaluated either.
    pub(super) fn logical_assign(
        &mut self,
        id: NodeId,
        op: LogicalOp,
        target: NodeId,
        value: NodeId,
    ) -> Result<()> {
        let mark = self.function.next;
        let keep = match op {
            LogicalOp::And => Op::JumpIfNot,
            LogicalOp::Or => Op::JumpIf,
            LogicalOp::Coalesce => Op::JumpIfNotNull,
        };
        let target = self.ungroup(target);
        let end = self.label();
        match self.ast.node(target) {
            Node::Name(name) if let Some(ident) = self.annotation_of(target, name) => {
                let old = self.allocate()?;
                self.expr(target, old)?;
                self.at(id);
                self.jump_on(keep, old, true, end);
                self.expr(value, old)?;
                self.at(id);
                self.check_declared(ident, old, Some(value));
                self.store_checked(target, name, old)?;
                self.bind(end);
            }
            Node::Name(name) => {
                if let Some((register, binding)) = self.plain_local(target) {
                    self.at(id);
                    self.jump_on(keep, register, false, end);
                    self.assign_local(id, register, binding, value)?;
                } else {
                    let old = self.allocate()?;
                    self.expr(target, old)?;
                    self.at(id);
                    self.jump_on(keep, old, true, end);
                    self.expr(value, old)?;
                    self.at(target);
                    self.store_name(target, name, old)?;
                }
                self.bind(end);
            }
            Node::Index { object, index, .. } if let Some(key) = self.string_key(index) => {
                let constant = self.string(self.ast.text(key))? | AS_INDEX;
                self.logical_field(id, target, keep, object, constant, value, end)?;
            }
            Node::Index { object, index, .. } => {
                let object = self.operand(object)?;
                let index = self.operand(index)?;
                let old = self.allocate()?;
                self.at(target);
                self.forbid_fusion();
                self.emit(Op::GetIndex, old, object.register, index.register);
                self.at(id);
                self.jump_on(keep, old, true, end);
                self.expr(value, old)?;
                self.at(target);
                self.emit(Op::SetIndexMove, object.register, index.register, old);
                self.bind(end);
                self.release_operands(&[index, object]);
            }
            Node::Member { object, name, .. } => {
                let constant = self.string(self.ast.text(name))?;
                self.logical_field(id, target, keep, object, constant, value, end)?;
            }
            _ => {}
        }
        self.free_to(mark);
        Ok(())
    }

    /// The same for a member, or for an index with a string.
    #[expect(clippy::too_many_arguments, reason = "the parts of one assignment")]
    fn logical_field(
        &mut self,
        id: NodeId,
        target: NodeId,
        keep: Op,
        object: NodeId,
        name: u32,
        value: NodeId,
        end: Label,
    ) -> Result<()> {
        let constant = u64::from(name) << 32;
        let object = self.operand(object)?;
        let old = self.allocate()?;
        self.at(target);
        self.emit(Op::GetField, old, object.register, 0);
        self.extend(constant);
        self.at(id);
        self.jump_on(keep, old, true, end);
        self.expr(value, old)?;
        self.at(target);
        self.emit(Op::SetFieldMove, object.register, old, 0);
        self.extend(constant);
        self.bind(end);
        self.release_operands(&[object]);
        Ok(())
    }

    /// Whether an expression is a literal or a local in a register.
    fn is_at_hand(&self, id: NodeId) -> bool {
        let id = self.ungroup(id);
        match self.ast.node(id) {
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::Float(_) | Node::Str(_) => true,
            Node::Name(_) => self.plain_local(id).is_some(),
            _ => false,
        }
    }

    /// Whether an expression runs no code of the script's and builds nothing: names, literals, operators, reads.
    fn is_simple(&self, id: NodeId) -> bool {
        let mut work = vec![id];
        let mut seen = 0;
        while let Some(id) = work.pop() {
            seen += 1;
            let plain = matches!(
                self.ast.node(id),
                Node::Null
                    | Node::Bool(_)
                    | Node::Int(_)
                    | Node::Float(_)
                    | Node::Str(_)
                    | Node::Name(_)
                    | Node::Group(_)
                    | Node::Binary { .. }
                    | Node::Index { optional: false, .. }
                    | Node::Member { .. }
                    | Node::Unary {
                        op: aether_ast::UnaryOp::Negate
                            | aether_ast::UnaryOp::Not
                            | aether_ast::UnaryOp::BitNot,
                        ..
                    }
            );
            if !plain || seen > SIMPLE_NODES {
                return false;
            }
            self.ast.for_each_child(id, |child| work.push(child));
        }
        true
    }
}
