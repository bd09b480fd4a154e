//! Work whose time grows with its operands counts as steps, so that limits and interrupts hold everywhere.
//!
//! Every built-in and every instruction is run with large operands of every type that it accepts. What took long by the
//! thread's clock must have been counted: at least a step for each [`PER_STEP`], which is many times what a step of
//! any kind takes, while uncounted work on operands of this size exceeds it many times over. Whether an operand is accepted is
//! found out with small ones.
//!
//! And under a limit of steps, every built-in with large operands ends soon after the limit: it counts its work piece by
//! piece while it does it, not all of it before or behind.
#![expect(clippy::unwrap_used, reason = "a failure is the test's")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use aether::parts::eval::bytecode::{FUSED, operation_names};
use aether::parts::eval::{BuiltinDef, Place, all_builtins, library_modules, predefined_modules};
use aether::parts::stdlib;
use aether::parts::value::{WORK_BYTES, tag};
use aether::{Engine, ErrorKind, MemoryHost, Value};
use rustix::time::{ClockId, clock_gettime};

/// What may take this long may go uncounted.
const FREE: Duration = Duration::from_micros(100);
/// What a counted step may take.
const PER_STEP: Duration = Duration::from_micros(2);
/// Steps that may be counted only when the fuel is looked at next: what growing the largest array takes.
const UNSETTLED: u64 = 4_500;
/// Times that a call is repeated, to see past interruptions by the system.
const REPETITIONS: usize = 5;
/// Memory of the engine.
const MEMORY: usize = 1 << 30;

/// Operands: how a script makes them, given a size. They are made anew for each call.
const OPERANDS: &[&str] = &[
    "ints[n][:]",
    "words[n][:]",
    "nested[n][:]",
    "copy(dicts[n])",
    "copy(sets[n])",
    "texts[n] + \"\"",
    "blanks[n] + \"\"",
    "digits[n] + \"\"",
    "json[n]",
    "chains[n]",
    "Point { x: texts[n], y: ints[n] }",
    "\"big\" + n",
    "iter(ints[n][:])",
    "n * 64",
    "3",
    "1.5",
    "\"ab\"",
    "\"\"",
    "abs",
    "fn(x) { return true }",
    "fn(x, y) { return 1 }",
    "null",
    "{}",
    "0..n * 64",
];

/// Those that are tried as the first, second and third operand.
const FIRST: &[usize] = &[
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];
const SECOND: &[usize] = &[0, 3, 4, 5, 9, 13, 14, 16, 18, 20, 23];
const THIRD: &[usize] = &[0, 5, 14, 18, 20];

/// Large and small.
const SIZES: [usize; 2] = [10_000, 3];
/// The same for built-ins under a limit of steps: large enough that most take many times [`LATE`].
const LIMITED_SIZES: [usize; 2] = [400_000, 3];
/// The limit of steps.
const LIMIT: u64 = 1_000;
/// Steps beyond the limit at which a built-in has ended.
const LATE: u64 = 20_000;
/// The same for what sorts a run of items at once.
const LATE_SORTING: u64 = 700_000;
/// Names that end when all is done, and why.
const ENDS_WHOLE: &[(&str, &str)] = &[
    ("collect", "a pass over the whole heap"),
    ("stats", "a pass over the whole heap"),
    ("retained", "a pass over the whole heap"),
    ("refs", "a pass over the whole heap"),
    ("assert_no_leaks", "a pass over the whole heap"),
    ("float", "one number of millions of digits"),
    ("to_float", "one number of millions of digits"),
    ("to_int", "one number of millions of digits"),
    (
        "compile",
        "a pattern of millions of characters, which another thread reads",
    ),
];
/// Words in the names of what sorts.
const SORTING: &[&str] = &[
    "sort",
    "nlargest",
    "nsmallest",
    "to_array",
    "median",
    "quantile",
    "percentile",
];

const PREPARE: &str = r#"
import heap
struct Point { x, y }
enum List { Nil, Cons(value, rest) }
let ints = {}  let words = {}  let nested = {}  let dicts = {}  let sets = {}  let texts = {}  let blanks = {}
let digits = {}  let json = {}  let chains = {}
let shared = null
fn iter(a) { return a.iterator() }
fn prepare(n) {
    ints[n] = range(n)
    words[n] = map(ints[n], fn(i) { return "word" + i })
    nested[n] = map(ints[n], fn(i) { return [i, "x"] })
    let dict = {}
    for i in ints[n] { dict[i] = "v"  dict["k" + i] = i }
    dicts[n] = dict
    sets[n] = set(words[n])
    texts[n] = "ab c\n".repeat(n * 8)
    blanks[n] = " ".repeat(n * 40) + "7"
    digits[n] = "7".repeat(n * 40)
    json[n] = "[" + ", ".join(map(ints[n], str)) + "]"
    let chain = List.Nil
    for i in ints[n] { chain = List.Cons(i, chain) }
    chains[n] = chain
}
"#;

