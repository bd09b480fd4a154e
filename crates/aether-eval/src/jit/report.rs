//! What is told of machine code to people: a log of what was compiled and why code was left, or its bytes.
//!
//! Nothing is gathered unless the host asks for it. Lines name functions by name, file and line.

use aether_value::Code;
use std::fmt::Write;

use super::emit::Compiled;
use super::{Jit, Unit};
use crate::bytecode::Op;
use crate::bytecode::disassemble::instruction_text;
use crate::jit_options::JitReport;

/// Bytes of machine code in one line.
const LINE: usize = 16;

impl Jit {
    /// Notes what has become of a function, if there is a log.
    pub(super) fn note(&mut self, code: &Code, text: &str) {
        if self.options.report == JitReport::Log {
            self.notes.push(format!("{}: {text}", place(code)));
        }
    }

    /// Notes how often a function's code was left at which instruction, if there is a log.
    pub(super) fn note_exits(&mut self, code: &Code) {
        if self.options.report == JitReport::Log
            && let Some(unit) = self.units.get(&std::ptr::from_ref(code))
        {
            let lines = exits(code, unit);
            self.notes.extend(lines);
        }
    }

    /// Adds what a function was compiled to, if that is wanted.
    pub(super) fn list(&mut self, code: &Code, compiled: &Compiled, round: u32) {
        if self.options.report == JitReport::Listing {
            self.notes.push(listing(code, compiled, round));
        }
    }

    /// What was gathered, and for a log how the code that there is was left so far and how much there is.
    pub(crate) fn report(&self) -> Vec<String> {
        let mut lines = self.notes.clone();
        if self.options.report != JitReport::Log {
            return lines;
        }
        let mut units: Vec<&Unit> = self.units.values().map(|unit| &**unit).collect();
        units.retain(|unit| !unit.entries.is_empty());
        // The order of a table of addresses is no order.
        units.sort_by_key(|unit| {
            let code = unit.code();
            (code.module, code.span.start)
        });
        for unit in &units {
            lines.extend(exits(unit.code(), unit));
        }
        let (functions, bytes) = (units.len(), self.memory.used());
        let have = if functions == 1 {
            "function has"
        } else {
            "functions have"
        };
        lines.push(format!(
            "{functions} {have} machine code; {bytes} bytes were made"
        ));
        lines
    }
}

/// A function's name, file and line.
fn place(code: &Code) -> String {
    let name = match code.name.as_deref() {
        None => "<anonymous>",
        Some("") => "<top level>",
        Some(name) => name,
    };
    let file = code.file.path().unwrap_or("<text>");
    format!("{name} ({file}:{})", code.file.line(code.span.start))
}

/// A line for each instruction at which the code of a function was left.
fn exits(code: &Code, unit: &Unit) -> Vec<String> {
    let mut counts: Vec<(usize, u64)> = Vec::new();
    for (&(word, _), &count) in unit.exits.iter().zip(&unit.exit_counts) {
        if count == 0 {
            continue;
        }
        match counts.iter_mut().find(|(at, _)| *at == word) {
            Some((_, sum)) => *sum += u64::from(count),
            None => counts.push((word, u64::from(count))),
        }
    }
    counts.sort_unstable();
    let place = place(code);
    let line = |(word, count): (usize, u64)| {
        let times = if count == 1 {
            "once"
        } else {
            &format!("{count} times")
        };
        let op = unit.op_at(word).name();
        format!(
            "{place}: left {times} at line {}, word {word}, {op}",
            code.line_at(word)
        )
    };
    counts.into_iter().map(line).collect()
}

/// The instructions of a function, each followed by its machine code; those that no code was made for are not there.
fn listing(code: &Code, compiled: &Compiled, round: u32) -> String {
    let mut out = format!("{}: {} bytes, round {round}\n", place(code), compiled.bytes.len());
    let size = compiled.bytes.len();
    // What is out of line begins with the entries.
    let end = compiled
        .entries
        .iter()
        .map(|entry| entry.offset)
        .min()
        .unwrap_or(size);
    let places = &compiled.places;
    bytes(&mut out, compiled, 0, places.first().map_or(end, |&(at, _)| at));
    for (index, &(at, word)) in places.iter().enumerate() {
        let text = instruction_text(code, word, Op::of(code.words[word]).first());
        let _ = writeln!(out, "  {word:5}  {:4}  {text}", code.line_at(word));
        bytes(
            &mut out,
            compiled,
            at,
            places.get(index + 1).map_or(end, |&(at, _)| at),
        );
    }
    out.push_str("  entries, slow cases and exits\n");
    bytes(&mut out, compiled, end, size);
    for entry in &compiled.entries {
        let _ = writeln!(out, "  word {} is entered at {:04x}", entry.word, entry.offset);
    }
    out
}

/// A stretch of the code in hexadecimal digits, with offsets.
fn bytes(out: &mut String, compiled: &Compiled, from: usize, to: usize) {
    for (index, line) in compiled.bytes[from..to].chunks(LINE).enumerate() {
        let _ = write!(out, "               {:04x} ", from + index * LINE);
        for byte in line {
            let _ = write!(out, " {byte:02x}");
        }
        out.push('\n');
    }
}
