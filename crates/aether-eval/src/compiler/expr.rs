//! Expressions that are no call, index or member chain.
//!
//! Two ways to a value: [`Compiler::expr`] puts it into a given dead register, which may serve as scratch
//! meanwhile; [`Compiler::operand`] leaves it where it is if it is a plain local, and otherwise makes a temporary.

use aether_ast::{BinaryOp, FunctionKind, List, LogicalOp, Node, NodeId, Symbol, UnaryOp, ensure_stack};
use aether_resolve::{BindingId, FunctionIndex, Use};
use aether_value::{MOST_KEYS, Rc, Str};

use super::scalar::is_scalar;
use super::{Compiler, Result};
use crate::builtins;
use crate::bytecode::Op;
use crate::tables::RecordSite;

/// A value in a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) register: u16,
    /// Whether it is a temporary, which its consumer ends.
    pub(super) temporary: bool,
    /// Whether it is certainly not counted.
    pub(super) scalar: bool,
}

impl Operand {
    /// Whether its consumer must see to its release.
    pub(super) fn consumed(self) -> bool {
        self.temporary && !self.scalar
    }
}

/// The right or left side of an operator.
enum Side {
    Register(Operand),
    Immediate(i16),
    Constant(u16),
}

/// Values a literal may hold that instructions take directly.
const CONCAT_CHUNK: usize = 64;
const ARRAY_CHUNK: usize = 64;