/// Names that cannot be called here, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("exit", "ends the program"),
    ("sleep", "waits"),
    ("set_timeout", "waits"),
    ("input", "reads the console"),
    ("append_file", "the file grows from call to call"),
    ("rename", "the file goes"),
    ("limit", "changes the limits"),
    ("set_limit", "changes the limits"),
    ("on_growth", "calls a function later"),
    ("snapshot", "the file grows from call to call"),
    ("before_each", "runs with tests from then on"),
    ("after_each", "runs with tests from then on"),
    ("table", "runs as many tests as there are rows, which takes long"),
    ("every", "calls a function for ever"),
];

struct Sweep {
    engine: Engine,
    makers: Vec<[Value; 2]>,
    /// What is done with each call that is accepted.
    check: fn(&mut Self, &str, &Value, &[usize]),
    failures: String,
    /// Calls that were measured.
    measured: usize,
}

impl Sweep {
    fn new(sizes: [usize; 2], check: fn(&mut Self, &str, &Value, &[usize])) -> Self {
        let host = MemoryHost::new();
        for size in sizes {
            host.add_file(&format!("big{size}"), "line of text\n".repeat(size));
        }
        let mut engine = Engine::builder()
            .host(host)
            .max_memory(Some(MEMORY))
            .builtins(stdlib::JSON)
            .builtins(stdlib::CSV)
            .builtins(stdlib::FILES)
            .build()
            .unwrap();
        for module in library_modules().chain(stdlib::MODULES) {
            engine.eval(format!("import {}", module.name)).unwrap();
        }
        engine.eval(PREPARE).unwrap();
        for size in sizes {
            engine.call("prepare", (size as i64,)).unwrap();
        }
        let makers = OPERANDS
            .iter()
            .map(|operand| {
                sizes.map(|size| {
                    engine
                        .eval(format!("fn() {{ let n = {size}  return {operand} }}"))
                        .unwrap()
                })
            })
            .collect();
        Self {
            engine,
            makers,
            check,
            failures: String::new(),
            measured: 0,
        }
    }

    /// Runs a function of `count` parameters with all operands that it accepts.
    fn run(&mut self, name: &str, code: &str, count: usize, first: impl Fn(&Value) -> bool) {
        let Ok(function) = self.engine.eval(code) else {
            writeln!(self.failures, "{name}: {code} does not compile").unwrap();
            return;
        };
        let choices = |position: usize| match position {
            0 => FIRST,
            1 => SECOND,
            _ => THIRD,
        };
        let total: usize = (0..count).map(|position| choices(position).len()).product();
        for combination in 0..total {
            let mut rest = combination;
            let chosen: Vec<usize> = (0..count)
                .map(|position| {
                    let choices = choices(position);
                    let index = choices[rest % choices.len()];
                    rest /= choices.len();
                    index
                })
                .collect();
            let small = self.operands(&chosen, 1);
            if small.first().is_some_and(|value| !first(value))
                || self.engine.call_value(&function, small).is_err()
            {
                continue;
            }
            self.measured += 1;
            (self.check)(self, name, &function, &chosen);
        }
    }

    /// What takes long counts as work.
    fn counts(&mut self, name: &str, function: &Value, chosen: &[usize]) {
        let mut best: Option<(Duration, Duration, u64)> = None;
        for _ in 0..REPETITIONS {
            // Kept beyond the call, which is not to measure what freeing them takes.
            let operands = self.operands(chosen, 0);
            let begun = cpu_time();
            let result = self.engine.call_value(function, operands.as_slice());
            let took = cpu_time().saturating_sub(begun);
            let steps = self.engine.steps_used();
            let unsettled = self.engine.heap().work();
            drop(result);
            if unsettled > UNSETTLED {
                writeln!(
                    self.failures,
                    "{name} {}: {unsettled} steps are not settled",
                    shown(chosen)
                )
                .unwrap();
                return;
            }
            let excess = took.saturating_sub(FREE).saturating_sub(PER_STEP * steps as u32);
            if best.is_none_or(|(least, ..)| excess < least) {
                best = Some((excess, took, steps));
            }
            if excess.is_zero() {
                break;
            }
        }
        let (excess, took, steps) = best.unwrap();
        if !excess.is_zero() {
            writeln!(
                self.failures,
                "{name} {}: {took:?} for {steps} steps",
                shown(chosen)
            )
            .unwrap();
        }
    }

