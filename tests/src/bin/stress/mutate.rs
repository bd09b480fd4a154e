//! Programs of the suite with their text changed at random: whatever comes of it, no panic, no crash, no hang, and
//! nothing is alive afterwards.
//!
//! A change takes, doubles, swaps or moves lines or words, puts a word of another program, a number at a limit or a
//! single character in, or cuts the text off. Mutants have a small budget of memory, depth and steps, no network, and
//! files of their own only. Their output means nothing. The formatter and the lints read every one of them: what they
//! format is the same program, and stays as it is when it is formatted again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aether::parts::{parser, resolve};
use aether::{Engine, MemoryHost, SourceFile};
use aether_fmt::{FormatError, Options, format};
use aether_lint::{Prelude, Program};

use crate::Work;

/// Budget of a mutant, in bytes.
const MEMORY: usize = 32 << 20;
/// Steps that a mutant may take.
const STEPS: u64 = 300_000;
/// Activations that a mutant may have at a time.
const DEPTH: usize = 2_000;
/// Most changes to one text.
const CHANGES: usize = 4;

/// What programs that reach for the network say.
const NETWORK: &[&str] = &["tcp_", "udp_", "http_", "resolve("];

/// What programs do not say by themselves.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "0.0",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"${",
    "}",
    "{",
    "(",
    ")",
    "[",
    "]",
    "...",
    "=>",
    "=",
    "==",
    "+=",
    ":",
    ",",
    ".",
    "?.",
    "??",
    "fn",
    "fn()",
    "async",
    "await",
    "return",
    "break",
    "continue",
    "throw",
    "try",
    "catch (e)",
    "finally",
    "match",
    "let",
    "for",
    "in",
    "while",
    "import",
    "struct",
    "enum",
    "self",
    "//",
    "/*",
    "*/",
    "\n",
    "\u{0}",
    "é",
    "😀",
    "\\",
    "'",
    "range(100000)",
    "print",
    "str",
    "map",
    "sort",
];

/// Runs `count` mutants, in the same order each time.
pub(crate) fn run(work: &Work, count: usize) {
    let started = Instant::now();
    let texts: Vec<String> = work
        .cases
        .iter()
        .filter(|case| case.workers.is_none())
        .filter_map(|case| std::fs::read_to_string(&case.path).ok())
        .filter(|text| !NETWORK.iter().any(|name| text.contains(name)))
        .collect();
    if texts.is_empty() {
        return;
    }
    let next = AtomicUsize::new(0);
    let compiled = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..work.options.jobs {
            let (next, texts, compiled) = (&next, &texts, &compiled);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let text = mutant(texts, number as u64);
                    work.note(worker, &format!("mutant {number}:\n{text}"));
                    let result = std::panic::catch_unwind(|| read(&text).and_then(|()| execute(&text)));
                    match result {
                        Ok(Ok(ran)) => drop(compiled.fetch_add(usize::from(ran), Ordering::Relaxed)),
                        Ok(Err(alive)) => work.add_violation(format!("mutant {number}: {alive}\n{text}")),
                        Err(_) => work.add_violation(format!("mutant {number}: a panic\n{text}")),
                    }
                }
                work.note(worker, "");
            });
        }
    });
    println!(
        "mutants: {count}, of which {} ran, in {:.1} s",
        compiled.load(Ordering::Relaxed),
        started.elapsed().as_secs_f64()
    );
}

/// No names: what lints say of a mutant means nothing.
struct Nothing;

impl Prelude for Nothing {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn is_module(&self, _: &str) -> bool {
        false
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn arity(&self, _: &str) -> Option<(usize, Option<usize>)> {
        None
    }

    fn parameters(&self, _: &str) -> Vec<&str> {
        Vec::new()
    }
}

/// Has the tools read a text; an error if the formatter does not do what it promises.
fn read(text: &str) -> Result<(), String> {
    let file = SourceFile::new(None, text.to_owned());
    for width in [None, Some(60)] {
        let options = Options { width };
        let once = match format(&file, options) {
            Ok(once) => once,
            Err(FormatError::Syntax(_)) => return Ok(()),
            Err(error) => return Err(format!("{width:?}: {error}")),
        };
        match format(&SourceFile::new(None, once.clone()), options) {
            Ok(twice) if twice == once => {}
            Ok(twice) => {
                return Err(format!(
                    "{width:?}: formatted twice it becomes\n{twice}\n--- from\n"
                ));
            }
            Err(error) => return Err(format!("{width:?}: the second time: {error}")),
        }
    }
    let parsed = parser::parse(&file, parser::ParseOptions::default());
    let resolution = resolve::resolve(&parsed.ast, true);
    let program = Program::new(&file, &parsed.ast, &resolution, &Nothing);
    drop(program.undefined_names());
    drop(program.lints());
    Ok(())
}

/// Whether the text compiled; an error if something is alive after it.
fn execute(text: &str) -> Result<bool, String> {
    let built = Engine::builder()
        .host(MemoryHost::new())
        .max_memory(Some(MEMORY))
        .max_steps(Some(STEPS))
        .max_depth(DEPTH)
        .event_loop_timeout(Some(0.01))
        .build();
    let mut engine = built.map_err(|error| error.to_string())?;
    let result = engine.run_text("mutant.ae", text);
    let ran = !matches!(result, Err(aether::Error::Syntax { .. }));
    drop(result);
    let report = engine.shut_down();
    if report.live_objects == 0 {
        Ok(ran)
    } else {
        Err(format!("{} objects are alive", report.live_objects))
    }
}

/// A text with a few changes.
fn mutant(texts: &[String], number: u64) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    let mut text = texts[random.usize(0..texts.len())].clone();
    for _ in 0..random.usize(1..=CHANGES) {
        let other = &texts[random.usize(0..texts.len())];
        text = changed(&text, other, &mut random);
    }
    text
}

fn changed(text: &str, other: &str, random: &mut fastrand::Rng) -> String {
    let by_lines = random.bool();
    let pieces = |text: &str| -> Vec<String> {
        if by_lines {
            text.split_inclusive('\n').map(str::to_owned).collect()
        } else {
            words(text)
        }
    };
    let mut parts = pieces(text);
    if parts.is_empty() {
        return WORDS[random.usize(0..WORDS.len())].to_owned();
    }
    let at = random.usize(0..parts.len());
    let to = random.usize(0..parts.len());
    match random.usize(0..8) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(to, parts[at].clone()),
        2 => parts.swap(at, to),
        3 => {
            let moved = parts.remove(at);
            parts.insert(to.min(parts.len()), moved);
        }
        4 => {
            let others = pieces(other);
            if !others.is_empty() {
                parts[at].clone_from(&others[random.usize(0..others.len())]);
            }
        }
        5 => WORDS[random.usize(0..WORDS.len())].clone_into(&mut parts[at]),
        6 => parts.insert(at, WORDS[random.usize(0..WORDS.len())].to_owned()),
        _ => parts.truncate(at + 1),
    }
    parts.concat()
}

/// The words of a text, its blanks and its other characters.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut in_word = false;
    for character in text.chars() {
        let is_word = character.is_alphanumeric() || character == '_';
        match words.last_mut() {
            Some(last) if is_word && in_word => last.push(character),
            _ => words.push(character.to_string()),
        }
        in_word = is_word;
    }
    words
}