impl Compiler<'_> {
    pub(super) fn is_scalar(&self, id: NodeId) -> bool {
        let native_operators = self.tables.native_operators;
        is_scalar(self.ast, self.resolution, &self.scalars, native_operators, id)
    }

    /// The node below any parentheses.
    pub(super) fn ungroup(&self, mut id: NodeId) -> NodeId {
        while let Node::Group(inner) = self.ast.node(id) {
            id = inner;
        }
        id
    }

    /// A local where it is, or a fresh temporary.
    pub(super) fn operand(&mut self, id: NodeId) -> Result<Operand> {
        self.operand_in(id, None)
    }

    /// A local where it is, or else `hint`, which must be dead, or else a fresh temporary.
    pub(super) fn operand_in(&mut self, id: NodeId, hint: Option<u16>) -> Result<Operand> {
        let id = self.ungroup(id);
        if let Node::Name(_) = self.ast.node(id)
            && let Some((register, binding)) = self.plain_local(id)
        {
            return Ok(Operand {
                register,
                temporary: false,
                scalar: self.scalars[binding.index()],
            });
        }
        let register = match hint {
            Some(register) => register,
            None => self.allocate()?,
        };
        let scalar = self.is_scalar(id);
        self.expr(id, register)?;
        Ok(Operand {
            register,
            temporary: true,
            scalar,
        })
    }

    /// Puts the value of an expression into the dead register `dst`.
    pub(super) fn expr(&mut self, id: NodeId, dst: u16) -> Result<()> {
        ensure_stack(|| self.expr_inner(id, dst))
    }

    fn expr_inner(&mut self, id: NodeId, dst: u16) -> Result<()> {
        self.at(id);
        match self.ast.node(id) {
            Node::Null => self.emit(Op::LoadNull, dst, 0, 0),
            Node::Bool(value) => self.emit(Op::LoadBool, dst, u16::from(value), 0),
            Node::Int(value) => self.load_int(value, dst),
            Node::Float(value) => {
                let constant = self.tables.float(value);
                self.emit_wide(Op::LoadConst, dst, constant);
            }
            Node::Str(text) => {
                let ast = self.ast;
                let constant = self.string(ast.text(text))?;
                self.emit_wide(Op::LoadConst, dst, constant);
            }
            Node::Interpolation(parts) => self.interpolation(parts, dst)?,
            Node::Formatted { value, spec } => {
                let mark = self.function.next;
                let window = self.window(dst)?;
                self.free_to(window + 1);
                let (argument, text) = (self.allocate()?, self.allocate()?);
                self.expr(value, argument)?;
                let ast = self.ast;
                let constant = self.string(ast.text(spec))?;
                self.emit_wide(Op::LoadConst, text, constant);
                self.built_in(&builtins::FORMAT_VALUE, window);
                self.at(id);
                self.emit(Op::CallTop, window, 0, 2);
                self.move_result(dst, window);
                self.free_to(mark);
            }
            Node::Name(_) => self.name(id, dst)?,
            Node::Array(items) => {
                let ast = self.ast;
                self.array(ast.list(items), dst)?;
            }
            Node::Dict(items) => self.dict(items, dst)?,
            Node::MatchExpr { subject, arms } => self.match_expression(subject, arms, dst)?,
            Node::ArrayComprehension { element, clauses } => {
                self.comprehension(id, clauses, &[element], dst)?;
            }
            Node::DictComprehension { key, value, clauses } => {
                self.comprehension(id, clauses, &[key, value], dst)?;
            }
            Node::StructLit { target, fields } => self.struct_literal(id, target, fields, dst)?,
            Node::Function(function) => {
                debug_assert!(matches!(
                    self.ast.function(function).kind,
                    FunctionKind::Expression | FunctionKind::Arrow
                ));
                let child = self.child(function, None, None)?;
                self.emit(Op::Closure, dst, child, 0);
            }
            Node::Group(inner) => self.expr(inner, dst)?,
            Node::Unary { op, operand } => self.unary(id, op, operand, dst)?,
            Node::Binary { .. } => self.binary(id, dst, Some(dst))?,
            Node::Range {
                start,
                end,
                inclusive,
            } => {
                let def = if inclusive {
                    &builtins::INCLUSIVE_RANGE
                } else {
                    &builtins::RANGE
                };
                self.called_operator(id, def, &[start, end], dst)?;
            }
            Node::Membership {
                item,
                container,
                negated,
            } => {
                self.called_operator(id, &builtins::MEMBERSHIP, &[item, container], dst)?;
                if negated {
                    self.emit(Op::Not, dst, dst, 0);
                }
            }
            Node::Logical { .. } => self.logical(id, dst)?,
            Node::Ternary {
                condition,
                then,
                otherwise,
            } => {
                let (if_false, end) = (self.label(), self.label());
                self.branch(condition, false, if_false, self.ast.span(then).len() + 16)?;
                self.expr(then, dst)?;
                self.jump(end);
                self.bind(if_false);
                self.expr(otherwise, dst)?;
                self.bind(end);
            }
            Node::Call { .. } | Node::Index { .. } | Node::Slice { .. } | Node::Member { .. } => {
                self.chain(id, dst)?;
            }
            // The parser has reported what stands here, and nothing of such a text runs.
            _ => self.emit(Op::LoadNull, dst, 0, 0),
        }
        Ok(())
    }

    pub(super) fn load_int(&mut self, value: i64, dst: u16) {
        if let Ok(small) = i32::try_from(value) {
            self.emit_wide(Op::LoadInt, dst, small as u32);
        } else {
            let constant = self.tables.int(value);
            self.emit_wide(Op::LoadConst, dst, constant);
        }
    }

    // --- names ---

    fn name(&mut self, id: NodeId, dst: u16) -> Result<()> {
        match self.resolution.use_of(id) {
            Use::Local(binding) => {
                self.load_binding(binding, dst);
                Ok(())
            }
            Use::Global | Use::None => {
                let Node::Name(name) = self.ast.node(id) else {
                    return Ok(());
                };
                let slot = self.slot(name)?;
                self.emit_wide(Op::GetGlobal, dst, slot);
                Ok(())
            }
        }
    }

    /// Loads the value of a binding of this or an enclosing function.
    pub(super) fn load_binding(&mut self, binding: BindingId, dst: u16) {
        let cell = self.resolution.binding(binding).cell;
        if let Some(&register) = self.function.registers.get(&binding) {
            self.emit(if cell { Op::GetCell } else { Op::Copy }, dst, register, 0);
        } else if self.is_own(binding) {
            self.emit(Op::LoadOwn, dst, 0, 0);
        } else if let Some(index) = self.capture_index(binding) {
            self.emit(
                if cell { Op::GetCaptureCell } else { Op::GetCapture },
                dst,
                index,
                0,
            );
        } else {
            self.emit(Op::LoadNull, dst, 0, 0);
        }
    }

    /// The capture of this function that holds a binding of an enclosing one which is never set again.
    pub(super) fn plain_capture(&mut self, binding: BindingId) -> Option<u16> {
        let here = self.function.registers.contains_key(&binding) || self.is_own(binding);
        if here || self.resolution.binding(binding).cell {
            return None;
        }
        self.capture_index(binding)
    }

    // --- literals ---

    fn interpolation(&mut self, parts: List, dst: u16) -> Result<()> {
        let place = self.place();
        let ast = self.ast;
        let mark = self.function.next;
        let first = self.window(dst)?;
        let parts = ast.list(parts);
        let mut count = 0;
        for (index, &part) in parts.iter().enumerate() {
            let register = if index == 0 { first } else { self.allocate()? };
            self.expr(part, register)?;
            count += 1;
            if count == CONCAT_CHUNK || index + 1 == parts.len() {
                // What has been joined so far is the first part of the next chunk.
                self.set_place(place);
                self.emit(Op::Concat, first, first, count as u16);
                self.free_to(first + 1);
                count = 1;
            }
        }
        self.free_to(mark);
        self.move_result(dst, first);
        Ok(())
    }

    pub(super) fn array(&mut self, items: &[NodeId], dst: u16) -> Result<()> {
        let ast = self.ast;
        let place = self.place();
        let mark = self.function.next;
        let plain = items
            .iter()
            .take_while(|&&item| !matches!(ast.node(item), Node::Spread(_)))
            .count();
        let together = plain.min(ARRAY_CHUNK);
        let first = self.function.next;
        for &item in &items[..together] {
            let register = self.allocate()?;
            self.expr(item, register)?;
        }
        self.set_place(place);
        self.free_to(mark);
        if together == items.len() {
            self.emit(Op::Array, dst, first, together as u16);
            return Ok(());
        }
        // The array under construction has a register of its own: an element may use `dst` meanwhile only if
        // it is a scratch register too.
        let array = self.allocate()?;
        self.emit(Op::Array, array, first, together as u16);
        let value = self.allocate()?;
        for &item in &items[together..] {
            if let Node::Spread(inner) = ast.node(item) {
                self.expr(inner, value)?;
                self.at(item);
                self.emit(Op::Extend, array, value, 0);
            } else {
                self.expr(item, value)?;
                self.set_place(place);
                self.emit(Op::Append, array, value, 0);
            }
        }
        self.free_to(mark);
        self.emit(Op::Move, dst, array, 0);
        Ok(())
    }

    /// The keys of a dict literal, if they are different strings, and not too many to be those of a record.
    fn record_keys(&self, items: &[NodeId]) -> Result<Option<Vec<Rc<Str>>>> {
        let mut keys: Vec<Rc<Str>> = Vec::new();
        if items.is_empty() || items.len() / 2 > ARRAY_CHUNK.min(MOST_KEYS) {
            return Ok(None);
        }
        for pair in items.chunks_exact(2) {
            let Some(symbol) = self.string_key(pair[0]) else {
                return Ok(None);
            };
            let key = self.interned(self.ast.text(symbol))?;
            if keys.iter().any(|known| Rc::ptr_eq(known, &key)) {
                return Ok(None);
            }
            keys.push(key);
        }
        Ok(Some(keys))
    }

    /// The text of an index or a key, if it is a plain string literal.
    pub(super) fn string_key(&self, id: NodeId) -> Option<Symbol> {
        match self.ast.node(self.ungroup(id)) {
            Node::Str(symbol) => Some(symbol),
            _ => None,
        }
    }

    fn dict(&mut self, items: List, dst: u16) -> Result<()> {
        let ast = self.ast;
        let items = ast.list(items);
        let place = self.place();
        let mark = self.function.next;
        if let Some(keys) = self.record_keys(items)? {
            let first = self.function.next;
            for pair in items.chunks_exact(2) {
                let register = self.allocate()?;
                self.expr(pair[1], register)?;
            }
            self.set_place(place);
            self.free_to(mark);
            let count = keys.len() as u16;
            self.tables.records.push(RecordSite { keys, shape: None });
            self.emit(Op::Record, dst, first, count);
            self.extend(self.tables.records.len() as u64 - 1);
            return Ok(());
        }
        let is_other = |pair: &[NodeId]| {
            matches!(
                ast.node(self.ungroup(pair[0])),
                Node::Int(_) | Node::Float(_) | Node::Bool(_) | Node::Null
            )
        };
        // A dict with other keys than strings is a table from the beginning.
        let room = if items.chunks_exact(2).any(is_other) {
            items.len() / 2
        } else {
            0
        };
        let (dict, key, value) = (self.allocate()?, self.allocate()?, self.allocate()?);
        self.emit_wide(Op::Dict, dict, room as u32);
        for pair in items.chunks_exact(2) {
            self.expr(pair[0], key)?;
            self.expr(pair[1], value)?;
            self.set_place(self.ast.span(pair[0]));
            self.emit(Op::Entry, dict, key, value);
        }
        self.set_place(place);
        self.free_to(mark);
        self.emit(Op::Move, dst, dict, 0);
        Ok(())
    }

    fn struct_literal(&mut self, id: NodeId, target: NodeId, fields: List, dst: u16) -> Result<()> {
        let ast = self.ast;
        let fields = ast.list(fields);
        let mark = self.function.next;
        let window = self.window(dst)?;
        self.expr(target, window)?;
        let mut names = Vec::with_capacity(fields.len() / 2);
        for field in fields.chunks_exact(2) {
            names.push(self.interned(self.text(field[0]))?);
            let register = self.allocate()?;
            self.expr(field[1], register)?;
        }
        let count = names.len() as u16;
        let site = self.tables.add_literal(names);
        self.at(id);
        self.emit(Op::Instance, window, 0, count);
        self.extend(u64::from(site));
        self.free_to(mark);
        self.move_result(dst, window);
        Ok(())
    }

    /// A register with only free ones above it, for results with arguments: `dst` itself if it is the last.
    pub(super) fn window(&mut self, dst: u16) -> Result<u16> {
        if dst + 1 == self.function.next {
            Ok(dst)
        } else {
            self.allocate()
        }
    }

    pub(super) fn move_result(&mut self, dst: u16, window: u16) {
        if dst != window {
            self.emit(Op::Move, dst, window, 0);
        }
    }

    // --- operators ---

    fn unary(&mut self, id: NodeId, op: UnaryOp, operand: NodeId, dst: u16) -> Result<()> {
        let inner = self.ungroup(operand);
        if op == UnaryOp::Negate {
            match self.ast.node(inner) {
                Node::Int(value) => {
                    self.load_int(value.wrapping_neg(), dst);
                    return Ok(());
                }
                Node::Float(value) => {
                    let constant = self.tables.float(-value);
                    self.emit_wide(Op::LoadConst, dst, constant);
                    return Ok(());
                }
                _ => {}
            }
        }
        if op == UnaryOp::Await {
            self.expr(operand, dst)?;
            self.at(id);
            self.emit(Op::Await, dst, 0, 0);
            return Ok(());
        }
        if op != UnaryOp::Not && self.tables.native_operators && !self.is_scalar(operand) {
            let def = builtins::unary_operator(op == UnaryOp::Negate);
            return self.called_operator(id, def, &[operand], dst);
        }
        let value = self.operand_in(operand, Some(dst))?;
        self.at(id);
        let op = match op {
            UnaryOp::Negate => Op::Negate,
            UnaryOp::BitNot => Op::BitNot,
            UnaryOp::Not | UnaryOp::Await => Op::Not,
        };
        self.emit(op, dst, value.register, 0);
        Ok(())
    }

    /// Whether an operator is left to a built-in, since an operand may be of a type of the host.
    pub(super) fn is_called(&self, op: BinaryOp, left: NodeId, right: NodeId) -> bool {
        self.tables.native_operators
            && !op.is_comparison()
            && !(op == BinaryOp::Add && (self.is_text(left) || self.is_text(right)))
            && !(self.is_scalar(left) && self.is_scalar(right))
    }

    /// Whether an expression is written as a text: `+` with it makes a text, whatever the other operand.
    fn is_text(&self, id: NodeId) -> bool {
        matches!(
            self.ast.node(self.ungroup(id)),
            Node::Str(_) | Node::Interpolation(_)
        )
    }

    /// An operator that a built-in computes.
    fn called_operator(
        &mut self,
        id: NodeId,
        def: &'static builtins::BuiltinDef,
        operands: &[NodeId],
        dst: u16,
    ) -> Result<()> {
        let mark = self.function.next;
        let window = self.window(dst)?;
        self.free_to(window + 1);
        for &operand in operands {
            let register = self.allocate()?;
            self.expr(operand, register)?;
        }
        self.built_in(def, window);
        self.at(id);
        self.emit(Op::CallTop, window, 0, operands.len() as u16);
        self.move_result(dst, window);
        self.free_to(mark);
        Ok(())
    }

    /// Puts a built-in that no script names into a register.
    pub(super) fn built_in(&mut self, def: &'static builtins::BuiltinDef, register: u16) {
        let constant = self.tables.built_in(def);
        self.emit_wide(Op::LoadConst, register, constant);
    }

    /// A chain of infix operators to the left, of any length. With `scratch`, intermediate results may use it.
    pub(super) fn binary(&mut self, id: NodeId, dst: u16, scratch: Option<u16>) -> Result<()> {
        if self.tables.native_operators {
            return self.binary_called(id, dst);
        }
        let mark = self.function.next;
        let mut steps = Vec::new();
        let mut leftmost = id;
        while let Node::Binary { op, lhs, rhs } = self.ast.node(leftmost) {
            steps.push((leftmost, op, rhs));
            leftmost = self.ungroup(lhs);
        }
        let mut left = None;
        let mut scalar = self.is_scalar(leftmost);
        while let Some((node, op, rhs)) = steps.pop() {
            let into = if steps.is_empty() {
                dst
            } else {
                match (scratch, left) {
                    (Some(register), _) => register,
                    (
                        None,
                        Some(Operand {
                            register,
                            temporary: true,
                            ..
                        }),
                    ) => register,
                    (None, _) => self.allocate()?,
                }
            };
            let lhs_side = match left {
                Some(operand) => Side::Register(operand),
                None => self.left_side(
                    op,
                    leftmost,
                    rhs,
                    if scratch.is_some() { Some(into) } else { None },
                )?,
            };
            let inner = self.function.next;
            scalar = if op == BinaryOp::Add {
                scalar && self.is_scalar(rhs)
            } else {
                true
            };
            let rhs_side = self.right_side(op, &lhs_side, rhs)?;
            self.at(node);
            self.operator(op, into, &lhs_side, &rhs_side);
            self.free_to(inner);
            left = Some(Operand {
                register: into,
                temporary: true,
                scalar,
            });
        }
        self.free_to(mark);
        Ok(())
    }

    /// The same where types of the host may have operators: what is not certainly a number goes to a built-in.
    fn binary_called(&mut self, id: NodeId, dst: u16) -> Result<()> {
        let mark = self.function.next;
        let mut steps = Vec::new();
        let mut leftmost = id;
        while let Node::Binary { op, lhs, rhs } = self.ast.node(leftmost) {
            steps.push((leftmost, op, rhs));
            leftmost = self.ungroup(lhs);
        }
        // The value so far is the left operand in the window of the next call.
        let window = self.window(dst)?;
        self.free_to(window + 1);
        let left = self.allocate()?;
        let mut scalar = self.is_scalar(leftmost);
        self.expr(leftmost, left)?;
        while let Some((node, op, rhs)) = steps.pop() {
            let both = scalar && self.is_scalar(rhs);
            let joins = op == BinaryOp::Add && self.is_text(rhs);
            if !both && !joins && !op.is_comparison() {
                let right = self.allocate()?;
                self.expr(rhs, right)?;
                self.built_in(builtins::binary_operator(op), window);
                self.at(node);
                self.emit(Op::CallTop, window, 0, 2);
                self.emit(Op::Move, left, window, 0);
            } else {
                let operand = Operand {
                    register: left,
                    temporary: true,
                    scalar,
                };
                let right = self.operand(rhs)?;
                self.at(node);
                self.operator_registers(op, left, operand, right);
            }
            self.free_to(left + 1);
            scalar = both || op.is_comparison();
        }
        self.emit(Op::Move, dst, left, 0);
        self.free_to(mark);
        Ok(())
    }

    /// A small integer literal, negative ones included.
    pub(super) fn immediate(&self, id: NodeId) -> Option<i16> {
        match self.ast.node(self.ungroup(id)) {
            Node::Int(value) => i16::try_from(value).ok(),
            Node::Unary {
                op: UnaryOp::Negate,
                operand,
            } => match self.ast.node(self.ungroup(operand)) {
                Node::Int(value) => i16::try_from(-i128::from(value)).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    /// A number or string literal as a constant that fits an operand field.
    fn constant(&mut self, id: NodeId, strings: bool) -> Result<Option<u16>> {
        let id = self.ungroup(id);
        let constant = match self.ast.node(id) {
            Node::Int(value) => self.tables.int(value),
            Node::Float(value) => self.tables.float(value),
            Node::Str(text) if strings => {
                let ast = self.ast;
                self.string(ast.text(text))?
            }
            _ => return Ok(None),
        };
        Ok(u16::try_from(constant).ok())
    }

    fn left_side(&mut self, op: BinaryOp, lhs: NodeId, rhs: NodeId, hint: Option<u16>) -> Result<Side> {
        let takes_constant = matches!(
            op,
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide
        );
        let right_is_literal = matches!(
            self.ast.node(self.ungroup(rhs)),
            Node::Int(_)
                | Node::Float(_)
                | Node::Str(_)
                | Node::Unary {
                    op: UnaryOp::Negate,
                    ..
                }
        );
        if takes_constant
            && !right_is_literal
            && let Some(constant) = self.constant(lhs, op == BinaryOp::Add)?
        {
            return Ok(Side::Constant(constant));
        }
        Ok(Side::Register(self.operand_in(lhs, hint)?))
    }

    fn right_side(&mut self, op: BinaryOp, lhs: &Side, rhs: NodeId) -> Result<Side> {
        if let Side::Register(_) = lhs {
            let immediate = self.immediate(rhs).filter(|&value| match op {
                BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply => true,
                BinaryOp::Divide => value != 0,
                BinaryOp::Remainder => value > 0,
                _ => false,
            });
            if let Some(value) = immediate {
                return Ok(Side::Immediate(value));
            }
            let takes_constant = matches!(
                op,
                BinaryOp::Add
                    | BinaryOp::Subtract
                    | BinaryOp::Multiply
                    | BinaryOp::Divide
                    | BinaryOp::Remainder
            );
            if takes_constant && let Some(constant) = self.constant(rhs, op == BinaryOp::Add)? {
                return Ok(Side::Constant(constant));
            }
        }
        Ok(Side::Register(self.operand(rhs)?))
    }

    fn operator(&mut self, op: BinaryOp, dst: u16, lhs: &Side, rhs: &Side) {
        match (lhs, rhs) {
            (Side::Register(left), Side::Register(right)) => self.operator_registers(op, dst, *left, *right),
            (Side::Register(left), Side::Immediate(value)) => {
                let code = match op {
                    BinaryOp::Add => Op::AddI,
                    BinaryOp::Subtract => Op::SubtractI,
                    BinaryOp::Multiply => Op::MultiplyI,
                    BinaryOp::Divide => Op::DivideI,
                    _ => Op::RemainderI,
                };
                self.operator_in_place(code, dst, *left, *value as u16);
            }
            (Side::Register(left), Side::Constant(constant)) => {
                let code = match op {
                    BinaryOp::Add => Op::AddK,
                    BinaryOp::Subtract => Op::SubtractK,
                    BinaryOp::Multiply => Op::MultiplyK,
                    BinaryOp::Divide => Op::DivideK,
                    _ => Op::RemainderK,
                };
                self.operator_in_place(code, dst, *left, *constant);
            }
            (Side::Constant(constant), Side::Register(right)) => {
                let code = match op {
                    BinaryOp::Add if right.consumed() => Op::AddLeftKC,
                    BinaryOp::Add => Op::AddLeftK,
                    BinaryOp::Subtract => Op::SubtractLeftK,
                    BinaryOp::Multiply => Op::MultiplyLeftK,
                    _ => Op::DivideLeftK,
                };
                // A left constant sits in field b, which this layout leaves unscaled; c is a register.
                self.emit(code, dst, *constant, right.register << 4);
            }
            _ => unreachable!("a side is constant only beside a register"),
        }
    }

    /// `+` with an immediate or constant consumes its left operand only where the result overwrites it.
    fn operator_in_place(&mut self, op: Op, dst: u16, left: Operand, right: u16) {
        if left.consumed() && left.register != dst && matches!(op, Op::AddI | Op::AddK) {
            self.emit(op, left.register, left.register, right);
            self.emit(Op::Move, dst, left.register, 0);
        } else {
            self.emit(op, dst, left.register, right);
        }
    }

    pub(super) fn operator_registers(&mut self, op: BinaryOp, dst: u16, left: Operand, right: Operand) {
        let code = match op {
            BinaryOp::Add => match (left.consumed(), right.consumed()) {
                (false, false) => Op::Add,
                (true, false) => Op::AddB,
                (false, true) => Op::AddC,
                (true, true) => Op::AddBC,
            },
            BinaryOp::Subtract => Op::Subtract,
            BinaryOp::Multiply => Op::Multiply,
            BinaryOp::Divide => Op::Divide,
            BinaryOp::Remainder => Op::Remainder,
            BinaryOp::Power => Op::Power,
            BinaryOp::ShiftLeft => Op::ShiftLeft,
            BinaryOp::ShiftRight => Op::ShiftRight,
            BinaryOp::BitAnd => Op::BitAnd,
            BinaryOp::BitXor => Op::BitXor,
            BinaryOp::BitOr => Op::BitOr,
            BinaryOp::Equal => Op::Equal,
            BinaryOp::NotEqual => Op::NotEqual,
            BinaryOp::Less => Op::Less,
            BinaryOp::LessEqual => Op::LessEqual,
            BinaryOp::Greater => Op::Greater,
            BinaryOp::GreaterEqual => Op::GreaterEqual,
        };
        if !op.is_comparison() || !(left.consumed() || right.consumed()) {
            self.emit(code, dst, left.register, right.register);
            return;
        }
        // A comparison writes a bool: operands that it would overwrite or leave behind are released apart.
        let spare = self.spare();
        self.emit(code, spare, left.register, right.register);
        let mut dead = Vec::new();
        if right.consumed() {
            dead.push(right.register);
        }
        if left.consumed() {
            dead.push(left.register);
        }
        self.release(&dead);
        self.emit(Op::Move, dst, spare, 0);
    }

    /// `&&`, `||`, `??` chains to the left, of any length.
    fn logical(&mut self, id: NodeId, dst: u16) -> Result<()> {
        let mut steps = Vec::new();
        let mut leftmost = id;
        while let Node::Logical { op, lhs, rhs } = self.ast.node(leftmost) {
            steps.push((op, rhs));
            leftmost = self.ungroup(lhs);
        }
        let mut counted = !self.is_scalar(leftmost);
        self.expr(leftmost, dst)?;
        while let Some((op, rhs)) = steps.pop() {
            let end = self.label();
            let keep = match op {
                LogicalOp::And => Op::JumpIfNot,
                LogicalOp::Or => Op::JumpIf,
                LogicalOp::Coalesce => Op::JumpIfNotNull,
            };
            self.jump_on(keep, dst, false, end);
            // A falsy value may be counted too: the empty string, an empty array.
            if counted && op != LogicalOp::Coalesce {
                self.emit(Op::Drop, dst, 0, 0);
            }
            counted |= !self.is_scalar(rhs);
            self.expr(rhs, dst)?;
            self.bind(end);
        }
        Ok(())
    }

    /// The index of a function among the running code's children; `ident` is the name that declares it.
    pub(super) fn child(
        &mut self,
        function: aether_ast::FunctionId,
        name: Option<String>,
        ident: Option<NodeId>,
    ) -> Result<u16> {
        let code = self.function_code(function, name, ident)?;
        self.function.children.push(code);
        let index = self.function.children.len() - 1;
        match u16::try_from(index) {
            Ok(index) => Ok(index),
            Err(_) if self.function.index == FunctionIndex::TOP_LEVEL => {
                self.too_large("Too many functions at the top level (limit 65536)", self.place())
            }
            Err(_) => self.too_large("Too many functions in one function (limit 65536)", self.place()),
        }
    }

    /// The index of a tree function in the resolver's tables.
    pub(super) fn function_index(function: aether_ast::FunctionId) -> FunctionIndex {
        FunctionIndex::of(function)
    }
}
