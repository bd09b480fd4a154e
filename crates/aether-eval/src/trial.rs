//! Trials: short calls, in this machine, of a function that was meant for another one.
//!
//! To start a worker takes longer than many a loop in parallel needs. A function that only computes gives the same in
//! its caller's machine as in a worker: the caller begins a trial and calls it there. The machine raises when that has
//! taken [`WORK`] or [`TIME`]. Whatever is raised, the trial has left nothing behind, and the work goes to workers as if
//! there had been no trial: it is they that fail, or take long.
//!
//! Whether a function only computes is read from its instructions. It may call built-ins that only compute, functions
//! that it makes, and functions that its text declares and that only compute.
//!
//! Invariants
//! - What such a function can reach is what it has made, values that cannot change, and built-ins listed here. So it
//!   changes nothing that anybody else sees, and does not wait.
//! - Its global names stand for what they stand for in a machine that has received it (`sent_function`).
//! - It has no handler for errors: what ends a trial ends the function.
//!
//! Source: library reference §E10.

use std::sync::Arc;

use aether_ast::Node;
use aether_value::{Closure, Code, Raise, Raw, Rc, Value};

use crate::builtins;
use crate::bytecode::{Op, fields, member_name, name_parts, w32};
use crate::compiler::is_declaration;
use crate::context::Ctx;
use crate::jit::original;
use crate::machine::Parsed;
use crate::sent_function::{KEPT_TEXT, declared_names, parsed};
use crate::tables::Tables;
use crate::vm::Vm;

/// Steps that a trial may take.
const WORK: u64 = 8000;

/// Nanoseconds that it may take, about as long as starting workers. The clock is looked at every thousand steps.
const TIME: u64 = 150_000;

/// Functions of a text that one function may lead to, itself included.
const MOST_FUNCTIONS: usize = 16;

/// Built-in functions that compute from their arguments alone, in order.
const FUNCTIONS: &[&str] = &[
    "abs",
    "base64_decode",
    "base64_encode",
    "bin",
    "bool",
    "ceil",
    "chr",
    "chunk",
    "clamp",
    "concat",
    "contains",
    "copy",
    "cos",
    "count",
    "count_by",
    "degrees",
    "drop",
    "ends_with",
    "enumerate",
    "every",
    "exp",
    "factorial",
    "filter",
    "find",
    "first",
    "flat_map",
    "flatten",
    "float",
    "floor",
    "format",
    "gcd",
    "group_by",
    "hex",
    "hypot",
    "index_of",
    "int",
    "is_alpha",
    "is_digit",
    "is_space",
    "join",
    "last",
    "lcm",
    "len",
    "log",
    "map",
    "max",
    "min",
    "oct",
    "ord",
    "pad_left",
    "pad_right",
    "partition",
    "pow",
    "radians",
    "range",
    "reduce",
    "repeat",
    "replace",
    "reverse",
    "round",
    "set",
    "sign",
    "sin",
    "some",
    "sort",
    "sort_by",
    "sqrt",
    "starts_with",
    "str",
    "strip_prefix",
    "strip_suffix",
    "sum",
    "sum_by",
    "take",
    "tan",
    "trunc",
    "type",
    "uniq",
    "uniq_by",
    "zip",
    "zip_longest",
];

/// Built-in methods that compute from receiver and arguments alone, or change the receiver, whatever type has them; in
/// order.
const METHODS: &[&str] = &[
    "add",
    "after",
    "before",
    "binary_search",
    "byte_len",
    "capitalize",
    "chars",
    "chunk",
    "clear",
    "code",
    "compare",
    "concat",
    "contains",
    "count",
    "count_by",
    "difference",
    "drop",
    "each",
    "ends_with",
    "entries",
    "enumerate",
    "eq_ignore_case",
    "equals",
    "every",
    "extend",
    "fill",
    "filter",
    "find",
    "find_index",
    "find_key",
    "first",
    "flat",
    "flat_map",
    "get",
    "get_or_insert",
    "group_by",
    "has",
    "has_next",
    "index_of",
    "insert",
    "intersection",
    "invert",
    "is_alpha",
    "is_digit",
    "is_disjoint",
    "is_empty",
    "is_space",
    "is_subset",
    "is_superset",
    "items",
    "join",
    "keys",
    "last",
    "last_index_of",
    "lines",
    "lower",
    "map",
    "map_keys",
    "map_values",
    "max",
    "merge",
    "min",
    "next",
    "normalize",
    "omit",
    "pad_center",
    "pad_left",
    "pad_right",
    "partition",
    "pick",
    "pop",
    "push",
    "reduce",
    "remove",
    "remove_at",
    "repeat",
    "replace",
    "replace_all",
    "replace_first",
    "reverse",
    "reversed",
    "rfind",
    "set",
    "slice",
    "some",
    "sort",
    "sort_by",
    "sorted",
    "sorted_keys",
    "split",
    "split_whitespace",
    "starts_with",
    "step",
    "sum",
    "swap",
    "symmetric_difference",
    "take",
    "title",
    "to_array",
    "to_float",
    "to_int",
    "trim",
    "trim_chars",
    "trim_end",
    "trim_start",
    "truncate",
    "union",
    "unique",
    "unique_by",
    "update",
    "upper",
    "values",
    "with",
    "zip",
];

