//! Chains of calls, indexing, slices and members, of any length.
//!
//! The chain is walked down to its base first, then compiled from the base outwards in a loop. Between two steps
//! the value is a local where it stands, or a temporary in `dst`, or, if a method call comes next, already in
//! the register where that call wants its receiver.
//!
//! `?.` on null leaves the whole rest of the chain: all such jumps meet at one label behind it.

use aether_ast::{List, Node, NodeId, Symbol};
use aether_resolve::Use;

use super::expr::Operand;
use super::function::Label;
use super::{Compiler, Result};
use crate::builtins;
use crate::bytecode::{AS_INDEX, OR_NULL, Op, name_word};
use crate::vm::MOST_NAMED;

#[derive(Clone, Copy)]
enum Step {
    Member {
        name: Symbol,
        optional: bool,
    },
    Index(NodeId),
    OptionalIndex(NodeId),
    Slice(Option<NodeId>, Option<NodeId>),
    Call(List),
    Method {
        member: NodeId,
        name: Symbol,
        optional: bool,
        args: List,
    },
}

/// The value so far.
#[derive(Clone, Copy)]
struct Current {
    value: Operand,
    /// The call window reserved for it, if it is already where a receiver belongs.
    window: Option<u16>,
}

/// What stands in the place of a parameter.
enum Place {
    Argument(NodeId),
    Null,
    /// Its default takes this place.
    Unset,
}

