//! Programs that the benches run, and a way to run them without measuring the start.
//!
//! Not here: figures beside other languages (`cargo xtask bench`), which run whole processes.
#![forbid(unsafe_code)]

use aether::{Engine, Value};

/// A snippet with its name: declarations, then a function `run(n)` that does the work.
#[derive(Clone, Copy, Debug)]
pub struct Snippet {
    /// Name of the figure.
    pub name: &'static str,
    /// The text.
    pub text: &'static str,
    /// How many times `run` repeats the work that is measured.
    pub repeats: u32,
}

/// One snippet for each thing whose cost a user may ask for.
pub const SNIPPETS: &[Snippet] = &[
    Snippet {
        name: "calls",
        text: "fn add(a, b) { return a + b }\n\
               fn run(n) { let s = 0  for i in range(n) { s = add(s, i) }  return s }",
        repeats: 10_000,
    },
    Snippet {
        name: "map-callback",
        text: "let items = range(10000)\nfn run(n) { return map(items, fn(x) { return x + 1 }).length }",
        repeats: 10_000,
    },
    Snippet {
        name: "closure-calls",
        text: "fn counter() { let c = 0  return fn() { c += 1  return c } }\n\
               let tick = counter()\nfn run(n) { for i in range(n) { tick() }  return 0 }",
        repeats: 10_000,
    },
    Snippet {
        name: "field-reads",
        text: "struct P { x, y, z }\nlet p = P { x: 1, y: 2, z: 3 }\n\
               fn run(n) { let q = p  let s = 0  for i in range(n) { s = q.z }  return s }",
        repeats: 10_000,
    },
    Snippet {
        name: "field-writes",
        text: "struct P { x, y, z }\nlet p = P { x: 1, y: 2, z: 3 }\n\
               fn run(n) { let q = p  for i in range(n) { q.x = i }  return q.x }",
        repeats: 10_000,
    },
    Snippet {
        name: "method-calls",
        text: "struct C { n  fn up(self) { self.n += 1 } }\nlet c = C { n: 0 }\n\
               fn run(n) { let d = c  for i in range(n) { d.up() }  return d.n }",
        repeats: 10_000,
    },
    Snippet {
        name: "dict-reads",
        text: "let d = {}\nfor i in range(1000) { d[\"k\" + str(i)] = i }\nlet keys = d.keys()\n\
               fn run(n) { let s = 0  let e = d  for k in keys { s += e[k] }  return s }",
        repeats: 1000,
    },
    Snippet {
        name: "dict-updates",
        text: "let d = {}\nfor i in range(1000) { d[\"k\" + str(i)] = i }\nlet keys = d.keys()\n\
               fn run(n) { let e = d  for k in keys { e[k] += 1 }  return 0 }",
        repeats: 1000,
    },
    Snippet {
        name: "string-append",
        text: "fn run(n) { let s = \"\"  for i in range(n) { s = s + \"ab\" }  return s.length }",
        repeats: 10_000,
    },
    Snippet {
        name: "sort-with-comparator",
        text: "let items = map(range(2000), fn(i) { return (i * 7919) % 2003 })\n\
               fn run(n) { return sort(items, fn(a, b) { return a < b }).length }",
        repeats: 2000,
    },
    Snippet {
        name: "try",
        text: "fn run(n) { let s = 0  for i in range(n) { try { s += 1 } catch(e) { s = 0 } }  return s }",
        repeats: 10_000,
    },
    Snippet {
        name: "throw-and-catch",
        text: "fn run(n) { let s = 0  for i in range(n) { try { throw i } catch(e) { s += 1 } }  return s }",
        repeats: 1000,
    },
    Snippet {
        name: "for-range",
        text: "fn run(n) { let s = 0  for i in range(n) { s += i }  return s }",
        repeats: 10_000,
    },
    Snippet {
        name: "while",
        text: "fn run(n) { let i = 0  while (i < n) { i += 1 }  return i }",
        repeats: 10_000,
    },
    Snippet {
        name: "await",
        text: "async fn one() { return 1 }\n\
               fn run(n) { let s = 0  for i in range(n) { s += await one() }  return s }",
        repeats: 1000,
    },
];

/// An engine with a snippet loaded.
///
/// # Panics
/// The snippet is wrong.
pub fn load(snippet: &Snippet) -> (Engine, Value) {
    let engine = Engine::builder().max_memory(None).build();
    let mut engine = engine.expect("a new engine has room for its built-ins");
    engine.eval(snippet.text).expect("the snippet runs");
    let run = engine.global("run").expect("the snippet declares run");
    (engine, run)
}

/// A source text of about `bytes` bytes with a bit of everything.
pub fn source(bytes: usize) -> String {
    let piece = include_str!("../../examples/tour.ae");
    let mut text = String::with_capacity(bytes + piece.len());
    while text.len() < bytes {
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_runs_and_leaves_nothing() {
        for snippet in SNIPPETS {
            let (mut engine, run) = load(snippet);
            engine.call_value(&run, (5_i64,)).unwrap();
            drop(run);
            assert_eq!(engine.shut_down().live_objects, 0, "{}", snippet.name);
        }
    }
}
