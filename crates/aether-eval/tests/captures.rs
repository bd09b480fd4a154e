//! A captured variable is shared, whether the compiler copies it into the closure or keeps it in a cell.
//!
//! Random programs of nested functions, loops and assignments run once with copies where the resolver allows them and
//! once with every captured variable in a cell, and must print the same.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod support;

use std::fmt::Write as _;

use aether_eval::{Machine, MachineOptions, Optimizations};
use aether_source::SourceFile;
use fastrand::Rng;
use support::Quiet;

/// What a program prints, and the error that ended it.
fn output_of(text: &str, copy_captures: bool) -> String {
    let host = Quiet::default();
    let options = MachineOptions {
        optimizations: Optimizations {
            copy_captures,
            ..Optimizations::default()
        },
        max_steps: Some(200_000),
        max_depth: 200,
        ..MachineOptions::default()
    };
    let mut machine = Machine::new(&options, Box::new(host.clone()), &[]).unwrap();
    let result = machine.run(SourceFile::new(None, text.to_owned()));
    let mut out = host.0.take();
    if let Err(error) = result {
        write!(out, "{error}").unwrap();
    }
    let heap = machine.heap().clone();
    drop(machine);
    heap.collect();
    assert_eq!(heap.live_objects(), 0, "something outlives its machine\n{text}");
    out
}

/// Writes one random program.
struct Writer {
    random: Rng,
    text: String,
    /// Names declared in each open scope.
    scopes: Vec<Vec<char>>,
    depth: usize,
    loops: usize,
    /// Deferred blocks around, in the innermost function.
    deferred: usize,
}