/// Built-ins that instructions refer to and no script names.
const HIDDEN: &[&builtins::BuiltinDef] = &[
    &builtins::RANGE,
    &builtins::INCLUSIVE_RANGE,
    &builtins::MEMBERSHIP,
    &builtins::OPTIONAL_INDEX,
    &builtins::PAIRS,
    &builtins::FORMAT_VALUE,
];

/// What a global name stands for.
enum Global {
    /// A value that does not change, or a built-in that only computes.
    Plain,
    /// A function that the text declares.
    Function(Rc<Closure>),
    /// Anything else.
    Other,
}

impl Ctx<'_> {
    /// Begins a trial, if calls of the function with these items cannot be told from such calls in another machine.
    /// Answers whether it did; then `end_trial` ends it, unless an error comes first that no script can catch.
    ///
    /// # Errors
    /// A limit has been reached, or the run was interrupted.
    pub fn begin_trial(&mut self, function: &Value, items: &[Value]) -> Result<bool, Raise> {
        let begins = items.len() as u64 <= WORK
            && self.vm.may_try(WORK)
            && items.iter().all(Value::is_scalar)
            && self.vm.only_computes(function)?;
        if begins {
            self.vm.begin_trial(WORK, TIME);
        }
        Ok(begins)
    }

    /// Ends the trial.
    pub fn end_trial(&mut self) {
        self.vm.end_trial();
    }
}

impl Vm {
    fn only_computes(&mut self, function: &Value) -> Result<bool, Raise> {
        match function {
            Value::Builtin(builtin) => {
                let name = builtin.name;
                Ok(self.is_original(name, function) && is_listed(FUNCTIONS, name))
            }
            Value::Function(closure) => Ok(captures_are_plain(closure) && self.closure_computes(closure)?),
            _ => Ok(false),
        }
    }