    /// Under a limit of steps, it ends soon after it.
    fn ends_at_the_limit(&mut self, name: &str, function: &Value, chosen: &[usize]) {
        let own = name.rsplit('.').next();
        if ENDS_WHOLE.iter().any(|(ends_whole, _)| Some(*ends_whole) == own) {
            return;
        }
        let operands = self.operands(chosen, 0);
        // What copies or compares an operand at the speed of memory may do so at once, a few times; what is looked for
        // in another one, or says how, is read at once.
        let copied: usize = operands.iter().map(bytes).sum();
        let is_first_read = name.starts_with("re.");
        let read: usize = operands
            .iter()
            .skip(usize::from(!is_first_read))
            .map(text_bytes)
            .sum();
        let whole = (3 * copied / WORK_BYTES + read) as u64;
        let before = self.engine.heap().live_bytes();
        self.engine.heap().reset_peak();
        self.engine.set_max_steps(Some(LIMIT));
        let result = self.engine.call_value(function, operands.as_slice());
        let steps = self.engine.steps_used();
        self.engine.set_max_steps(None);
        // Memory counts when it is taken, before anything is written to it.
        let taken = (self.engine.heap().peak_bytes() - before) as u64 / WORK_BYTES as u64;
        let late = whole
            + taken
            + if SORTING.iter().any(|word| name.contains(word)) {
                LATE_SORTING
            } else {
                LATE
            };
        let wrong = match result {
            _ if steps > LIMIT + late => format!("ends after {steps} steps"),
            Err(error) if steps > LIMIT + UNSETTLED && error.kind() != Some(ErrorKind::StepLimit) => {
                format!("ends after {steps} steps with {error}")
            }
            _ => return,
        };
        writeln!(self.failures, "{name} {}: {wrong}", shown(chosen)).unwrap();
    }

    fn operands(&mut self, chosen: &[usize], size: usize) -> Vec<Value> {
        chosen
            .iter()
            .map(|&index| {
                let maker = self.makers[index][size].clone();
                self.engine.call_value(&maker, ()).unwrap()
            })
            .collect()
    }

    fn finish(self, least: usize) {
        assert!(self.failures.is_empty(), "uncounted work:\n{}", self.failures);
        assert!(
            self.measured >= least,
            "only {} calls were measured",
            self.measured
        );
    }
}

/// Whether a function of a module has its name everywhere.
fn is_predefined(def: &BuiltinDef) -> bool {
    let mut known = predefined_modules().iter().flat_map(|module| module.functions);
    known.any(|known| std::ptr::eq(known, def))
}

/// How the chosen operands are made.
fn shown(chosen: &[usize]) -> String {
    let operands: Vec<&str> = chosen.iter().map(|&index| OPERANDS[index]).collect();
    format!("{operands:?}")
}

/// Bytes of a text.
fn text_bytes(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

/// Bytes of a text, or about those of a collection.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Array(array) => array.len() * size_of::<Value>(),
        Value::Dict(dict) => dict.len() * 3 * size_of::<Value>(),
        Value::Set(set) => set.len() * 3 * size_of::<Value>(),
        other => text_bytes(other),
    }
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// `p0, p1, …` up to `count`.
fn parameters(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|index| format!("p{index}")).collect();
    names.join(", ")
}

#[test]
fn every_built_in_counts_its_work() {
    every_built_in(Sweep::new(SIZES, Sweep::counts));
}

#[test]
fn every_built_in_ends_soon_after_the_limit_of_steps() {
    every_built_in(Sweep::new(LIMITED_SIZES, Sweep::ends_at_the_limit));
}