impl Writer {
    fn pick(&mut self, bound: usize) -> usize {
        self.random.usize(..bound)
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A name that is visible, most of the time.
    fn name(&mut self) -> char {
        let visible: Vec<char> = self.scopes.iter().flatten().copied().collect();
        if visible.is_empty() || self.pick(30) == 0 {
            return self.letter("abcd");
        }
        visible[self.pick(visible.len())]
    }

    fn letter(&mut self, letters: &str) -> char {
        char::from(letters.as_bytes()[self.pick(letters.len())])
    }

    /// A name that the innermost scope may declare.
    fn fresh(&mut self) -> Option<char> {
        let name = self.letter("abcdef");
        let again = self.pick(4) == 0;
        (again || !self.scopes.last()?.contains(&name)).then_some(name)
    }

    fn declare(&mut self, name: char) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(name);
        }
    }

    fn function(&mut self) {
        let param = self.letter("abxy");
        let (loops, deferred) = (
            std::mem::take(&mut self.loops),
            std::mem::take(&mut self.deferred),
        );
        write!(self.text, "fn({param}) {{ if (used()) {{ return 0 }}  ").unwrap();
        self.body(&[param]);
        self.put("return ");
        self.scopes.push(vec![param]);
        self.expression();
        self.scopes.pop();
        self.put(" }");
        (self.loops, self.deferred) = (loops, deferred);
    }

    /// Statements in a scope of their own, without braces.
    fn body(&mut self, declared: &[char]) {
        self.scopes.push(declared.to_vec());
        self.depth += 1;
        let loops = std::mem::take(&mut self.loops);
        for _ in 0..=self.pick(4) {
            self.statement();
        }
        self.loops = loops;
        self.depth -= 1;
        self.scopes.pop();
    }

    fn block(&mut self, declared: &[char], in_loop: bool) {
        self.put("{ ");
        self.scopes.push(declared.to_vec());
        self.depth += 1;
        self.loops += usize::from(in_loop);
        for _ in 0..=self.pick(4) {
            self.statement();
        }
        self.loops -= usize::from(in_loop);
        self.depth -= 1;
        self.scopes.pop();
        self.put(" }  ");
    }

    fn expression(&mut self) {
        match self.pick(if self.depth > 4 { 7 } else { 16 }) {
            12 => self.comprehension(),
            13 | 14 => self.match_expression(),
            15 => {
                let (one, other) = (self.name(), self.name());
                write!(self.text, "call(x = {one}, f = {other})").unwrap();
            }
            0 | 1 => {
                let number = self.pick(9);
                write!(self.text, "{number}").unwrap();
            }
            2 | 3 => {
                let name = self.name();
                self.text.push(name);
            }
            4 => {
                let name = self.name();
                write!(self.text, "next({name})").unwrap();
            }
            5 | 6 => {
                let (name, other) = (self.name(), self.name());
                write!(self.text, "call({name}, {other})").unwrap();
            }
            7 => {
                self.put("[");
                self.expression();
                self.put(", ");
                self.expression();
                self.put("]");
            }
            8 => {
                self.put("keep(");
                self.function();
                self.put(")");
            }
            _ => self.function(),
        }
    }

    fn comprehension(&mut self) {
        let name = self.letter("abcg");
        self.put("[");
        // The names of the clause are visible in what stands before it.
        self.scopes.push(vec![name]);
        self.depth += 1;
        self.expression();
        self.depth -= 1;
        self.scopes.pop();
        write!(self.text, " for {name} in ").unwrap();
        if self.pick(3) == 0 {
            self.generator();
        } else {
            self.put("range(3)");
        }
        if self.pick(2) == 0 {
            self.scopes.push(vec![name]);
            let tested = self.name();
            self.scopes.pop();
            write!(self.text, " if !is_odd({tested})").unwrap();
        }
        self.put("]");
    }

    /// A generator that has begun nothing yet.
    fn generator(&mut self) {
        let (loops, deferred) = (
            std::mem::take(&mut self.loops),
            std::mem::take(&mut self.deferred),
        );
        self.put("(fn() { if (used()) { return }  ");
        self.body(&[]);
        for _ in 0..=self.pick(2) {
            self.put("yield ");
            self.expression();
            self.put("  ");
        }
        self.put("})()");
        (self.loops, self.deferred) = (loops, deferred);
    }

    /// A match whose arms are values, or leave what is around it.
    fn match_expression(&mut self) {
        let (name, other) = (self.letter("abcm"), self.letter("abxy"));
        self.depth += 1;
        self.put("match (");
        self.expression();
        self.put(") { 1 => ");
        if self.loops > 0 && self.pick(3) == 0 {
            let word = if self.pick(2) == 0 { "break" } else { "continue" };
            self.put(word);
        } else if self.deferred == 0 && self.pick(4) == 0 {
            self.put("return 5");
        } else {
            self.expression();
        }
        write!(self.text, ", [{name}, ...{other}r] if !is_odd({name}) => {{ ").unwrap();
        self.scopes.push(vec![name]);
        for _ in 0..self.pick(3) {
            self.statement();
        }
        // A bracket on the same line would go on with the statement before.
        self.put("\n");
        self.expression();
        write!(self.text, " }}, {name} => ").unwrap();
        self.expression();
        self.scopes.pop();
        self.put(" }");
        self.depth -= 1;
    }

    fn statement(&mut self) {
        match self.pick(if self.depth > 4 { 9 } else { 19 }) {
            16 => {
                let loops = std::mem::take(&mut self.loops);
                self.put("defer { ");
                self.deferred += 1;
                self.body(&[]);
                self.deferred -= 1;
                self.put("}  ");
                self.loops = loops;
            }
            17 => {
                let name = self.letter("abcg");
                write!(self.text, "for {name} in ").unwrap();
                self.generator();
                self.put(" ");
                self.block(&[name], true);
            }
            18 => {
                self.put("show(");
                self.match_expression();
                self.put(")  ");
            }
            0 | 1 => {
                if let Some(name) = self.fresh() {
                    write!(self.text, "let {name} = ").unwrap();
                    self.expression();
                    self.declare(name);
                    self.put("  ");
                }
            }
            2 | 3 => {
                let name = self.name();
                write!(self.text, "{name} = ").unwrap();
                self.expression();
                self.put("  ");
            }
            4 => {
                let name = self.name();
                write!(self.text, "{name} -= ").unwrap();
                self.expression();
                self.put("  ");
            }
            5 => {
                self.put("keep(");
                self.function();
                self.put(")  ");
            }
            6 => {
                let index = self.pick(4);
                write!(self.text, "call_kept({index}, ").unwrap();
                self.expression();
                self.put(")  ");
            }
            7 => {
                let name = self.name();
                write!(self.text, "show({name})  ").unwrap();
            }
            8 if self.loops > 0 => {
                let word = if self.pick(2) == 0 { "break" } else { "continue" };
                let name = self.name();
                write!(self.text, "if (is_odd({name})) {{ {word} }}  ").unwrap();
            }
            8 | 9 => {
                let (one, other) = (self.fresh(), self.fresh());
                if let (Some(one), Some(other)) = (one, other)
                    && one != other
                {
                    write!(self.text, "let [{one}, {other} = ").unwrap();
                    self.expression();
                    self.put("] = [");
                    self.expression();
                    if self.pick(2) == 0 {
                        self.put(", ");
                        self.expression();
                    }
                    self.put("]  ");
                    self.declare(one);
                    self.declare(other);
                }
            }
            10 => {
                let name = self.letter("abcg");
                write!(self.text, "for {name} in range(3) ").unwrap();
                self.block(&[name], true);
            }
            11 => {
                self.put("while (!used()) ");
                self.block(&[], true);
            }
            12 => {
                let name = self.name();
                write!(self.text, "if (is_odd({name})) ").unwrap();
                self.block(&[], false);
                if self.pick(2) == 0 {
                    self.put("else ");
                    self.block(&[], false);
                }
            }
            13 => {
                self.put("try ");
                self.block(&[], false);
                let name = self.letter("abce");
                write!(self.text, "catch ({name}) ").unwrap();
                self.block(&[name], false);
                if self.pick(2) == 0 {
                    self.put("finally ");
                    self.block(&[], false);
                }
            }
            14 => {
                let name = self.letter("abcm");
                self.put("match (");
                self.expression();
                self.put(") { 1 => ");
                self.block(&[], false);
                write!(self.text, "{name} => ").unwrap();
                self.block(&[name], false);
                self.put("}  ");
            }
            _ => {
                if let Some(name) = self.fresh() {
                    self.declare(name);
                    let param = self.letter("abxy");
                    let (loops, deferred) = (
                        std::mem::take(&mut self.loops),
                        std::mem::take(&mut self.deferred),
                    );
                    write!(self.text, "fn {name}({param}) {{ if (used()) {{ return 0 }}  ").unwrap();
                    self.body(&[param]);
                    self.put("return ");
                    self.scopes.push(vec![param]);
                    self.expression();
                    self.scopes.pop();
                    self.put(" }  ");
                    (self.loops, self.deferred) = (loops, deferred);
                }
            }
        }
    }
}

