//! Bytecode as text, for whoever works on the implementation.

use aether_value::Code;
use std::fmt::Write;

use super::op::{Layout, Op, fields, w32};

/// The same for code that the heap owns.
pub(crate) fn disassemble_code(code: std::ptr::NonNull<Code>) -> String {
    crate::vm::with_code(code, disassemble)
}

/// One line an instruction, functions nested below the code that makes them.
pub fn disassemble(code: &Code) -> String {
    let mut out = String::new();
    let mut work = vec![code];
    while let Some(code) = work.pop() {
        one(code, &mut out);
        work.extend(code.child_codes().rev());
    }
    out
}

fn one(code: &Code, out: &mut String) {
    let name = code.name.as_deref().unwrap_or("<anonymous>");
    let _ = writeln!(
        out,
        "{name}: {} parameters, {} registers",
        code.declared, code.registers
    );
    let mut at = 0;
    while at < code.words.len() {
        let op = Op::of(code.words[at]);
        let (line, text) = (code.line_at(at), instruction_text(code, at, op));
        let _ = writeln!(out, "  {at:5}  {line:4}  {text}");
        at += op.words();
    }
    for handler in &code.handlers {
        let _ = writeln!(
            out,
            "  words {}..{} handled at {} with the error in r{}",
            handler.start, handler.end, handler.target, handler.register
        );
    }
}

/// The instruction at a word: `op`, and its operands.
pub(crate) fn instruction_text(code: &Code, at: usize, op: Op) -> String {
    let word = code.words[at];
    let (a, b, c) = fields(word);
    let r = |field: u16| format!("r{}", field >> 4);
    let to = |offset: i64| format!("-> {}", at as i64 + offset);
    let operands = match op.layout() {
        Layout::None => String::new(),
        Layout::A => r(a),
        Layout::Ab => format!("{} {}", r(a), r(b)),
        Layout::Abc => format!("{} {} {}", r(a), r(b), r(c)),
        Layout::AbN => format!("{} {} {c}", r(a), r(b)),
        Layout::Ann => format!("{} {b} {c}", r(a)),
        Layout::Aw => format!("{} {}", r(a), w32(word) as i32),
        Layout::Jump => to(i64::from(w32(word) as i32)),
        Layout::JumpA => format!("{} {}", r(a), to(i64::from(w32(word) as i32 >> 1))),
        Layout::JumpAb => format!("{} {} {}", r(a), r(b), to(narrow(op, c))),
        Layout::JumpAn => format!("{} {} {}", r(a), b as i16, to(narrow(op, c))),
        Layout::JumpLoop => format!("{} {}", r(a), to(i64::from(c as i16))),
    };
    format!("{:<20} {operands}", op.name())
}

fn narrow(op: Op, c: u16) -> i64 {
    match op {
        Op::NextDeferred
        | Op::JumpUnlessLiteral
        | Op::JumpUnlessVariant
        | Op::JumpUnlessWithin
        | Op::JumpUnlessArray
        | Op::JumpUnlessDict
        | Op::JumpUnlessStruct => i64::from(c as i16),
        _ => i64::from(c as i16 >> 2),
    }
}