/// Has every built-in checked.
fn every_built_in(mut sweep: Sweep) {
    let library = [stdlib::JSON, stdlib::CSV, stdlib::FILES].into_iter().flatten();
    let defs: Vec<(Place, &BuiltinDef)> = all_builtins()
        .chain(library.map(|def| (Place::Global, def)))
        .chain(stdlib::MODULES.iter().flat_map(|module| {
            let functions = module.functions.iter();
            functions.map(|def| (Place::Module(module.name), def))
        }))
        .collect();
    for (place, def) in defs {
        let name = def.info.name;
        if LEFT_OUT.iter().any(|(left_out, _)| *left_out == name) {
            continue;
        }
        let most = if def.info.params.is_empty() {
            usize::from(def.info.max_args).min(2)
        } else {
            def.info.params.len()
        };
        for count in usize::from(def.info.min_args)..=most.min(3) {
            let (prefix, receiver, given) = match place {
                Place::Global => (String::new(), None, count),
                Place::Namespace(name) => (format!("{name}."), None, count),
                // What it would start is the system's.
                Place::Module("process") => continue,
                // Servers would stay, and requests go out.
                Place::Module("http") if !matches!(name, "response" | "router" | "client") => continue,
                Place::Module(_) if is_predefined(def) => (String::new(), None, count),
                Place::Module(name) => (format!("{name}."), None, count),
                Place::Method(tag) => (String::new(), Some(tag), count + 1),
                Place::EveryValue => (String::new(), Some(tag::END), count + 1),
            };
            let all = parameters(given);
            let code = if receiver.is_none() {
                format!("fn({all}) {{ return {prefix}{name}({all}) }}")
            } else {
                let rest = all
                    .strip_prefix("p0")
                    .unwrap()
                    .trim_start_matches(", ")
                    .to_owned();
                format!("fn({all}) {{ return p0.{name}({rest}) }}")
            };
            sweep.run(&format!("{prefix}{name}"), &code, given, |value| {
                receiver.is_none_or(|tag| tag == tag::END || value.tag() == tag)
            });
        }
    }
    sweep.finish(1000);
}

/// What makes an instruction: the body of a function of `p0`, `p1`, `p2`. For those that no fused pair stands for.
const BODIES: &[&str] = &[
    "return p0 + p1",
    "return p0 + 1",
    "return 1 + p0",
    "return \"a\" + p0",
    "return p0 + \"a\"",
    "return \"a${p0}b${p1}\"",
    "let s = p0  s += p1  return s",
    "return p0 == p1",
    "return p0 != p1",
    "return p0 < p1",
    "return p0 <= p1",
    "return p0 > p1",
    "return p0 >= p1",
    "if (p0 == p1) { return 1 }",
    "if (p0 < p1) { return 1 }",
    "while (p0 < p1) { return 1 }",
    "return p0 - p1",
    "return p0 * p1",
    "return p0 / p1",
    "return p0 % p1",
    "return p0 ** p1",
    "return -p0",
    "return ~p0",
    "return !p0",
    "return p0 && p1 || p2",
    "return p0[p1]",
    "return p0[p1:p2]",
    "return p0[1:]",
    "return p0[:p1]",
    "p0[p1] = p2",
    "let q = copy(p0)  p0[0] = 1  return q",
    "let q = copy(p0)  p0[p1] += p2  return q",
    "let q = copy(p0)  p0.push(1)  for x in q { return q }",
    "let q = copy(p0)  p0.x = 1  return q",
    "return p0.length",
    "return p0.x",
    "p0.x = p1",
    "p0.x += p1",
    "let [a, ...r] = p0  return r",
    "let [a, b] = p0  return b",
    "let { x, y } = p0  return x",
    "match (p0) { List.Cons(v, r) => { return r } \"ab\" => { return 2 } _ => { return 1 } }",
    "for x in p0 { return x }",
    "for x in p0 { }",
    "return [p0, p1, p2]",
    "return { \"x\": p0, \"y\": p1 }",
    "return Point { x: p0, y: p1 }",
    "let d = {}  d[p0] = p1  return d",
    "let d = {}  d[p0] = 1  return d[p1]",
    "let f = fn() { p0 += p1  return p0 }  return f()",
    "throw p0",
    "throw \"a\" + p0",
    "let s = p0  for i in range(2) { s = p1 }  return s",
    "fn own(x) { if (x == 0) { return own }  return own(x - 1) }  return own(3)",
    "let n = p0  let f = fn() { n = p1  n += p1 }  f()  n += p1  return n",
    "let g = null  let f = fn() { return g }  g = p0  f()  g = p1  return g",
    "return p0 - 1 + p0 * 2 - p0 / 2 + p0 % 2",
    "return p0 - 1.5 + p0 * 1.5 - p0 / 1.5 + p0 % 1.5 + 1.5 - p0",
    "return 1.5 * p0 + 1.5 / p0 + (p0 - 1.5) + (1.5 - p0)",
    "return (p0 << 1) + (p0 >> 1) + (p0 & 1) + (p0 | 1) + (p0 ^ 1)",
    "return (p0 ?? 1) == (p1 ?? 2)",
    "return p0?.x",
    "if (!(p0 == p1)) { return 1 }",
    "if (p0 < 1 || p0 <= 1 || p0 >= 3) { return 1 }  if (p0 > 1 && p0 < 3) { return 2 }",
    "while (p0 < 1.5 || p0 <= 1.5) { return 1 }  while (p0 > 1.5 || p0 >= 1.5) { return 1 }",
    "if (p0 < 1.5) { return 1 }  if (p0 <= 1.5) { return 1 }  if (p0 > 1.5) { return 1 }  if (p0 >= 1.5) { return 1 }",
    "if (!(p0 <= 1)) { return 1 }  if (!(p0 >= 1)) { return 1 }  if (!(p0 < 1)) { return 1 }",
    "if (p0[p1]) { return 1 }  while (!p0[p1]) { return 2 }",
    "return (fn() { return p0 })()[p1]",
    "return p0[1] + [p1][0]",
    "p0[p1] = [p2]",
    "p0[p1 + 0] = [p2]",
    "p0[p1] += p0[p1]",
    "return (fn(x) { return x })(p0)",
    "p0.push(p1)  for x in p0 { return x }",
    "let r = p0.push(p1)  for x in p0 { return r }",
    "return len(p0)",
    "return [...p0, p1]",
    "return p0 in p1",
    "return p0?.[p1]",
    "for k, v in p0 { return k }",
    "return p0[0..p1]",
    "let f = (x, y = p1, ...z) => [x, y, z]  return f(p0)",
    "let f = (...z) => z  return f(...p0)",
    "shared = p0  shared += p1  return shared",
    "return copy(p0)[p1 + 0]",
    "if (p0 <= 5) { return 1 }",
    "let a = []  a.push(p0)  a.push(p1)  return a",
    "for i in range(3) { p0 == i }",
    "for i in range(len(p0)) { if (i > 1) { return p0 } }",
    "try { throw p0 } catch (e) { return e } finally { abs(1) }",
    "return [x for x in p0]",
    "return {x: 1 for x in p0}",
    "defer { p1 = p0 }  return 1",
    "let g = [(a, b = 1) => [a, b]]  return g[0](b = p0, a = p1)",
    "struct Q { x fn m(a, b = 2) { return [a, b] } }  return Q { x: p0 }.m(b = p1, a = p0)",
    "let x: int | array | string | dict | set | null = p0  return x",
    "return \"${p0:>5}\"",
    "fn g(a, b = 1, c = 2) { return [a, b, c] }  return g(c = p0, a = p1)",
    "let g = (a, b = 1, c = 2) => [a, b, c]  return g(c = p0, a = p1)",
    "let g = () => { yield p0  yield p1 }  return [...g()]",
    "let g = async (a = p0) => a  return await g()",
    "return match p0 { 1..=5 => 1, [_, _, ...r] => r, {a, b: 3} => a, Point { x } => x, -1 | 'a' => 2, x if x == p1 => x }",
    "return match p0 { 1 => 1, 2 => 1, 3 => 1, 4 => 1, 5 => 1, 6 => 1, 7 => 1, 8 => 1, 9 => 1, 'a' => 1, _ => 2 }",
    "struct Q { x fn m() { return self.x } }  return Q { x: p0 }.m()",
];