    /// Whether the function and all that it leads to only compute.
    fn closure_computes(&mut self, closure: &Rc<Closure>) -> Result<bool, Raise> {
        if !self.loaded.is_empty() && self.imports_files(closure.code())? {
            return Ok(false);
        }
        let mut functions = vec![closure.clone()];
        let mut done = 0;
        while let Some(function) = functions.get(done).cloned() {
            done += 1;
            let mut slots = Vec::new();
            if !code_computes(&self.tables, function.code(), &mut slots) {
                return Ok(false);
            }
            for slot in slots {
                match self.global(function.code(), slot)? {
                    Global::Plain => {}
                    Global::Function(next) => {
                        if functions.iter().any(|known| Rc::ptr_eq(known, &next)) {
                            continue;
                        }
                        if functions.len() == MOST_FUNCTIONS {
                            return Ok(false);
                        }
                        functions.push(next);
                    }
                    Global::Other => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// What a global slot that code reads stands for, here and in a machine that has received the code.
    fn global(&mut self, code: &Code, slot: u32) -> Result<Global, Raise> {
        let Some(value) = self.tables.value_of(slot) else {
            return Ok(Global::Other);
        };
        let name = self.tables.slot_name(slot).clone();
        let name = name.as_str();
        if !self.tables.is_declared(slot) {
            let is_plain = value.is_scalar() || is_listed(FUNCTIONS, name);
            let is_plain = is_plain && self.is_original(name, &value);
            return Ok(if is_plain { Global::Plain } else { Global::Other });
        }
        let is_function = matches!(value, Value::Function(_));
        if !value.is_scalar() && !is_function {
            return Ok(Global::Other);
        }
        let Some(parsed) = self.tree(code)? else {
            return Ok(Global::Other);
        };
        let ast = &parsed.ast;
        let mut declarations = ast.root().iter().copied().filter(|&statement| {
            is_declaration(ast.node(statement)) && declared_names(ast, statement).contains(&name)
        });
        Ok(match (declarations.next(), declarations.next(), value) {
            (None, _, value) if value.is_scalar() => Global::Plain,
            (Some(declaration), None, Value::Function(closure)) => match ast.node(declaration) {
                Node::FunctionDecl(function)
                    if ast.span(ast.function(function).body) == closure.code().span
                        && std::rc::Rc::ptr_eq(&closure.code().file, &code.file)
                        && closure.is_empty() =>
                {
                    Global::Function(closure)
                }
                _ => Global::Other,
            },
            _ => Global::Other,
        })
    }

    /// The tree of the code's text, unless that is long: what is not kept would be made anew for each trial.
    fn tree(&mut self, code: &Code) -> Result<Option<Arc<Parsed>>, Raise> {
        let length = code.file.text().len();
        if length > KEPT_TEXT {
            return Ok(None);
        }
        let is_kept = matches!(&self.sent_text, Some((file, _)) if std::rc::Rc::ptr_eq(file, &code.file));
        if !is_kept {
            self.tick(length / 16)?;
        }
        Ok(Some(parsed(self, &code.file)))
    }

    /// Whether a value is what every engine has under a name.
    fn is_original(&self, name: &str, value: &Value) -> bool {
        let original = self.tables.prelude.original(name);
        original.is_some_and(|original| is_same(&original, value))
    }

    /// Whether the text of the code imports what was loaded from a file: whoever receives the code loads it again, and
    /// whatever that does would not be done.
    fn imports_files(&mut self, code: &Code) -> Result<bool, Raise> {
        let Some(parsed) = self.tree(code)? else {
            return Ok(true);
        };
        let ast = &parsed.ast;
        Ok(ast.root().iter().any(|&statement| {
            let (Node::Import { module, .. } | Node::FromImport { module, .. }) = ast.node(statement) else {
                return false;
            };
            let name = ast.name_of(module).map(|name| ast.text(name));
            self.modules
                .iter()
                .any(|state| name.is_none_or(|name| name == state.name()))
        }))
    }
}

/// Whether all that a function has captured is values that do not change, and itself.
fn captures_are_plain(closure: &Rc<Closure>) -> bool {
    (0..closure.len()).all(|index| match closure.captured(index) {
        (Some(Value::Function(own)), false) => Rc::ptr_eq(&own, closure),
        (Some(value), _) => value.is_scalar(),
        (None, _) => false,
    })
}

fn is_listed(names: &[&str], name: &str) -> bool {
    names.binary_search(&name).is_ok()
}

/// Whether code and the functions nested in it only compute, if the global slots that they read, which are added to
/// `slots`, are plain.
fn code_computes(tables: &Tables, code: &Code, slots: &mut Vec<u32>) -> bool {
    let mut pending = vec![code];
    while let Some(code) = pending.pop() {
        if code.is_async || !code.handlers.is_empty() || !words_compute(tables, code, slots) {
            return false;
        }
        pending.extend(code.child_codes());
    }
    true
}

fn words_compute(tables: &Tables, code: &Code, slots: &mut Vec<u32>) -> bool {
    let mut at = 0;
    while let Some(&word) = code.words.get(at) {
        let op = original(code, at).map_or(word, u64::from);
        let op = Op::of(op).first();
        let (_, b, c) = fields(word);
        let behind = code.words.get(at + 1).copied().unwrap_or(0);
        match op {
            Op::GetGlobal => slots.push(w32(word)),
            Op::CallGlobal => slots.push(u32::from(b)),
            Op::Len => slots.push(u32::from(c)),
            Op::LoadConst if !is_plain_constant(&tables.constants[w32(word) as usize]) => return false,
            Op::CallMethod if !is_listed(METHODS, tables.text(member_name(behind)).as_str()) => return false,
            Op::CallMethod1 => {
                let (name, _) = name_parts((behind >> 32) as u32);
                if !is_listed(METHODS, tables.text(name).as_str()) {
                    return false;
                }
            }
            other if !computes(other) => return false,
            _ => {}
        }
        at += op.words();
    }
    true
}

fn is_plain_constant(value: &Value) -> bool {
    value.is_scalar() || HIDDEN.iter().any(|def| is_same(&def.value(), value))
}

fn is_same(a: &Value, b: &Value) -> bool {
    Raw::same(Raw::of_value(a), Raw::of_value(b))
}

/// Whether an operation only computes, if what it calls does. Whatever may change or read something outside, wait, or
/// make a type does not.
#[rustfmt::skip]
fn computes(op: Op) -> bool {
    matches!(
        op,
        Op::Add | Op::AddB | Op::AddBC | Op::AddC | Op::AddCell | Op::AddElement | Op::AddField | Op::AddI
        | Op::AddIndex | Op::AddK | Op::AddLeftK | Op::AddLeftKC | Op::Append | Op::Array | Op::Assign
        | Op::AssignCopy | Op::BitAnd | Op::BitNot | Op::BitOr | Op::BitXor | Op::Call | Op::CallCapture
        | Op::CallGlobal | Op::CallMethod | Op::CallMethod1 | Op::CallOwn | Op::CallTop | Op::CheckArray
        | Op::CheckDict | Op::CheckType | Op::Closure | Op::Concat | Op::Copy | Op::Dict | Op::Divide
        | Op::DivideI | Op::DivideK | Op::DivideLeftK | Op::Drop | Op::Drop2 | Op::Drop3 | Op::ElementOrNull
        | Op::Entry | Op::Equal | Op::Extend | Op::GetCapture | Op::GetCaptureCell | Op::GetCell
        | Op::GetField | Op::GetFieldT | Op::GetGlobal | Op::GetIndex | Op::GetIndexC | Op::GetIndexI
        | Op::GetIndexT | Op::GetIndexTC | Op::Greater | Op::GreaterEqual | Op::InitCell | Op::Iterate
        | Op::IterateRange | Op::Jump | Op::JumpEqual | Op::JumpEqualI | Op::JumpEqualK | Op::JumpGreater
        | Op::JumpGreaterEqual | Op::JumpGreaterEqualI | Op::JumpGreaterEqualK | Op::JumpGreaterI
        | Op::JumpGreaterK | Op::JumpIf | Op::JumpIfElement | Op::JumpIfNot | Op::JumpIfNotElement
        | Op::JumpIfNotNull | Op::JumpIfNull | Op::JumpIfSet | Op::JumpLess | Op::JumpLessEqual
        | Op::JumpLessEqualI | Op::JumpLessEqualK | Op::JumpLessI | Op::JumpLessK | Op::JumpNotEqual
        | Op::JumpNotEqualI | Op::JumpNotEqualK | Op::JumpNotGreater | Op::JumpNotGreaterEqual
        | Op::JumpNotGreaterEqualI | Op::JumpNotGreaterEqualK | Op::JumpNotGreaterI | Op::JumpNotGreaterK
        | Op::JumpNotLess | Op::JumpNotLessEqual | Op::JumpNotLessEqualI | Op::JumpNotLessEqualK
        | Op::JumpNotLessI | Op::JumpNotLessK | Op::JumpUnlessArray | Op::JumpUnlessDict
        | Op::JumpUnlessLiteral | Op::JumpUnlessWithin | Op::KeyOrNull | Op::Len | Op::Less | Op::LessEqual
        | Op::LoadBool | Op::LoadConst | Op::LoadInt | Op::LoadNull | Op::LoadOwn | Op::LoadUnset | Op::Loop
        | Op::MemberOrUnset | Op::Move | Op::Multiply | Op::MultiplyI | Op::MultiplyK | Op::MultiplyLeftK
        | Op::Negate | Op::NewCell | Op::NewUnsetCell | Op::Next | Op::NextInt | Op::NoMatch | Op::Nop
        | Op::Not | Op::NotEqual | Op::Power | Op::Push | Op::Record | Op::Remainder | Op::RemainderI
        | Op::RemainderK | Op::Reserve | Op::Rest | Op::Return | Op::Return1 | Op::Return2 | Op::ReturnNull
        | Op::SetCell | Op::SetField | Op::SetFieldMove | Op::SetIndex | Op::SetIndexC | Op::SetIndexI
        | Op::SetIndexMove | Op::SetIndexMoveC | Op::ShiftLeft | Op::ShiftRight | Op::Slice | Op::Subtract
        | Op::SubtractField | Op::SubtractI | Op::SubtractK | Op::SubtractLeftK | Op::Switch | Op::Throw
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_order_and_name_what_there_is() {
        for names in [FUNCTIONS, METHODS] {
            assert!(names.is_sorted_by(|a, b| a < b));
        }
        let modules = builtins::predefined_modules().iter();
        let functions: Vec<&str> = builtins::core_builtins()
            .chain(modules.flat_map(|module| module.functions))
            .map(|def| def.info.name)
            .collect();
        for name in FUNCTIONS {
            assert!(functions.contains(name), "{name}");
        }
        for name in METHODS {
            let is_method = |place| matches!(place, builtins::Place::Method(_));
            assert!(
                builtins::all_builtins().any(|(place, def)| is_method(place) && def.info.name == *name),
                "{name}"
            );
        }
    }
}