impl Compiler<'_> {
    /// Compiles a call, index, slice or member expression into `dst`.
    pub(super) fn chain(&mut self, id: NodeId, dst: u16) -> Result<()> {
        let mark = self.function.next;
        let mut steps = Vec::new();
        let mut base = id;
        loop {
            let step = match self.ast.node(base) {
                Node::Member {
                    object,
                    name,
                    optional,
                } => (Step::Member { name, optional }, object),
                Node::Index {
                    object,
                    index,
                    optional,
                } => {
                    let step = if optional {
                        Step::OptionalIndex(index)
                    } else {
                        Step::Index(index)
                    };
                    (step, object)
                }
                Node::Slice { object, start, end } => (Step::Slice(start, end), object),
                Node::Call { callee, args } => match self.ast.node(callee) {
                    Node::Member {
                        object,
                        name,
                        optional,
                    } => (
                        Step::Method {
                            member: callee,
                            name,
                            optional,
                            args,
                        },
                        object,
                    ),
                    _ => (Step::Call(args), callee),
                },
                _ => break,
            };
            steps.push((base, step.0));
            base = step.1;
        }
        let optional = steps.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Member { optional: true, .. }
                    | Step::Method { optional: true, .. }
                    | Step::OptionalIndex(_)
            )
        });
        let on_null = if optional { Some(self.label()) } else { None };
        let mut current = self.chain_base(base, &mut steps, dst)?;
        while let Some((node, step)) = steps.pop() {
            let method_next = matches!(steps.last(), Some((_, Step::Method { .. })));
            current = self.chain_step(node, step, current, dst, method_next, on_null)?;
            if current.window.is_none() {
                self.free_to(mark);
            }
        }
        if current.value.register != dst {
            let op = if current.value.temporary {
                Op::Move
            } else {
                Op::Copy
            };
            self.emit(op, dst, current.value.register, 0);
        }
        self.free_to(mark);
        if let Some(on_null) = on_null {
            let end = self.label();
            self.jump(end);
            self.bind(on_null);
            self.emit(Op::LoadNull, dst, 0, 0);
            self.bind(end);
        }
        Ok(())
    }

    /// The base of a chain; a direct call of a name takes its step along.
    fn chain_base(&mut self, base: NodeId, steps: &mut Vec<(NodeId, Step)>, dst: u16) -> Result<Current> {
        match steps.last() {
            Some(&(node, Step::Call(args))) => {
                if let Node::Name(name) = self.ast.node(base)
                    && (!self.has_spread(args) || self.places(base, args).is_some())
                {
                    steps.pop();
                    return self.call_name(node, base, name, args, dst);
                }
            }
            Some((_, Step::Method { .. })) if self.plain_local(base).is_none() => {
                let (window, receiver) = self.method_window(dst)?;
                self.expr(base, receiver)?;
                let scalar = self.is_scalar(base);
                let value = Operand {
                    register: receiver,
                    temporary: true,
                    scalar,
                };
                return Ok(Current {
                    value,
                    window: Some(window),
                });
            }
            _ => {}
        }
        let value = if self.ungroup(base) == base {
            self.operand_in(base, Some(dst))?
        } else {
            self.expr(base, dst)?;
            Operand {
                register: dst,
                temporary: true,
                scalar: self.is_scalar(base),
            }
        };
        Ok(Current { value, window: None })
    }

    fn method_window(&mut self, dst: u16) -> Result<(u16, u16)> {
        let window = self.window(dst)?;
        // The receiver's register must follow the window's.
        self.free_to(window + 1);
        Ok((window, self.allocate()?))
    }

    /// Whether some of the arguments are spread or have names, so that their places are known at run time only.
    fn has_spread(&self, args: List) -> bool {
        let ast = self.ast;
        ast.list(args)
            .iter()
            .any(|&arg| matches!(ast.node(arg), Node::Spread(_) | Node::Keyword { .. }))
    }

    /// The arguments in their places, with keyword arguments in those of their parameters, for a call of a function that
    /// is known and takes them so.
    fn places(&self, callee: NodeId, args: List) -> Option<Vec<Place>> {
        let ast = self.ast;
        let Node::Name(symbol) = ast.node(callee) else {
            return None;
        };
        let function = ast.function(self.resolution.function_of(callee, symbol)?);
        let params = ast.list(function.params);
        let mut places: Vec<Place> = Vec::new();
        for &arg in ast.list(args) {
            let (at, value) = match ast.node(arg) {
                Node::Spread(_) => return None,
                Node::Keyword { name, value } => {
                    let is_it = |&param: &NodeId| match ast.node(param) {
                        Node::Ident(symbol) => symbol == name,
                        Node::DefaultPattern { target, .. } => ast.name_of(target) == Some(name),
                        _ => false,
                    };
                    (params.iter().position(is_it)?, value)
                }
                _ => (places.len(), arg),
            };
            // What is by position and surplus is an error, or the rest's.
            if !matches!(
                ast.node(*params.get(at)?),
                Node::Ident(_) | Node::DefaultPattern { .. }
            ) {
                return None;
            }
            while places.len() <= at {
                let is_optional = matches!(ast.node(params[places.len()]), Node::DefaultPattern { .. });
                places.push(if is_optional { Place::Unset } else { Place::Null });
            }
            if matches!(places[at], Place::Argument(_)) {
                return None;
            }
            places[at] = Place::Argument(value);
        }
        Some(places)
    }

    /// Evaluates the arguments of a call of a name, those that have names in the places of these.
    fn arguments_of(&mut self, callee: NodeId, args: List) -> Result<u16> {
        let ast = self.ast;
        if !self.has_spread(args) {
            return self.arguments(args);
        }
        let places = self.places(callee, args).unwrap_or_default();
        let mut registers = Vec::with_capacity(places.len());
        for _ in &places {
            registers.push(self.allocate()?);
        }
        // In the order in which they are written.
        for &arg in ast.list(args) {
            let value = match ast.node(arg) {
                Node::Keyword { value, .. } => value,
                _ => arg,
            };
            let at = places
                .iter()
                .position(|place| matches!(place, Place::Argument(placed) if *placed == value));
            if let Some(at) = at {
                self.expr(value, registers[at])?;
            }
        }
        for (place, &register) in places.iter().zip(&registers) {
            match place {
                Place::Argument(_) => {}
                Place::Null => self.emit(Op::LoadNull, register, 0, 0),
                Place::Unset => self.emit(Op::LoadUnset, register, 0, 0),
            }
        }
        Ok(places.len() as u16)
    }

    /// The names of the arguments that have some, if the instructions for such calls take them: none is spread, and
    /// there are not too many.
    fn keyword_site(&mut self, args: List) -> Result<Option<(u32, u16)>> {
        let ast = self.ast;
        let mut names = Vec::new();
        for &arg in ast.list(args) {
            match ast.node(arg) {
                Node::Spread(_) => return Ok(None),
                Node::Keyword { name, .. } => names.push(self.interned(ast.text(name))?),
                _ => {}
            }
        }
        if names.is_empty() || names.len() > MOST_NAMED {
            return Ok(None);
        }
        let count = names.len() as u16;
        self.tables.keyword_sites.push(names.into());
        Ok(Some((self.tables.keyword_sites.len() as u32 - 1, count)))
    }

    /// Evaluates the arguments by position into an array, and if there are any by name, their names and values into
    /// another one; answers whether there are.
    fn argument_arrays(&mut self, args: List) -> Result<bool> {
        let ast = self.ast;
        let args = ast.list(args);
        let count = args
            .iter()
            .take_while(|&&arg| !matches!(ast.node(arg), Node::Keyword { .. }))
            .count();
        let (positional, named) = args.split_at(count);
        let array = self.allocate()?;
        self.array(positional, array)?;
        if named.is_empty() {
            return Ok(false);
        }
        let array = self.allocate()?;
        let pair = self.allocate()?;
        self.emit(Op::Array, array, pair, 0);
        for &arg in named {
            if let Node::Keyword { name, value } = ast.node(arg) {
                let name = self.string(ast.text(name))?;
                self.emit_wide(Op::LoadConst, pair, name);
                self.emit(Op::Append, array, pair, 0);
                self.expr(value, pair)?;
                self.at(arg);
                self.emit(Op::Append, array, pair, 0);
            }
        }
        self.free_to(pair);
        Ok(true)
    }

    /// Calls the function in `callee`, which it takes, with arguments of which some are spread or have names; the result
    /// is in `dst`.
    fn spread_call(&mut self, node: NodeId, callee: Operand, args: List, dst: u16) -> Result<Current> {
        let window = self.window(dst)?;
        self.free_to(window + 1);
        let function = self.allocate()?;
        let op = if callee.temporary { Op::Move } else { Op::Copy };
        if let Some((site, named)) = self.keyword_site(args)? {
            self.free_to(function);
            if callee.register != window {
                self.emit(op, window, callee.register, 0);
            }
            let count = self.arguments(args)?;
            self.at(node);
            self.emit(Op::CallKeywords, window, count - named, named);
            self.extend(u64::from(site));
            self.move_result(dst, window);
            return Ok(Self::temporary(dst));
        }
        self.emit(op, function, callee.register, 0);
        let named = self.argument_arrays(args)?;
        let def = if named {
            &builtins::KEYWORD_CALL
        } else {
            &builtins::SPREAD_CALL
        };
        self.built_in(def, window);
        self.at(node);
        self.emit(Op::CallTop, window, 0, 2 + u16::from(named));
        self.move_result(dst, window);
        Ok(Self::temporary(dst))
    }

    /// The same for a method of the receiver.
    fn spread_method_call(
        &mut self,
        node: NodeId,
        name: Symbol,
        args: List,
        current: Current,
        dst: u16,
    ) -> Result<()> {
        let object = current.value;
        let window = match current.window {
            Some(window) => window,
            None => self.window(dst)?,
        };
        self.free_to(window + 1);
        let receiver = self.allocate()?;
        if receiver != object.register {
            let op = if object.temporary { Op::Move } else { Op::Copy };
            self.emit(op, receiver, object.register, 0);
        }
        if let Some((site, named)) = self.keyword_site(args)? {
            let ast = self.ast;
            let constant = self.string(ast.text(name))?;
            let count = self.arguments(args)?;
            self.at(node);
            self.emit(Op::CallMethodKeywords, window, count - named, named);
            self.extend(u64::from(site) | u64::from(constant) << 32);
            self.move_result(dst, window);
            return Ok(());
        }
        let method = self.allocate()?;
        let ast = self.ast;
        let constant = self.string(ast.text(name))?;
        self.emit_wide(Op::LoadConst, method, constant);
        let named = self.argument_arrays(args)?;
        let def = if named {
            &builtins::KEYWORD_METHOD_CALL
        } else {
            &builtins::SPREAD_METHOD_CALL
        };
        self.built_in(def, window);
        self.at(node);
        self.emit(Op::CallTop, window, 0, 3 + u16::from(named));
        self.move_result(dst, window);
        Ok(())
    }

    /// Evaluates arguments into the registers from the next one on and gives their number.
    fn arguments(&mut self, args: List) -> Result<u16> {
        let ast = self.ast;
        let args = ast.list(args);
        for &arg in args {
            let register = self.allocate()?;
            let value = match ast.node(arg) {
                Node::Keyword { value, .. } => value,
                _ => arg,
            };
            self.expr(value, register)?;
        }
        Ok(args.len() as u16)
    }

    fn temporary(register: u16) -> Current {
        Current {
            value: Operand {
                register,
                temporary: true,
                scalar: false,
            },
            window: None,
        }
    }

    /// A call of a plain name.
    fn call_name(
        &mut self,
        node: NodeId,
        base: NodeId,
        name: Symbol,
        args: List,
        dst: u16,
    ) -> Result<Current> {
        let window = self.window(dst)?;
        self.free_to(window + 1);
        let ast = self.ast;
        match self.resolution.use_of(base) {
            Use::Local(binding) => {
                if self.is_own(binding) {
                    let count = self.arguments_of(base, args)?;
                    self.at(node);
                    self.emit(Op::CallOwn, window, 0, count);
                } else if let Some((register, _)) = self.plain_local(base) {
                    let count = self.arguments_of(base, args)?;
                    self.at(node);
                    self.emit(Op::Call, window, register, count);
                } else if let Some(index) = self.plain_capture(binding) {
                    let count = self.arguments_of(base, args)?;
                    self.at(node);
                    self.emit(Op::CallCapture, window, index, count);
                } else {
                    self.expr(base, window)?;
                    let count = self.arguments_of(base, args)?;
                    self.at(node);
                    self.emit(Op::CallTop, window, 0, count);
                }
            }
            Use::Global | Use::None => {
                let text = ast.text(name);
                let declared = self.declared.contains(&name);
                let slot = self.slot(name)?;
                let known = declared || self.tables.in_prelude(text);
                match u16::try_from(slot) {
                    Ok(slot) if known && !declared && text == "len" && args.len() == 1 => {
                        let argument = self.allocate()?;
                        let value = self.operand_in(ast.list(args)[0], Some(argument))?;
                        self.at(node);
                        self.emit(Op::Len, window, value.register, slot);
                    }
                    Ok(slot) if known => {
                        let count = self.arguments_of(base, args)?;
                        self.at(node);
                        self.emit(Op::CallGlobal, window, slot, count);
                    }
                    _ => {
                        // An unknown name raises before its arguments are evaluated.
                        self.at(base);
                        self.emit_wide(Op::GetGlobal, window, slot);
                        let count = self.arguments_of(base, args)?;
                        self.at(node);
                        self.emit(Op::CallTop, window, 0, count);
                    }
                }
            }
        }
        Ok(Self::temporary(window))
    }

    /// Reads a member, or an element under a string, by a name with its flags.
    fn member_step(
        &mut self,
        node: NodeId,
        name: u32,
        object: Operand,
        dst: u16,
        method_next: bool,
    ) -> Result<Current> {
        let (target, window) = self.target(object, dst, method_next)?;
        self.at(node);
        if object.consumed() {
            self.emit(Op::GetFieldT, object.register, object.register, 0);
        } else {
            self.emit(Op::GetField, target, object.register, 0);
        }
        self.extend(u64::from(name) << 32);
        self.settle(object, target);
        Ok(Current {
            value: Self::temporary(target).value,
            window,
        })
    }

    fn chain_step(
        &mut self,
        node: NodeId,
        step: Step,
        current: Current,
        dst: u16,
        method_next: bool,
        on_null: Option<Label>,
    ) -> Result<Current> {
        let object = current.value;
        match step {
            Step::Member { name, optional } => {
                self.exit_on_null(optional, object, on_null);
                let constant = self.string(self.ast.text(name))?;
                self.member_step(node, constant, object, dst, method_next)
            }
            Step::Index(index) if let Some(key) = self.string_key(index) => {
                let constant = self.string(self.ast.text(key))? | AS_INDEX;
                self.member_step(node, constant, object, dst, method_next)
            }
            Step::Index(index) => {
                let literal = match self.ast.node(self.ungroup(index)) {
                    Node::Int(value) => u16::try_from(value).ok(),
                    _ => None,
                };
                let (target, window) = self.target(object, dst, method_next)?;
                if let Some(index) = literal {
                    self.at(node);
                    let into = if object.consumed() {
                        object.register
                    } else {
                        target
                    };
                    self.emit(Op::GetIndexI, into, object.register, index);
                } else {
                    let key = self.operand(index)?;
                    self.at(node);
                    let (op, into) = match (object.consumed(), key.consumed()) {
                        (false, false) => (Op::GetIndex, target),
                        (true, false) => (Op::GetIndexT, object.register),
                        (false, true) => (Op::GetIndexC, target),
                        (true, true) => (Op::GetIndexTC, object.register),
                    };
                    self.emit(op, into, object.register, key.register);
                }
                self.settle(object, target);
                if window.is_some() {
                    self.free_to(target + 1);
                }
                Ok(Current {
                    value: Operand {
                        register: target,
                        temporary: true,
                        scalar: false,
                    },
                    window,
                })
            }
            Step::OptionalIndex(index) => {
                self.exit_on_null(true, object, on_null);
                if let Some(key) = self.string_key(index) {
                    let constant = self.string(self.ast.text(key))? | AS_INDEX | OR_NULL;
                    return self.member_step(node, constant, object, dst, method_next);
                }
                let window = self.window(dst)?;
                self.free_to(window + 1);
                let receiver = self.allocate()?;
                let op = if object.temporary { Op::Move } else { Op::Copy };
                self.emit(op, receiver, object.register, 0);
                let key = self.allocate()?;
                self.expr(index, key)?;
                self.built_in(&builtins::OPTIONAL_INDEX, window);
                self.at(node);
                self.emit(Op::CallTop, window, 0, 2);
                self.move_result(dst, window);
                Ok(Self::temporary(dst))
            }
            Step::Slice(start, end) => {
                let first = self.allocate()?;
                self.emit(
                    if object.temporary { Op::Move } else { Op::Copy },
                    first,
                    object.register,
                    0,
                );
                // No sequence is longer than the largest int.
                for (bound, missing) in [(start, 0), (end, i64::MAX)] {
                    let register = self.allocate()?;
                    match bound {
                        Some(bound) => self.expr(bound, register)?,
                        None => self.load_int(missing, register),
                    }
                }
                self.at(node);
                self.emit(Op::Slice, dst, first, 0);
                Ok(Self::temporary(dst))
            }
            Step::Call(args) if self.has_spread(args) => self.spread_call(node, object, args, dst),
            Step::Call(args) => {
                let window = self.window(dst)?;
                self.free_to(window + 1);
                if object.temporary {
                    self.move_result(window, object.register);
                    let count = self.arguments(args)?;
                    self.at(node);
                    self.emit(Op::CallTop, window, 0, count);
                } else {
                    let count = self.arguments(args)?;
                    self.at(node);
                    self.emit(Op::Call, window, object.register, count);
                }
                self.move_result(dst, window);
                Ok(Self::temporary(dst))
            }
            Step::Method {
                member,
                name,
                optional,
                args,
            } => {
                self.exit_on_null(optional, object, on_null);
                if self.has_spread(args) {
                    self.spread_method_call(node, name, args, current, dst)?;
                } else {
                    self.method_call(node, member, name, args, current, dst)?;
                }
                Ok(Self::temporary(dst))
            }
        }
    }

    /// Where a step puts its result: into `dst`, or where a following method call wants its receiver.
    fn target(&mut self, object: Operand, dst: u16, method_next: bool) -> Result<(u16, Option<u16>)> {
        if !method_next || object.temporary && object.register != dst {
            return Ok((dst, None));
        }
        let (window, receiver) = self.method_window(dst)?;
        Ok((receiver, Some(window)))
    }

    /// Moves the result of an in-place step to its target.
    fn settle(&mut self, object: Operand, target: u16) {
        if object.consumed() && object.register != target {
            self.emit(Op::Move, target, object.register, 0);
        }
    }

    fn exit_on_null(&mut self, optional: bool, object: Operand, on_null: Option<Label>) {
        if let (true, Some(label)) = (optional, on_null) {
            self.jump_on(Op::JumpIfNull, object.register, false, label);
        }
    }

    fn method_call(
        &mut self,
        node: NodeId,
        member: NodeId,
        name: Symbol,
        args: List,
        current: Current,
        dst: u16,
    ) -> Result<()> {
        let ast = self.ast;
        let text = ast.text(name);
        let constant = self.string(text)?;
        let object = current.value;
        let number = builtins::method_number(text);
        let push = text == "push" && args.len() == 1;
        let word = name_word(constant, number).filter(|_| number != 0 && args.len() == 1 && !push);
        let (window, receiver) = if let Some(window) = current.window {
            (window, object.register)
        } else {
            let (window, receiver) = self.method_window(dst)?;
            if object.temporary {
                self.emit(Op::Move, receiver, object.register, 0);
            } else if !push && word.is_none() {
                self.emit(Op::Copy, receiver, object.register, 0);
            }
            (window, receiver)
        };
        let from = if (push || word.is_some()) && !object.temporary {
            object.register
        } else {
            receiver
        };
        if let Some(word) = word {
            let argument = self.allocate()?;
            let value = self.operand_in(ast.list(args)[0], Some(argument))?;
            self.set_place(self.ast.span(node));
            self.emit(Op::CallMethod1, window, from, value.register);
            self.extend(u64::from(word) << 32);
            self.extend(0);
            self.move_result(dst, window);
            return Ok(());
        }
        let count = self.arguments(args)?;
        self.set_place(self.ast.span(node));
        if push {
            self.emit(Op::Push, window, from, receiver + 1);
        } else {
            let _ = member;
            self.emit(Op::CallMethod, window, count, number);
        }
        self.extend(u64::from(constant) << 32);
        self.extend(0);
        self.move_result(dst, window);
        Ok(())
    }
}