/// Operations that take the same time whatever their operands are, of those that no body compiles to.
const CONSTANT: &[&str] = &[
    "Nop",
    "NewUnsetCell",
    "InitCell",
    "ImportMember",
    "Await",
    "DeferAtEnd",
    "DuplicateMain",
    "Debugger",
    // Written over another operation when that is compiled to machine code.
    "Enter",
];

#[test]
fn every_instruction_counts_its_work() {
    let mut sweep = Sweep::new(SIZES, Sweep::counts);
    let mut seen = BTreeSet::new();
    let fused = FUSED
        .iter()
        .map(|(_, body)| body.replace("P {", "Point {"))
        .map(|body| (body, "a, b, c"));
    let bodies = BODIES.iter().map(|body| ((*body).to_owned(), "p0, p1, p2"));
    for (body, names) in bodies.chain(fused) {
        let code = format!("fn({names}) {{ {body} }}");
        let text = format!("{PREPARE}\nlet f = {code}");
        match sweep.engine.disassemble("work.ae", text) {
            Ok(listing) => seen.extend(listing.split_whitespace().map(str::to_owned)),
            Err(error) => writeln!(sweep.failures, "{body}: {error}").unwrap(),
        }
        let used = names.split(", ").filter(|name| body.contains(name)).count();
        let names = names.split(", ").take(used).collect::<Vec<_>>().join(", ");
        sweep.run(&body, &format!("fn({names}) {{ {body} }}"), used, |_| true);
    }

    let missing: Vec<&str> = operation_names()
        .filter(|name| !seen.contains(*name) && !CONSTANT.contains(name))
        .collect();
    assert_eq!(missing, [""; 0], "operations that no body compiles to");
    sweep.finish(1000);
}
