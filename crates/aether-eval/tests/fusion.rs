//! Every fused operation does what its two instructions do, whatever their operands are.
#![allow(clippy::unwrap_used, reason = "a failure is the test's")]

mod support;

use std::fmt::Write as _;

use aether_eval::bytecode::FUSED;
use aether_eval::{Machine, MachineOptions, Optimizations};
use aether_source::SourceFile;
use support::Quiet;

fn machine(fuse: bool) -> (Machine, Quiet) {
    let host = Quiet::default();
    let options = MachineOptions {
        optimizations: Optimizations {
            fuse,
            ..Optimizations::default()
        },
        ..MachineOptions::default()
    };
    (Machine::new(&options, Box::new(host.clone()), &[]).unwrap(), host)
}

fn file(text: &str) -> SourceFile {
    SourceFile::new(Some("app.ae".to_owned()), text.to_owned())
}

const OPERANDS: &[&str] = &[
    "0",
    "1",
    "-2",
    "5",
    "9223372036854775807",
    "-9223372036854775807 - 1",
    "0.0",
    "-0.0",
    "2.5",
    "1.0",
    "float(\"nan\")",
    "float(\"inf\")",
    "\"b\"",
    "\"héllo\"",
    "null",
    "true",
    "[4, 2.5, \"b\", [1, 2]]",
    "[[1, 2], [3, 4], 9223372036854775807]",
    "[]",
    "{ \"b\": 1, 1: \"b\", 0: [1, 2] }",
    "Point { x: 3, y: [5, 6] }",
    "{ \"y\": [5, 6], \"x\": 3 }",
    "set([1, 2])",
];

/// The function of a row, and calls of it with every triple of operands: each made anew for each call.
fn program(body: &str) -> String {
    let mut text =
        format!("struct Point {{ x, y }}\nstruct P {{ x, y }}\nfn f(a, b, c) {{ {body} }}\nlet makers = [");
    for operand in OPERANDS {
        writeln!(text, "fn() {{ return {operand} }},").unwrap();
    }
    text.push_str(
        "]
for i in range(makers.length) { for j in range(makers.length) { for k in range(makers.length) {
  let a = makers[i]()  let b = makers[j]()  let c = makers[k]()
  try { println(i, j, k, f(a, b, c), a, b, c) }
  catch (e) { println(i, j, k, e.kind, e.message, e.line, a, b, c) }
} } }
",
    );
    text
}

#[test]
fn fused_pairs_do_what_their_instructions_do() {
    let mut failures = String::new();
    for &(name, body) in FUSED {
        let text = program(body);
        let listing = machine(true).0.disassemble(file(&text)).unwrap();
        if !listing.split_whitespace().any(|word| word == name) {
            writeln!(failures, "{name}: {body:?} does not compile to it").unwrap();
            continue;
        }
        let outputs = [true, false].map(|fuse| {
            let (mut machine, host) = machine(fuse);
            machine.run(file(&text)).unwrap();
            host.0.take()
        });
        assert!(outputs[0].lines().count() >= OPERANDS.len().pow(3));
        if let Some((fused, plain)) = outputs[0].lines().zip(outputs[1].lines()).find(|(a, b)| a != b) {
            writeln!(failures, "{name}: {body:?}\n  fused {fused}\n  plain {plain}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