const PRELUDE: &str = r#"
let fuel = 60
fn used() { fuel -= 1  return fuel < 0 }
let kept = []
fn keep(f) { kept.push(f)  return f }
fn call_kept(i, x) { if (i < kept.length) { show(kept[kept.length - 1 - i](x)) } }
fn call(f, x) { if (type(f) == "function") { return f(x) }  return f }
fn next(x) { if (type(x) == "int") { return x + 1 }  return x }
fn is_odd(x) { return type(x) == "int" && x % 2 == 1 }
fn show(x) { println(type(x), type(x) == "array" ? map(x, type) : x) }
"#;

fn program(seed: u64) -> String {
    let mut writer = Writer {
        random: Rng::with_seed(seed),
        text: PRELUDE.to_owned(),
        scopes: Vec::new(),
        depth: 0,
        loops: 0,
        deferred: 0,
    };
    writer.put("let start = ");
    writer.function();
    writer.put("\ntry { show(start(1)) } catch (e) { println(e.kind, e.message) }\n");
    writer.put(
        "for i in range(4) { try { fuel = 20  call_kept(i, i) } catch (e) { println(e.kind, e.message) } }\n",
    );
    writer.text
}

/// How many programs are tried, unless `PROPTEST_CASES` says otherwise, as it does for properties.
const PROGRAMS: u64 = 3000;

#[test]
fn copies_and_cells_print_the_same() {
    let programs = match std::env::var("PROPTEST_CASES") {
        Ok(cases) => cases.parse().expect("PROPTEST_CASES is a number"),
        Err(_) => PROGRAMS,
    };
    let mut shown = 0;
    for seed in 0..programs {
        let text = program(seed);
        let copied = output_of(&text, true);
        assert!(!copied.contains(" at line "), "seed {seed}: {copied}\n{text}");
        assert_eq!(copied, output_of(&text, false), "seed {seed}\n{text}");
        shown += u64::from(copied.lines().count() > 3);
    }
    assert!(
        shown > programs / 3,
        "only {shown} of {programs} programs do anything"
    );
}

#[test]
fn an_arm_that_does_not_match_leaves_nothing() {
    let program = r#"
enum Shape { Pair(a, b), Single(s) }
fn later(v) {
    match (v) {
        1 => { let g = fn() { return c }  let [c] = [g]  return "one" }
        "two" | 2 => { let g = fn() { return d }  fn d() { return g }  return "two" }
        Shape.Single(s) => { let g = fn() { return [s, e] }  let e = g  return "single" }
        Shape.Pair(a, b) => { let g = fn() { a = f  return b }  let f = g  return "pair" }
        other => { let g = fn() { return other }  return "other" }
    }
}
for v in [1, 2, "two", [3], Shape.Single([4]), Shape.Pair([5], [6]), null] { print(later(v), "") }
"#;
    for copied in [true, false] {
        assert_eq!(output_of(program, copied), "one two two other single pair other ");
    }
}
