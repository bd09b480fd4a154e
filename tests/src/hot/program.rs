//! Random programs in the forms that hot code has.
//!
//! A program is some functions, structs and globals, and a driver that calls them in loops and prints what comes of
//! them. Variables have a kind that is mostly true: now and then a value of another kind is stored or used, so that
//! what code takes for granted about types stops being so, and errors are thrown from everywhere.
//!
//! Invariants
//! - A program is a function of its seed.
//! - It ends: every loop is bounded, functions call only those before them, and the product of the turns of nested
//!   loops and of the calls in them is bounded by [`MOST_WORK`].
//! - It names only variables that are declared, and its containers do not nest without bound, so that it never fails
//!   for a reason that has nothing to do with what it computes.

use std::fmt::Write as _;

use fastrand::Rng;

/// Statements that a program executes at most, roughly.
const MOST_WORK: u64 = 60_000;
/// Levels of an expression.
const MOST_LEVELS: usize = 3;

/// What an expression is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Float,
    Text,
    Bool,
    /// Of ints.
    Array,
    /// Of floats.
    Floats,
    /// Of arrays of ints.
    Nested,
    /// A dict with the keys `a`, `b` and `n`.
    Record,
    /// A dict from ints to ints.
    Map,
    Instance,
    /// A function of an int that gives an int.
    Function,
    /// A scalar of unknown type.
    Scalar,
}

const KINDS: &[Kind] = &[
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Int,
    Kind::Float,
    Kind::Float,
    Kind::Text,
    Kind::Bool,
    Kind::Array,
    Kind::Array,
    Kind::Floats,
    Kind::Nested,
    Kind::Record,
    Kind::Map,
    Kind::Instance,
    Kind::Instance,
    Kind::Function,
    Kind::Scalar,
];

const SCALARS: &[Kind] = &[
    Kind::Int,
    Kind::Int,
    Kind::Float,
    Kind::Text,
    Kind::Bool,
    Kind::Scalar,
];

/// Ints where something happens.
const INTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "-3",
    "7",
    "10",
    "31",
    "63",
    "64",
    "255",
    "1000",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967296",
    "4503599627370496",
    "9007199254740993",
    "3037000500",
    "4611686018427387904",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775807",
    "(-9223372036854775807 - 1)",
];

const FLOATS: &[&str] = &[
    "0.0",
    "-0.0",
    "0.5",
    "1.0",
    "-1.5",
    "2.0",
    "3.25",
    "100.0",
    "1e18",
    "1e300",
    "5e-324",
    "9007199254740992.0",
    "9223372036854775808.0",
    "-9223372036854775808.0",
    "NAN",
    "INF",
    "(-INF)",
];

const TEXTS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"b\"",
    "\"abc\"",
    "\"abd\"",
    "\"héllo\"",
    "\"0\"",
    "\"12\"",
    "\"a rather long text of some words\"",
    "\"😀x\"",
];

struct Variable {
    name: String,
    kind: Kind,
    /// Whether it may be assigned to.
    writable: bool,
}

struct Callee {
    name: String,
    parameters: Vec<Kind>,
    /// Of which there have to be at least this many arguments.
    required: usize,
    has_rest: bool,
    result: Kind,
    work: u64,
}

struct Generator {
    random: Rng,
    text: String,
    indent: usize,
    variables: Vec<Variable>,
    callees: Vec<Callee>,
    next_name: usize,
    /// How often what is being written will be executed.
    weight: u64,
    work: u64,
    /// Loops around, of this function, with their labels.
    loops: Vec<Option<String>>,
    result: Kind,
    in_function: bool,
    in_iterator: bool,
    /// Whether values of another kind are out of place here.
    is_strict: bool,
    structs: usize,
}

/// The program of a seed.
#[must_use]
pub fn hot_program(seed: u64) -> String {
    let mut generator = Generator {
        random: Rng::with_seed(seed),
        text: String::new(),
        indent: 0,
        variables: Vec::new(),
        callees: Vec::new(),
        next_name: 0,
        weight: 1,
        work: 0,
        loops: Vec::new(),
        result: Kind::Int,
        in_function: false,
        in_iterator: false,
        is_strict: false,
        structs: 0,
    };
    if seed % 8 == 5 {
        generator.table(seed);
    } else {
        generator.program(seed);
    }
    generator.text
}

impl Generator {
    // What is drawn.

    fn below(&mut self, count: usize) -> usize {
        self.random.usize(0..count)
    }

    /// True once in `count` times.
    fn rarely(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.usize(0..of.len())]
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.next_name += 1;
        format!("{prefix}{}", self.next_name)
    }

    // What is written.

    fn line(&mut self, text: &str) {
        for _ in 0..self.indent {
            self.text.push_str("  ");
        }
        self.text.push_str(text);
        self.text.push('\n');
        self.work += self.weight;
    }

    fn open(&mut self, text: &str) {
        self.line(text);
        self.indent += 1;
    }

    fn close(&mut self, text: &str) {
        self.indent -= 1;
        self.line(text);
    }

    /// What `f` writes, as a block of its own scope.
    fn scoped(&mut self, f: impl FnOnce(&mut Self)) {
        let count = self.variables.len();
        f(self);
        self.variables.truncate(count);
    }

    /// Writes the body of a loop of so many turns.
    fn turns(&mut self, count: u64, label: Option<String>, f: impl FnOnce(&mut Self)) {
        let weight = self.weight;
        self.weight *= count.max(1);
        self.loops.push(label);
        self.scoped(f);
        self.loops.pop();
        self.weight = weight;
    }

    fn declare(&mut self, name: &str, kind: Kind, writable: bool) {
        self.variables.push(Variable {
            name: name.to_owned(),
            kind,
            writable,
        });
    }

    fn variable(&mut self, kind: Kind, writable: bool) -> Option<String> {
        let fits: Vec<usize> = (0..self.variables.len())
            .filter(|&index| {
                let variable = &self.variables[index];
                variable.kind == kind && (variable.writable || !writable)
            })
            .collect();
        if fits.is_empty() {
            return None;
        }
        // Those declared last are met more often.
        let from = if self.random.bool() { fits.len() / 2 } else { 0 };
        let index = fits[self.random.usize(from..fits.len())];
        Some(self.variables[index].name.clone())
    }

    // Expressions.

    fn value(&mut self, kind: Kind) -> String {
        self.expression(kind, MOST_LEVELS)
    }

    fn short(&mut self, kind: Kind) -> String {
        let levels = self.below(2);
        self.expression(kind, levels)
    }

    fn expression(&mut self, kind: Kind, levels: usize) -> String {
        if !self.is_strict && self.rarely(90) {
            let other = self.pick(SCALARS);
            return self.of_kind(other, 0);
        }
        if levels > 0 && self.rarely(9) {
            let callee = self.call(Some(kind), levels - 1);
            if let Some(callee) = callee {
                return callee;
            }
        }
        if levels > 0 && self.rarely(25) {
            let condition = self.expression(Kind::Bool, levels - 1);
            let (yes, no) = (
                self.expression(kind, levels - 1),
                self.expression(kind, levels - 1),
            );
            return match self.below(3) {
                0 => format!("({condition} ? {yes} : {no})"),
                1 => format!("(match {condition} {{ true => ({yes}), _ => ({no}) }})"),
                _ => format!("({condition} ? null : {yes} ?? {no})"),
            };
        }
        self.of_kind(kind, levels)
    }

    fn of_kind(&mut self, kind: Kind, levels: usize) -> String {
        let likes_variable = if levels == 0 {
            self.below(4) > 0
        } else {
            self.rarely(3)
        };
        if likes_variable && let Some(name) = self.variable(kind, false) {
            return name;
        }
        match kind {
            Kind::Int => self.int(levels),
            Kind::Float => self.float(levels),
            Kind::Text => self.words(levels),
            Kind::Bool => self.truth(levels),
            Kind::Array => self.array(levels),
            Kind::Floats => self.floats(levels),
            Kind::Nested => {
                let (a, b) = (self.strict(Kind::Array), self.strict(Kind::Array));
                format!("[copy({a}), copy({b}), [1, 2, 3]]")
            }
            Kind::Record => {
                let (a, b, n) = (
                    self.strict(Kind::Int),
                    self.strict(Kind::Float),
                    self.strict(Kind::Scalar),
                );
                match self.below(4) {
                    0 => format!("{{\"b\": {b}, \"a\": {a}, \"n\": {n}}}"),
                    1 => format!("{{\"a\": {a}, \"b\": {b}, \"n\": {n}, \"more\": 1}}"),
                    _ => format!("{{\"a\": {a}, \"b\": {b}, \"n\": {n}}}"),
                }
            }
            Kind::Map => {
                let (a, b) = (self.strict(Kind::Int), self.strict(Kind::Int));
                format!("{{0: {a}, 1: {b}, 2: 5, 3: 7}}")
            }
            Kind::Instance => self.instance(),
            Kind::Function => self.function(levels),
            Kind::Scalar => {
                if self.rarely(4) {
                    return "null".to_owned();
                }
                let kind = self.pick(&SCALARS[..5]);
                self.of_kind(kind, levels)
            }
        }
    }

    /// An expression that is of its kind whatever happens, or raises.
    fn strict(&mut self, kind: Kind) -> String {
        let before = std::mem::replace(&mut self.is_strict, true);
        let text = self.of_kind(kind, 1);
        self.is_strict = before;
        match kind {
            Kind::Int | Kind::Float | Kind::Scalar => format!("scalar({text})"),
            Kind::Array => format!("flat({text})"),
            _ => text,
        }
    }

    fn number(&mut self, levels: usize) -> String {
        let kind = if self.rarely(5) { Kind::Float } else { Kind::Int };
        self.expression(kind, levels)
    }

    fn int(&mut self, levels: usize) -> String {
        if levels == 0 {
            return if self.rarely(8) {
                self.pick(INTS).to_owned()
            } else {
                (self.random.i32(-4..40)).to_string()
            };
        }
        let levels = levels - 1;
        match self.below(34) {
            0..=9 => {
                let operator = self.pick(&["+", "-", "+", "-", "*", "+", "-", "*", "/", "%"]);
                let (a, b) = (
                    self.expression(Kind::Int, levels),
                    self.expression(Kind::Int, levels),
                );
                format!("({a} {operator} {b})")
            }
            10..=13 => {
                let (a, b) = (
                    self.expression(Kind::Int, levels),
                    self.expression(Kind::Int, levels),
                );
                let m = self.pick(&["1000003", "97", "1024", "7", "9999991", "-13"]);
                let operator = self.pick(&["+", "-", "*"]);
                format!("(({a} {operator} {b}) % {m})")
            }
            14..=16 => {
                let operator = self.pick(&["&", "|", "^"]);
                let (a, b) = (
                    self.expression(Kind::Int, levels),
                    self.expression(Kind::Int, levels),
                );
                format!("({a} {operator} {b})")
            }
            17..=18 => {
                let operator = self.pick(&["<<", ">>"]);
                let a = self.expression(Kind::Int, levels);
                let b = if self.rarely(3) {
                    let b = self.expression(Kind::Int, levels);
                    format!("({b} & 63)")
                } else {
                    self.pick(&["1", "3", "5", "31", "63", "0", "64", "-1"])
                        .to_owned()
                };
                format!("({a} {operator} {b})")
            }
            19 => format!("(-{})", self.operand(Kind::Int, levels)),
            20 => format!("(~{})", self.operand(Kind::Int, levels)),
            21..=23 => self.element(Kind::Array, levels),
            24 => {
                let a = self.expression(Kind::Nested, 0);
                let (i, j) = (self.index(), self.index());
                format!("{}[{i}][{j}]", wrapped(&a))
            }
            25 => {
                let kind = self.pick(&[Kind::Array, Kind::Text, Kind::Floats, Kind::Record, Kind::Nested]);
                let a = self.expression(kind, 0);
                match self.below(3) {
                    0 => format!("len({a})"),
                    1 => format!("{}.length", wrapped(&a)),
                    _ => format!("{}.size", wrapped(&a)),
                }
            }
            26 => {
                let a = self.expression(Kind::Record, 0);
                let form = self.pick(&[".a", "[\"a\"]", ".a", "?.a", ".n"]);
                format!("{}{form}", wrapped(&a))
            }
            27 => {
                let a = self.expression(Kind::Map, 0);
                let i = self.index();
                let form = self.below(3);
                match form {
                    0 => format!("({}?.[{i}] ?? 4)", wrapped(&a)),
                    _ => format!("{}[{i}]", wrapped(&a)),
                }
            }
            28..=29 => {
                let a = self.expression(Kind::Instance, 0);
                let form = self.below(4);
                let a = wrapped(&a);
                match form {
                    0 => format!("{a}.x"),
                    1 => format!("{a}.y"),
                    2 => {
                        let n = self.expression(Kind::Int, levels.min(1));
                        format!("{a}.add({n})")
                    }
                    _ => format!("{a}.get()"),
                }
            }
            30..=31 => {
                let f = self.expression(Kind::Function, 0);
                let n = self.expression(Kind::Int, levels.min(1));
                self.work += self.weight * 4;
                format!("{}({n})", wrapped(&f))
            }
            32 => {
                let a = self.number(levels);
                let function = self.pick(&["int", "abs", "floor", "int"]);
                format!("{function}({a})")
            }
            _ => {
                let (a, b) = (
                    self.expression(Kind::Int, levels),
                    self.expression(Kind::Int, levels),
                );
                let function = self.pick(&["min", "max"]);
                format!("{function}({a}, {b})")
            }
        }
    }

    fn float(&mut self, levels: usize) -> String {
        if levels == 0 {
            return if self.rarely(3) {
                self.pick(FLOATS).to_owned()
            } else {
                format!("{}.{}", self.random.i32(0..50), self.pick(&["0", "5", "25", "1"]))
            };
        }
        let levels = levels - 1;
        match self.below(14) {
            0..=6 => {
                let operator = self.pick(&["+", "-", "*", "/", "+", "-", "*", "%"]);
                let mixed = self.below(4);
                let a = if mixed == 0 {
                    self.expression(Kind::Int, levels)
                } else {
                    self.expression(Kind::Float, levels)
                };
                let b = if mixed == 1 {
                    self.expression(Kind::Int, levels)
                } else {
                    self.expression(Kind::Float, levels)
                };
                format!("({a} {operator} {b})")
            }
            7 => format!("(-{})", self.operand(Kind::Float, levels)),
            8..=9 => self.element(Kind::Floats, levels),
            10 => {
                let a = self.expression(Kind::Record, 0);
                format!("{}.b", wrapped(&a))
            }
            11 => {
                let a = self.expression(Kind::Int, levels);
                format!("float({a})")
            }
            12 => {
                let a = self.expression(Kind::Float, levels);
                format!("sqrt(abs({a}))")
            }
            _ => {
                let a = self.expression(Kind::Instance, 0);
                format!("({}.x * 1.5)", wrapped(&a))
            }
        }
    }

    /// An operand of a prefix operator.
    fn operand(&mut self, kind: Kind, levels: usize) -> String {
        let text = self.expression(kind, levels);
        wrapped(&text)
    }

    fn index(&mut self) -> String {
        match self.below(8) {
            0 => self.short(Kind::Int),
            1..=3 => {
                let i = self.short(Kind::Int);
                format!("({i} & 3)")
            }
            4..=5 => self
                .variable(Kind::Int, false)
                .map_or_else(|| "1".to_owned(), |name| format!("({name} & 1)")),
            _ => self.below(3).to_string(),
        }
    }

    fn element(&mut self, kind: Kind, levels: usize) -> String {
        let array = self.expression(kind, 0);
        let array = wrapped(&array);
        match self.below(16) {
            0 => {
                let i = self.expression(Kind::Int, levels);
                format!("{array}[{i}]")
            }
            1..=9 => {
                let i = self.variable(Kind::Int, false).unwrap_or_else(|| "0".to_owned());
                format!("{array}[abs({i}) % {array}.length]")
            }
            10..=12 => {
                let i = self.index();
                format!("({array}?.[{i}] ?? 3)")
            }
            _ => {
                let i = self.index();
                format!("{array}[{i}]")
            }
        }
    }

    fn words(&mut self, levels: usize) -> String {
        if levels == 0 {
            return self.pick(TEXTS).to_owned();
        }
        let levels = levels - 1;
        match self.below(9) {
            0..=2 => {
                let a = self.expression(Kind::Text, levels);
                let other = self.pick(SCALARS);
                let b = self.expression(other, levels);
                if self.random.bool() {
                    format!("short({a} + {b})")
                } else {
                    format!("short({b} + {a})")
                }
            }
            3..=4 => {
                let other = self.pick(&[Kind::Int, Kind::Float, Kind::Scalar, Kind::Array, Kind::Instance]);
                let a = self.expression(other, 0);
                format!("short(str({a}))")
            }
            5 => {
                let a = self.expression(Kind::Text, 0);
                let i = self.index();
                format!("{}[{i}]", wrapped(&a))
            }
            6 => {
                let a = self.expression(Kind::Text, 0);
                let (i, j) = (self.short(Kind::Int), self.short(Kind::Int));
                format!("{}[{i}:{j}]", wrapped(&a))
            }
            7 => {
                let a = self.expression(Kind::Text, 0);
                let method = self.pick(&["upper()", "trim()", "lower()", "replace(\"a\", \"é\")"]);
                format!("{}.{method}", wrapped(&a))
            }
            _ => {
                let (a, b) = (self.variable(Kind::Int, false), self.variable(Kind::Float, false));
                let (a, b) = (
                    a.unwrap_or_else(|| "7".to_owned()),
                    b.unwrap_or_else(|| "0.5".to_owned()),
                );
                format!("\"<${{{a}}}|${{{b}}}>\"")
            }
        }
    }

    fn truth(&mut self, levels: usize) -> String {
        if levels == 0 {
            return self.pick(&["true", "false"]).to_owned();
        }
        let levels = levels - 1;
        match self.below(14) {
            0..=5 => {
                let operator = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
                let (a, b) = (self.number(levels), self.number(levels));
                format!("({a} {operator} {b})")
            }
            6 => {
                let operator = self.pick(&["==", "!=", "<", ">="]);
                let (a, b) = (
                    self.expression(Kind::Text, levels),
                    self.expression(Kind::Text, levels),
                );
                format!("({a} {operator} {b})")
            }
            7..=8 => {
                let operator = self.pick(&["==", "!="]);
                let kinds = [self.pick(KINDS), self.pick(KINDS)];
                let (a, b) = (self.expression(kinds[0], 0), self.expression(kinds[1], 0));
                format!("({a} {operator} {b})")
            }
            9 => {
                let operator = self.pick(&["&&", "||"]);
                let (a, b) = (
                    self.expression(Kind::Bool, levels),
                    self.expression(Kind::Bool, levels),
                );
                format!("({a} {operator} {b})")
            }
            10 => format!("(!{})", self.operand(Kind::Bool, levels)),
            11 => {
                let kind = self.pick(&[Kind::Array, Kind::Map, Kind::Record]);
                let a = self.expression(kind, 0);
                let what = self.pick(SCALARS);
                let what = self.expression(what, 0);
                format!("({what} in {a})")
            }
            12 => {
                let i = self.variable(Kind::Int, false).unwrap_or_else(|| "5".to_owned());
                let m = self.random.usize(2..9);
                format!("({i} % {m} == {})", self.below(m))
            }
            _ => {
                let kind = self.pick(KINDS);
                let a = self.expression(kind, 0);
                format!("(type({a}) == \"int\")")
            }
        }
    }

    fn array(&mut self, levels: usize) -> String {
        match self.below(if levels == 0 { 3 } else { 11 }) {
            0 => {
                let (a, b) = (self.strict(Kind::Int), self.strict(Kind::Int));
                format!("[{a}, {b}, 3, 4]")
            }
            1 => "[1, 2, 3, 4, 5, 6]".to_owned(),
            2 => {
                let n = self.random.usize(2..9);
                format!("range({n})")
            }
            3..=4 => {
                let a = self.expression(Kind::Array, 0);
                let (i, j) = (self.short(Kind::Int), self.short(Kind::Int));
                format!("{}[{i}:{j}]", wrapped(&a))
            }
            5 => {
                let a = self.expression(Kind::Array, 0);
                let callback = self.callback(levels);
                self.work += self.weight * 20;
                let function = self.pick(&["map", "filter", "map"]);
                format!("flat({function}({a}, {callback}))")
            }
            6 => {
                let a = self.expression(Kind::Array, 0);
                self.work += self.weight * 12;
                format!("flat([q * 2 for q in {a} if q != 3])")
            }
            7 => {
                let a = self.strict(Kind::Array);
                let b = self.strict(Kind::Int);
                format!("cut([...{a}, {b}])")
            }
            8 => {
                let a = self.expression(Kind::Array, 0);
                self.work += self.weight * 30;
                format!("sort({a}, (p, q) => p > q)")
            }
            9 => {
                let a = self.expression(Kind::Record, 0);
                format!("{}.values()", wrapped(&a))
            }
            _ => {
                let a = self.expression(Kind::Array, 0);
                format!("copy({a})")
            }
        }
    }

    fn floats(&mut self, levels: usize) -> String {
        if levels == 0 || self.random.bool() {
            let (a, b) = (self.strict(Kind::Float), self.strict(Kind::Float));
            return format!("[{a}, {b}, 0.5, 1.5]");
        }
        let a = self.expression(Kind::Floats, 0);
        self.work += self.weight * 10;
        match self.below(3) {
            0 => format!("flat(map({a}, v => v * 0.5))"),
            1 => format!("flat([v + 1 for v in {a}])"),
            _ => format!("{}[1:]", wrapped(&a)),
        }
    }

    fn instance(&mut self) -> String {
        if self.structs == 0 {
            return "null".to_owned();
        }
        let number = self.below(self.structs);
        let x = self.strict(Kind::Int);
        let kind = self.pick(&[Kind::Int, Kind::Int, Kind::Float, Kind::Scalar]);
        let y = self.strict(kind);
        if self.rarely(6) {
            return format!("S{number} {{ y: {y}, x: {x} }}");
        }
        format!("S{number} {{ x: {x}, y: {y} }}")
    }

    /// A function of an int. It may assign to what it captures.
    fn function(&mut self, levels: usize) -> String {
        if self.rarely(3) {
            let names: Vec<String> = self
                .callees
                .iter()
                .filter(|callee| {
                    callee.required == 1
                        && callee.parameters.first() == Some(&Kind::Int)
                        && callee.work * self.weight < MOST_WORK / 40
                })
                .map(|callee| callee.name.clone())
                .collect();
            if !names.is_empty() {
                let index = self.below(names.len());
                return names[index].clone();
            }
        }
        self.callback(levels)
    }

    fn callback(&mut self, levels: usize) -> String {
        let name = self.fresh("p");
        let weight = self.weight;
        let outer = std::mem::take(&mut self.loops);
        self.weight = (self.weight * 8).min(MOST_WORK);
        let count = self.variables.len();
        self.declare(&name, Kind::Int, true);
        let text = match self.below(5) {
            0..=1 => {
                let body = self.expression(Kind::Int, levels.clamp(1, 2));
                format!("({name} => ({body}))")
            }
            2 => {
                let body = self.expression(Kind::Int, 1);
                let target = self.variable(Kind::Int, true).unwrap_or_else(|| name.clone());
                let result = self.expression(Kind::Int, 1);
                format!("fn({name}) {{ {target} = {body}  return {result} }}")
            }
            3 => {
                let body = self.expression(Kind::Int, 1);
                let condition = self.expression(Kind::Bool, 1);
                format!("fn({name}) {{ if ({condition}) {{ throw \"cb\" + {name} }}  return {body} }}")
            }
            _ => {
                let target = self.variable(Kind::Int, true).unwrap_or_else(|| name.clone());
                format!("fn({name}) {{ {target} = ({target} + {name}) % 1000  return {target} }}")
            }
        };
        self.variables.truncate(count);
        self.loops = outer;
        self.weight = weight;
        text
    }

    /// A call of a function that is declared already, if there is one that may be called so often.
    fn call(&mut self, result: Option<Kind>, levels: usize) -> Option<String> {
        let room = MOST_WORK.saturating_sub(self.work) / self.weight;
        let fits: Vec<usize> = (0..self.callees.len())
            .filter(|&index| {
                let callee = &self.callees[index];
                callee.work * 8 < room && result.is_none_or(|kind| callee.result == kind)
            })
            .collect();
        if fits.is_empty() {
            return None;
        }
        let index = fits[self.below(fits.len())];
        let kinds = self.callees[index].parameters.clone();
        self.work += self.callees[index].work * self.weight;
        let required = self.callees[index].required;
        let given = if self.rarely(8) {
            required
        } else if self.rarely(40) {
            required.saturating_sub(1)
        } else {
            kinds.len()
        };
        let mut arguments: Vec<String> = kinds
            .iter()
            .take(given)
            .map(|&kind| self.expression(kind, levels.min(1)))
            .collect();
        if self.callees[index].has_rest && given == kinds.len() {
            for _ in 0..self.below(3) {
                arguments.push(self.short(Kind::Int));
            }
            if self.rarely(4) {
                let a = self.expression(Kind::Array, 0);
                arguments.push(format!("...{a}"));
            }
        } else if self.rarely(60) {
            arguments.push("1".to_owned());
        }
        Some(format!("{}({})", self.callees[index].name, arguments.join(", ")))
    }

    // Statements.

    /// Several statements.
    fn statements(&mut self, count: usize, levels: usize) {
        for _ in 0..count {
            self.statement(levels);
        }
    }

    fn some_statements(&mut self, levels: usize) {
        let count = self.random.usize(1..4);
        self.scoped(|this| this.statements(count, levels));
    }

    fn statement(&mut self, levels: usize) {
        if self.work > MOST_WORK {
            return;
        }
        let choice = self.below(if levels == 0 { 30 } else { 44 });
        match choice {
            0..=4 => self.declaration(),
            5..=13 => self.assignment(),
            14..=18 => self.store(),
            19..=20 => {
                if let Some(call) = self.call(None, 1) {
                    self.line(&call);
                }
            }
            21 => self.report(),
            22 => {
                let condition = self.value(Kind::Bool);
                self.jump(&condition);
            }
            23 => {
                if self.in_iterator {
                    let value = self.short(Kind::Int);
                    self.line(&format!("yield {value}"));
                } else {
                    self.assignment();
                }
            }
            24 => self.destructuring(),
            25..=26 => self.bounded_growth(),
            27 => {
                // A variable becomes something else.
                let names: Vec<String> = self
                    .variables
                    .iter()
                    .filter(|variable| variable.writable && variable.kind == Kind::Scalar)
                    .map(|variable| variable.name.clone())
                    .collect();
                if !names.is_empty() {
                    let index = self.below(names.len());
                    let name = names[index].clone();
                    let kind = self.pick(SCALARS);
                    let value = self.expression(kind, 1);
                    self.line(&format!("{name} = {value}"));
                }
            }
            28 => self.accumulate(),
            29 => self.idiom(),
            30..=33 => self.branch(levels - 1),
            34..=39 => self.repetition(levels - 1),
            40..=41 => self.handler(levels - 1),
            42 => self.choices(levels - 1),
            _ => {
                self.open("if (true) {");
                self.some_statements(levels - 1);
                self.close("}");
            }
        }
    }

    fn declaration(&mut self) {
        let kind = self.pick(KINDS);
        let value = self.value(kind);
        let name = self.fresh("v");
        let word = if self.rarely(8) { "const" } else { "let" };
        self.line(&format!("{word} {name} = {value}"));
        self.declare(&name, kind, word == "let");
    }

    fn destructuring(&mut self) {
        let (a, b) = (self.fresh("v"), self.fresh("v"));
        if self.random.bool() {
            let value = self.expression(Kind::Array, 1);
            self.line(&format!("let [{a}, {b} = 3, ...rest{a}] = {value}"));
            self.declare(&format!("rest{a}"), Kind::Array, true);
        } else {
            let value = self.expression(Kind::Record, 1);
            self.line(&format!("let {{a: {a}, n: {b} = 1}} = {value}"));
        }
        self.declare(&a, Kind::Int, true);
        self.declare(&b, Kind::Scalar, true);
    }

    fn assignment(&mut self) {
        let kind = self.pick(KINDS);
        let Some(name) = self.variable(kind, true) else {
            return;
        };
        if matches!(kind, Kind::Int | Kind::Float) && self.random.bool() {
            let operator = if kind == Kind::Int {
                self.pick(&[
                    "+=", "-=", "*=", "+=", "-=", "&=", "|=", "^=", "%=", "/=", ">>=", "<<=",
                ])
            } else {
                self.pick(&["+=", "-=", "*=", "/=", "%="])
            };
            let value = self.expression(kind, 1);
            self.line(&format!("{name} {operator} {value}"));
            return;
        }
        if self.rarely(60) {
            let other = self.pick(SCALARS);
            let value = self.expression(other, 0);
            self.line(&format!("{name} = {value}"));
            return;
        }
        let value = self.value(kind);
        self.line(&format!("{name} = {value}"));
    }

    fn accumulate(&mut self) {
        if let (Some(name), Some(other)) = (self.variable(Kind::Int, true), self.variable(Kind::Int, false)) {
            let line = match self.below(4) {
                0 => format!("{name} = ({name} * 31 + {other}) % 1000003"),
                1 => format!("{name} += {other} & 255"),
                2 => format!("{name} = ({name} ^ ({other} << 3)) & 65535"),
                _ => format!("{name} += 1"),
            };
            self.line(&line);
        }
    }

    /// Writes to an element, a field or an entry.
    fn store(&mut self) {
        let choice = self.below(9);
        let kind = match choice {
            0..=2 => Kind::Array,
            3 => Kind::Floats,
            4 => Kind::Nested,
            5 => Kind::Record,
            6 => Kind::Map,
            _ => Kind::Instance,
        };
        let Some(name) = self.variable(kind, false) else {
            return;
        };
        let index = self.index();
        let operator = self.pick(&["=", "=", "+=", "-="]);
        let line = match kind {
            Kind::Floats => {
                let value = self.strict(Kind::Float);
                format!("{name}[{index}] {operator} {value}")
            }
            Kind::Nested => {
                let (second, value) = (self.index(), self.strict(Kind::Int));
                format!("{name}[{index}][{second}] {operator} {value}")
            }
            Kind::Record => {
                let kind = self.pick(&[Kind::Int, Kind::Int, Kind::Float, Kind::Scalar]);
                let value = self.strict(kind);
                let key = self.pick(&[".a", ".a", ".b", ".n", "[\"a\"]", ".fresh"]);
                format!("{name}{key} = {value}")
            }
            Kind::Map => {
                let value = self.strict(Kind::Int);
                format!("{name}[{index}] {operator} {value}")
            }
            Kind::Instance => match self.below(6) {
                0 => {
                    let value = self.strict(Kind::Scalar);
                    format!("{name}.y = {value}")
                }
                1 => {
                    let value = self.strict(Kind::Int);
                    format!("{name}.extra = {value}")
                }
                2 => {
                    let value = self.short(Kind::Int);
                    format!("{name}.step({value})")
                }
                3 => {
                    let value = self.strict(Kind::Float);
                    format!("{name}.y = {value}")
                }
                _ => {
                    let value = self.strict(Kind::Int);
                    format!("{name}.x {operator} {value}")
                }
            },
            _ => {
                let value = self.strict(Kind::Int);
                format!("{name}[{index}] {operator} {value}")
            }
        };
        self.line(&line);
    }

    /// Grows or shrinks an array or a text.
    fn bounded_growth(&mut self) {
        if self.rarely(3) {
            if let Some(name) = self.variable(Kind::Text, true) {
                let kind = self.pick(SCALARS);
                let value = self.expression(kind, 1);
                self.line(&format!("{name} = short({name} + {value})"));
            }
            return;
        }
        let kind = self.pick(&[Kind::Array, Kind::Array, Kind::Floats]);
        let Some(name) = self.variable(kind, false) else {
            return;
        };
        let line = match self.below(6) {
            0..=2 => {
                let value = self.strict(if kind == Kind::Array {
                    Kind::Int
                } else {
                    Kind::Float
                });
                format!("if ({name}.length < 40) {{ {name}.push({value}) }}")
            }
            3 => format!("{name}.pop()"),
            4 => format!("{name}.reverse()"),
            _ => {
                self.work += self.weight * 30;
                match self.below(3) {
                    0 => format!("{name}.sort()"),
                    1 => format!("{name}.sort((p, q) => q - p)"),
                    _ => format!(
                        "{name}.sort(fn(p, q) {{ if (p < q) {{ return -1 }}  return p > q ? 1 : 0 }})"
                    ),
                }
            }
        };
        self.line(&line);
    }

    fn report(&mut self) {
        let kind = self.pick(&[
            Kind::Int,
            Kind::Float,
            Kind::Text,
            Kind::Array,
            Kind::Instance,
            Kind::Scalar,
        ]);
        let value = self.expression(kind, 1);
        let name = self.variable(Kind::Int, false).unwrap_or_else(|| "0".to_owned());
        if self.weight > 100 {
            self.line(&format!(
                "if ({name} % 61 == 7) {{ println(\"at\", {name}, {value}) }}"
            ));
        } else {
            self.line(&format!("println({value}, {name})"));
        }
    }

    /// A few lines as programs have them.
    fn idiom(&mut self) {
        if MOST_WORK.saturating_sub(self.work) / self.weight < 400 {
            return;
        }
        self.work += self.weight * 200;
        let (a, b, k) = (self.fresh("v"), self.fresh("v"), self.fresh("v"));
        let n = self.random.usize(3..20);
        let x = self.strict(Kind::Int);
        let f = self.strict(Kind::Float);
        let text = self.expression(Kind::Text, 0);
        let object = self.instance();
        let other = self.instance();
        let call = self.short(Kind::Int);
        match self.below(12) {
            0 => {
                let letter = self.pick(&["a", "b", "l", " ", "é"]);
                let operator = self.pick(&["==", "!="]);
                self.line(&format!(
                    "let {k} = 0  let {b} = 0  let {a} = {text}
  while ({k} < {a}.length) {{ if ({a}[{k}] {operator} \"{letter}\") {{ {b} += 1 }}  {k} += 1 }}"
                ));
            }
            1 => self.line(&format!(
                "let {a} = [[1, {x}, 3], [{f}, 5, 6], [7, 8, 9]]  let {b} = 0
  for i in range(3) {{ for j in range(3) {{ {a}[i][j] += {a}[j][i] * 2  {b} = {a}[i][j] }} }}"
            )),
            2 => self.line(&format!(
                "let {a} = [{object}, {other}, {object}]  let {b} = 0
  for i in range({n}) {{ {a}[i % 3].x += i  {a}[i % 3].y = {a}[(i + 1) % 3].x  {b} = {a}[i % 3].add(i) }}"
            )),
            3 => self.line(&format!(
                "let {a} = []  let {b} = 0
  for i in range({n}) {{ {a}.push(true) }}
  for i in range({n}) {{ if ({a}[i]) {{ {b} += 1  let j = i * 2  while (j < {n}) {{ {a}[j] = false  j += i + 1 }} }} }}"
            )),
            4 => self.line(&format!(
                "let {b} = {x}  let {a} = fn(d) {{ {b} += d  return {b} }}
  for i in range({n}) {{ {a}(i)  if (i == 7) {{ {b} = {f} }} }}"
            )),
            5 => self.line(&format!(
                "let {a} = null  let {b} = 0
  for i in range({n}) {{ {a} = {{\"v\": i, \"next\": {a}}} }}
  while ({a} != null) {{ {b} += {a}.v  {a} = {a}.next }}"
            )),
            6 => self.line(&format!(
                "let {a} = [5, 3, {x}, 1, 4]  let {b} = 0
  for i in range(5) {{ for j in range(4) {{ if ({a}[j] > {a}[j + 1]) {{ let t = {a}[j]  {a}[j] = {a}[j + 1]  {a}[j + 1] = t  {b} += 1 }} }} }}"
            )),
            7 => {
                let d = self.pick(&["7", "8", "-3", "10", "2.0", "3.0", "0.5", "1000003", "-1"]);
                self.line(&format!(
                    "let {a} = {x}  let {b} = {f}
  for i in range({n}) {{ {b} = {b} / {d} + sqrt(i)  {a} = ({a} / {d}) + i % {d}  {b} -= abs({b}) }}"
                ));
            }
            8 => self.line(&format!(
                "let {b} = 0
  for i in 9223372036854775800..=9223372036854775807 {{ {b} = i % 97 }}
  for i in range(-3, {n}) {{ {b} += i * {call} }}"
            )),
            9 => self.line(&format!(
                "let {a} = {object}  {a}.inner = {other}  let {b} = 0
  for i in range({n}) {{ {a}.inner.x += 1  {a}.inner.y = i  {b} += {a}.inner.x  if (i == 5) {{ {a}.inner = {{\"x\": 2.5, \"y\": 1}} }} }}
  {a}.inner = null"
            )),
            10 => self.line(&format!(
                "let {b} = 0  let {a} = [v => v + 1, v => v * 2, fn(v) {{ {b} -= v  return {b} }}, abs]
  for i in range({n}) {{ let g = {a}[i % {a}.length]  {b} += g(i) }}"
            )),
            _ => self.line(&format!(
                "let {a} = {{}}  let {b} = 0
  for c in {text} {{ {a}[c] = ({a}?.[c] ?? 0) + 1 }}
  for key, count in {a} {{ if (key < \"m\") {{ {b} += count }} else {{ {b} -= count }} }}"
            )),
        }
        self.declare(&b, Kind::Int, true);
    }

    /// Leaves a turn, a loop or the function under a condition.
    fn jump(&mut self, condition: &str) {
        let choice = self.below(5);
        let labels: Vec<String> = self.loops.iter().flatten().cloned().collect();
        let label = if labels.is_empty() || self.random.bool() {
            String::new()
        } else {
            let index = self.below(labels.len());
            format!(" {}", labels[index])
        };
        let line = match choice {
            0 if !self.loops.is_empty() => format!("if ({condition}) {{ continue{label} }}"),
            1 if !self.loops.is_empty() => {
                let Some(name) = self.variable(Kind::Int, false) else {
                    return;
                };
                format!("if ({condition} && {name} % 17 == 3) {{ break{label} }}")
            }
            2 if self.in_function && !self.in_iterator => {
                let result = self.expression(self.result, 1);
                let name = self.variable(Kind::Int, false).unwrap_or_else(|| "1".to_owned());
                format!("if ({condition} && {name} % 13 == 5) {{ return {result} }}")
            }
            3 => {
                let name = self.variable(Kind::Int, false).unwrap_or_else(|| "1".to_owned());
                let kind = self.pick(SCALARS);
                let value = self.expression(kind, 0);
                format!("if ({condition} && {name} % 11 == 4) {{ throw {value} }}")
            }
            _ => return,
        };
        self.line(&line);
    }

    fn branch(&mut self, levels: usize) {
        let kind = self.pick(&[Kind::Bool, Kind::Bool, Kind::Bool, Kind::Scalar, Kind::Int]);
        let condition = self.expression(kind, 2);
        self.open(&format!("if ({condition}) {{"));
        self.some_statements(levels);
        match self.below(3) {
            0 => {}
            1 => {
                let condition = self.expression(Kind::Bool, 1);
                self.close(&format!("}} else if ({condition}) {{"));
                self.indent += 1;
                self.some_statements(levels);
            }
            _ => {
                self.close("} else {");
                self.indent += 1;
                self.some_statements(levels);
            }
        }
        self.close("}");
    }

    /// Turns that a loop may have here.
    fn room(&mut self) -> u64 {
        let most = (MOST_WORK.saturating_sub(self.work) / self.weight / 12).max(1);
        let wanted = match self.below(4) {
            0 => self.random.u64(1..8),
            1..=2 => self.random.u64(8..80),
            _ => self.random.u64(80..1500),
        };
        wanted.min(most)
    }

    fn repetition(&mut self, levels: usize) {
        let turns = self.room();
        let item = self.fresh("i");
        let label = if self.rarely(4) {
            Some(self.fresh("outer"))
        } else {
            None
        };
        let prefix = label
            .as_ref()
            .map_or_else(String::new, |label| format!("{label}: "));
        let body = |this: &mut Self| {
            let count = this.random.usize(1..5);
            this.statements(count, levels);
        };
        match self.below(13) {
            0..=2 => {
                self.open(&format!("{prefix}for {item} in range({turns}) {{"));
                self.turns(turns, label, |this| {
                    this.declare(&item, Kind::Int, true);
                    body(this);
                });
            }
            3..=4 => {
                let from = self.random.i64(-3..5);
                let range = match self.below(4) {
                    0 => format!("(0..{}).step({})", turns * 3, 3),
                    1 => format!("({}..0).step(-2)", turns * 2),
                    2 => format!("{from}..={}", from + turns.cast_signed() - 1),
                    _ => format!("{from}..{}", from + turns.cast_signed()),
                };
                self.open(&format!("{prefix}for {item} in {range} {{"));
                self.turns(turns, label, |this| {
                    this.declare(&item, Kind::Int, true);
                    body(this);
                });
            }
            5..=6 => {
                let kind = self.pick(&[Kind::Array, Kind::Array, Kind::Floats]);
                let array = self.expression(kind, 1);
                let item_kind = if kind == Kind::Array {
                    Kind::Int
                } else {
                    Kind::Float
                };
                self.open(&format!("{prefix}for {item} in {array} {{"));
                self.turns(12, label, |this| {
                    this.declare(&item, item_kind, true);
                    body(this);
                });
            }
            7 => {
                let array = self.expression(Kind::Nested, 1);
                self.open(&format!("{prefix}for {item} in {array} {{"));
                self.turns(4, label, |this| {
                    this.declare(&item, Kind::Array, true);
                    body(this);
                });
            }
            8 => {
                let (kind, value) = self.pick(&[(Kind::Map, Kind::Int), (Kind::Record, Kind::Scalar)]);
                let dict = self.expression(kind, 1);
                let key_kind = if kind == Kind::Map { Kind::Int } else { Kind::Text };
                if self.random.bool() {
                    self.open(&format!("{prefix}for {item}, w{item} in {dict} {{"));
                } else {
                    self.open(&format!("{prefix}for {item} in {dict} {{"));
                    let name = format!("w{item}");
                    self.line(&format!("let {name} = {item}"));
                }
                self.turns(5, label, |this| {
                    this.declare(&item, key_kind, true);
                    this.declare(&format!("w{item}"), value, true);
                    body(this);
                });
            }
            9 => {
                let text = self.expression(Kind::Text, 1);
                self.open(&format!("{prefix}for {item} in {text} {{"));
                self.turns(12, label, |this| {
                    this.declare(&item, Kind::Text, true);
                    body(this);
                });
            }
            10 => {
                let source = self.pick(&["numbers", "numbers", "Countdown"]);
                let turns = turns.min(30);
                let source = if source == "numbers" {
                    format!("numbers({turns})")
                } else {
                    format!("countdown({turns})")
                };
                self.open(&format!("{prefix}for {item} in {source} {{"));
                self.turns(turns * 3, label, |this| {
                    this.declare(&item, Kind::Int, true);
                    body(this);
                });
            }
            _ => {
                // The counter is counted before anything can go on to the next turn.
                self.line(&format!("let {item} = 0"));
                let condition = match self.below(3) {
                    0 => format!("{item} < {turns}"),
                    1 => format!("{item} != {turns}"),
                    _ => format!("{turns} > {item}"),
                };
                self.open(&format!("{prefix}while ({condition}) {{"));
                self.turns(turns, label, |this| {
                    this.line(&format!("{item} += 1"));
                    this.declare(&item, Kind::Int, false);
                    body(this);
                });
            }
        }
        self.close("}");
    }

    fn handler(&mut self, levels: usize) {
        self.open("try {");
        self.some_statements(levels);
        let choice = self.below(4);
        if choice > 0 {
            let error = self.fresh("e");
            self.close(&format!("}} catch ({error}) {{"));
            self.indent += 1;
            let name = self.variable(Kind::Int, false).unwrap_or_else(|| "0".to_owned());
            let details = self.pick(&["kind", "message", "line", "stack_trace", "value"]);
            if self.weight > 100 {
                self.line(&format!(
                    "if (seen()) {{ println(\"caught\", {name}, {error}, {error}.{details}) }}"
                ));
            } else {
                self.line(&format!("println(\"caught\", {error}, {error}.{details})"));
            }
            self.some_statements(0);
            if self.rarely(12) {
                self.line(&format!("throw {error}"));
            }
        }
        if choice <= 1 {
            self.close("} finally {");
            self.indent += 1;
            let loops = std::mem::take(&mut self.loops);
            let in_function = std::mem::replace(&mut self.in_function, false);
            self.some_statements(0);
            self.loops = loops;
            self.in_function = in_function;
        }
        self.close("}");
    }

    fn choices(&mut self, levels: usize) {
        let kind = self.pick(&[Kind::Int, Kind::Scalar, Kind::Array, Kind::Text, Kind::Instance]);
        let subject = self.expression(kind, 1);
        self.open(&format!("match {} {{", wrapped(&subject)));
        let patterns: &[&str] = match kind {
            Kind::Int => &["0", "1 | 2", "-3", "4..=9", "q if q % 2 == 0"],
            Kind::Array => &["[]", "[1, ...q]", "[q, 2]", "[0, q, ...r]"],
            Kind::Text => &["\"\"", "\"a\" | \"b\"", "\"abc\""],
            Kind::Instance => &["S0 { x: 1 }", "S0 { x, y: q }", "S1 { y }"],
            _ => &["null", "true", "0", "2.5", "\"a\"", "q if type(q) == \"int\""],
        };
        for _ in 0..self.random.usize(1..4) {
            let pattern = self.pick(patterns);
            self.open(&format!("{pattern} => {{"));
            self.some_statements(levels.min(1));
            self.close("}");
        }
        self.open("_ => {");
        self.some_statements(levels.min(1));
        self.close("}");
        self.close("}");
    }

    // Declarations.

    fn function_declaration(&mut self, most_work: u64) {
        let name = self.fresh("f");
        let count = self.random.usize(1..5);
        let kinds: Vec<Kind> = (0..count).map(|_| self.pick(KINDS)).collect();
        let kinds = if self.rarely(3) { vec![Kind::Int] } else { kinds };
        let names: Vec<String> = kinds.iter().map(|_| self.fresh("a")).collect();
        let result = self.pick(KINDS);
        let mut required = kinds.len();
        let mut parameters = names.clone();
        if self.rarely(5) {
            required -= 1;
            let default = self.strict(kinds[required]);
            parameters[required] = format!("{} = {default}", names[required]);
        } else if self.rarely(8) && kinds[0] == Kind::Int {
            parameters[0] = format!("{}: {}", names[0], self.pick(&["int", "number", "float", "int?"]));
        }
        let has_rest = self.rarely(8);
        let rest = self.fresh("a");
        if has_rest {
            parameters.push(format!("...{rest}"));
        }
        // The declarations around are seen later on, but a function's work counts for itself.
        let outer = (self.work, self.weight, self.result, self.in_function);
        self.work = MOST_WORK.saturating_sub(most_work);
        let start = self.work;
        self.weight = 1;
        self.result = result;
        self.in_function = true;
        let is_recursive = self.rarely(6) && kinds[0] == Kind::Int;
        self.open(&format!("fn {name}({}) {{", parameters.join(", ")));
        self.scoped(|this| {
            for (name, &kind) in names.iter().zip(&kinds) {
                this.declare(name, kind, true);
            }
            if has_rest {
                this.declare(&rest, Kind::Array, true);
            }
            if this.rarely(9) {
                let value = this.expression(Kind::Int, 0);
                this.line(&format!("defer note({value})"));
            }
            if is_recursive {
                let stop = this.expression(result, 1);
                let first = &names[0];
                this.line(&format!("if (!({first} > 0)) {{ return {stop} }}"));
                let mut arguments = vec![format!("min({first}, 9) - 1")];
                arguments.extend(names.iter().take(required).skip(1).cloned());
                let inner = this.fresh("v");
                this.line(&format!("let {inner} = {name}({})", arguments.join(", ")));
                this.declare(&inner, result, true);
            }
            let count = this.random.usize(1..4);
            this.statements(count, 2);
            if this.below(3) > 0 {
                this.repetition(1);
            }
            let value = this.value(result);
            this.line(&format!("return {value}"));
        });
        self.close("}");
        let mut work = self.work - start;
        if is_recursive {
            work *= 10;
        }
        (self.work, self.weight, self.result, self.in_function) = outer;
        self.callees.push(Callee {
            name,
            parameters: kinds,
            required,
            has_rest,
            result,
            work,
        });
    }

    fn struct_declaration(&mut self) {
        let number = self.structs;
        let fields = self.pick(&["x, y", "y, x", "x, y, z", "w, x, y"]);
        self.open(&format!("struct S{number} {{"));
        self.line(fields);
        let sum = self.pick(&[
            "self.x + n",
            "self.x * 2 - n",
            "(self.x ^ n) & 1023",
            "(n + 1) % 50 + self.x % 50",
        ]);
        self.line(&format!("fn add(self, n) {{ return {sum} }}"));
        let step = self.pick(&[
            "self.x += n",
            "self.x = (self.x + n) % 1000",
            "self.y = n  self.x = n + 1",
            "if (n % 5 == 0) { throw \"five\" }  self.x = n",
        ]);
        self.line(&format!("fn step(self, n) {{ {step} }}"));
        let get = self.pick(&[
            "self.x",
            "self.add(3)",
            "self.y ?? 8",
            "self.x > 5 ? self.x : self.add(1)",
        ]);
        self.line(&format!("fn get(self) {{ return {get} }}"));
        self.close("}");
        self.structs += 1;
    }

    /// What every program has.
    fn prelude(&mut self) {
        self.text.push_str(
            "import heap
let NAN = float(\"nan\")
let INF = float(\"inf\")
let errors = 0
fn seen() { errors += 1  return errors < 40 || errors % 50 == 0 }
fn note(v) { notes = (notes * 7 + (type(v) == \"int\" ? v & 255 : 3)) % 99991 }
let notes = 0
fn scalar(v) {
  let t = type(v)
  if (t == \"int\" || t == \"float\" || t == \"bool\" || t == \"null\") { return v }
  if (t == \"string\") { return v.length < 60 ? v : v[:50] }
  throw \"no scalar: \" + t
}
fn short(s) { return s.length < 50 ? s : s[s.length - 20:] }
fn flat(a) {
  if (a.length > 60) { return a[:40] }
  for x in a { if (type(x) in [\"array\", \"dict\"]) { throw \"not flat\" } }
  return a
}
fn cut(a) { return a.length > 30 ? a[:20] : a }
fn numbers(n) { let k = 0  while (k < n) { yield k * 3 % 11  k += 1 } }
struct Countdown { n  fn has_next(self) { return self.n > 0 }  fn next(self) { self.n -= 1  return self.n } }
fn countdown(n) { return Countdown { n: n } }
",
        );
    }

    fn program(&mut self, seed: u64) {
        writeln!(self.text, "// seed {seed}").unwrap_or(());
        self.prelude();
        for _ in 0..self.random.usize(2..4) {
            self.struct_declaration();
        }
        // What fails leaves the program something to work on.
        for (kind, otherwise) in [
            (Kind::Int, "3"),
            (Kind::Int, "-7"),
            (Kind::Float, "2.5"),
            (Kind::Text, "\"text\""),
            (Kind::Array, "[4, 5, 6]"),
            (Kind::Instance, "S0 { x: 1, y: 2 }"),
            (Kind::Record, "{\"a\": 1, \"b\": 2, \"n\": 3}"),
            (Kind::Scalar, "null"),
        ] {
            let name = self.fresh("g");
            let value = self.strict(kind);
            self.line(&format!("let {name} = {otherwise}"));
            self.line(&format!(
                "try {{ {name} = {value} }} catch (e) {{ println(\"{name}\", e.kind) }}"
            ));
            self.declare(&name, kind, true);
        }
        let count = self.random.usize(2..6);
        for index in 0..count {
            let most = if index < count / 2 { 60 } else { 3000 };
            self.function_declaration(most);
        }
        if self.rarely(2) {
            self.generator_declaration();
        }
        self.work = 0;
        for _ in 0..self.random.usize(1..4) {
            self.driver();
        }
        for index in 0..self.variables.len() {
            let name = self.variables[index].name.clone();
            self.line(&format!("println(\"{name}\", {name})"));
        }
        self.line("heap.collect()");
        self.line("println(errors, notes, heap.live_objects(), heap.live_bytes())");
        if self.rarely(4) {
            // An error that nobody catches.
            if let Some(call) = self.call(None, 1) {
                self.line(&call);
            }
            self.statements(3, 2);
        }
    }

    fn generator_declaration(&mut self) {
        self.in_iterator = true;
        self.open("fn items(n) {");
        self.scoped(|this| {
            this.declare("n", Kind::Int, true);
            this.line("let last = 0");
            this.declare("last", Kind::Int, true);
            this.open("for k in range(min(n, 40)) {");
            this.turns(40, None, |this| {
                this.declare("k", Kind::Int, true);
                this.statements(3, 1);
                this.line("yield k + last");
            });
            this.close("}");
        });
        self.close("}");
        self.in_iterator = false;
        self.open("try {");
        self.line("let sum = 0");
        self.line("for v in items(30) { sum += v }");
        self.line("println(\"items\", sum)");
        self.close("} catch (e) { println(\"items\", e, e.line, e.stack_trace) }");
    }

    /// A hot loop that calls functions, with the changes in the middle that a program may make.
    fn driver(&mut self) {
        let is_inner = self.rarely(2);
        let name = self.fresh("drive");
        if is_inner {
            self.open(&format!("fn {name}() {{"));
        } else {
            self.open("try {");
        }
        let outer = self.variables.len();
        for _ in 0..self.random.usize(2..6) {
            let kind = self.pick(KINDS);
            let value = self.expression(kind, 0);
            let name = self.fresh("v");
            self.line(&format!("let {name} = {value}"));
            self.declare(&name, kind, true);
        }
        if self.rarely(4) && self.structs > 0 {
            self.line("let held = S0 { x: 1, y: null }");
            self.line("finalizer(held, () => println(\"held is gone\"))");
        }
        let turns = self.random.u64(50..600);
        let item = self.fresh("t");
        let change = self.random.u64(0..turns);
        self.open(&format!("for {item} in range({turns}) {{"));
        self.turns(turns, None, |this| {
            this.declare(&item, Kind::Int, false);
            this.sudden_change(&item, change);
            this.open("try {");
            this.scoped(|this| {
                for _ in 0..this.random.usize(1..4) {
                    if let Some(call) = this.call(None, 1) {
                        let value = this.fresh("v");
                        this.line(&format!("let {value} = {call}"));
                        this.line(&format!("if ({item} % 37 == 2) {{ println({item}, {value}) }}"));
                    }
                    this.statement(2);
                }
            });
            let details = this.pick(&["kind", "line", "stack_trace", "stack_trace"]);
            this.close(&format!(
                "}} catch (e) {{ if (seen()) {{ println({item}, e, e.{details}) }} }}"
            ));
            if this.rarely(4) {
                this.some_statements(0);
            }
        });
        self.close("}");
        if is_inner {
            let kinds: Vec<String> = self.variables[outer..].iter().map(|v| v.name.clone()).collect();
            self.line(&format!("return [{}]", kinds.join(", ")));
            self.close("}");
            self.open("try {");
            self.line(&format!("println({name}())"));
            self.close("} catch (e) { println(\"out\", e, e.stack_trace) }");
        } else {
            let names: Vec<String> = self.variables[outer..].iter().map(|v| v.name.clone()).collect();
            self.line(&format!("println({})", names.join(", ")));
            self.close("} catch (e) { println(\"out\", e, e.line) }");
        }
        self.variables.truncate(outer);
        if self.rarely(3) {
            self.line("event_loop()");
        }
    }

    /// Something global becomes something else in one turn.
    fn sudden_change(&mut self, item: &str, change: u64) {
        if self.rarely(3) {
            return;
        }
        let globals: Vec<String> = self
            .variables
            .iter()
            .filter(|variable| variable.name.starts_with('g'))
            .map(|variable| variable.name.clone())
            .collect();
        let index = self.below(globals.len());
        let global = &globals[index];
        let line = match self.below(7) {
            0 if !self.callees.is_empty() => {
                let index = self.below(self.callees.len());
                let callee = &self.callees[index];
                let name = callee.name.clone();
                let count = callee.parameters.len();
                let parameters: Vec<String> = (0..count).map(|number| format!("b{number}")).collect();
                format!("{name} = fn({}) {{ return b0 }}", parameters.join(", "))
            }
            1 => {
                let function = self.pick(&["len", "abs", "min", "range", "str", "type", "int"]);
                format!(
                    "{function} = fn(...v) {{ return {} }}",
                    if function == "range" { "[1, 2]" } else { "7" }
                )
            }
            2 => format!("{global} = null"),
            3 => format!("{global} = 2.5"),
            4 => format!("{global} = \"text\""),
            5 => {
                let value = self.pick(INTS);
                format!("{global} = {value}")
            }
            _ => "scalar = v => v".to_owned(),
        };
        self.line(&format!("if ({item} == {change}) {{ {line} }}"));
    }
}

/// What the functions of a table do with their arguments; `K` is a constant.
const FORMS: &[&str] = &[
    "return a OP b",
    "return a OP K",
    "return K OP a",
    "let r = a  r OP= b  return r",
    "let r = a  r OP= K  return r",
    "box.v = a  box.v OP= b  return box.v",
    "cells[1] = a  cells[1] OP= b  return cells[1]",
    "rows[1][2] = a  rows[1][2] OP= b  return rows[1][2]",
    "held = a  held OP= b  return held",
    "let c = a  let add = () => { c OP= b  return c }  add()  return c",
    "let r = 0  for x in [a, b, a] { r = x OP b }  return r",
    "return (a OP b) OP a",
    "return -(a OP b)",
    "let r = a  let n = 0  while (n < 3) { r = r OP b  n += 1 }  return r",
];

const COMPARING: &[&str] = &[
    "return a OP b",
    "return a OP K",
    "return K OP a",
    "if (a OP b) { return 1 }  return 2",
    "if (!(a OP b)) { return 1 }  return 2",
    "if (a OP K) { return 1 }  return 2",
    "if (!(a OP K)) { return 1 } else { return 2 }",
    "let n = 0  let r = a  while (r OP b && n < 4) { n += 1 }  return n",
    "let n = 0  while (n < 4) { n += 1  if (a OP n) { continue }  return n }  return 9",
    "return a OP b ? a : b",
    "let t = a OP b  return t && !t || t",
];

const OTHERS: &[&str] = &[
    "return -a",
    "return ~a",
    "return !a",
    "return a[b]",
    "return a[1]",
    "return a.x",
    "return a.length",
    "return len(a)",
    "return a[0][b]",
    "return rows[a][b]",
    "return cells[a]",
    "cells[a] = b  return cells[a]",
    "rows[a][b] = K  return rows[a][b]",
    "cells[0] = a  return cells[0]",
    "box.v = b  box.w = a  return box.v",
    "return box.id(a)",
    "return box.pair(a, b)",
    "return box.pair(b, K)",
    "a.x = b  return a.x",
    "a[b] = 3  return a[b]",
    "if (a) { return 1 }  return b ? 2 : 3",
    "while (a) { return 4 }  return 5",
    "return a ?? b",
    "return a?.x",
    "return a?.[b]",
    "return a && b",
    "return a || b",
    "let n = 0  for x in a { n += 1  if (n > 8) { break } }  return n",
    "let n = 0  for x in range(a & 7) { n += x }  return n",
    "let n = 0  for x in range(b & 7, 12) { n += x }  return n",
    "let n = 0  for x in a { if (x == b) { n += 1 } }  return n",
    "return a[b:]",
    "return a[:b]",
    "return a[b] == \"b\"",
    "if (a[b] == \"b\") { return 1 }  return 2",
    "if (a[b] != \"h\") { return 1 }  return 2",
    "return a in [1, b]",
    "return sqrt(a)",
    "return abs(a)",
    "return abs(a) + sqrt(b)",
    "return floor(a)",
    "return min(a, b)",
    "return max(a, K)",
    "return int(a)",
    "return float(a)",
    "return str(a)",
    "return \"${a}-${b}\"",
    "return type(a)",
    "let f = a  return f(b)",
    "return [a, b, [a]]",
    "return { \"x\": a, \"y\": b }",
    "return Box { v: a, w: b }",
    "cells.push(a)  let r = cells.pop()  return r",
    "return own(a, 3)",
    "if (flags[b]) { return a }  return b",
    "flags[1] = a  if (flags[1]) { return 1 }  return 2",
    "match a { 0 => { return 1 } \"b\" => { return 2 } [x, y] => { return x } _ => { return b } }",
    "try { return a + b } catch (e) { return e.message }",
    "try { return a[b] } catch { return a } finally { held = b }",
];

const OPERANDS: &[&str] = &[
    "0",
    "1",
    "-2",
    "5",
    "-1",
    "64",
    "9223372036854775807",
    "-9223372036854775807 - 1",
    "4294967296",
    "-0.0",
    "0.0",
    "2.5",
    "-3.0",
    "1e300",
    "9223372036854775808.0",
    "float(\"nan\")",
    "float(\"-inf\")",
    "\"b\"",
    "\"abc\"",
    "\"héllo\"",
    "null",
    "true",
    "false",
    "[4, 2.5, \"b\", [1, 2]]",
    "[[1, 2], [3, 4], true]",
    "[]",
    "{ \"x\": 1, 1: \"b\" }",
    "Point { x: 3, y: [5, 6] }",
    "Box { x: 2.5, v: 1 }",
    "set([1, 2])",
    "(v => v)",
];

impl Generator {
    /// Functions of one operation each, called with operands of one kind until there is code for them, and with all
    /// others then.
    fn table(&mut self, seed: u64) {
        writeln!(self.text, "// seed {seed}").unwrap_or(());
        self.text.push_str(
            "struct Point { x, y }
struct Box { v, w  fn id(self, n) { return n }  fn pair(self, n, m) { return [n, m] } }
let box = Box { v: 0, w: 0 }
let cells = [1, 2, 3]
let rows = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
let flags = [true, false, true]
let held = 0
fn own(v, n) { if (n == 0) { return v }  return own(v, n - 1) }
",
        );
        let count = self.random.usize(1..4);
        for number in 0..count {
            let body = match self.below(5) {
                0..=1 => {
                    let operator = self.pick(&["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "**"]);
                    self.pick(FORMS).replace("OP", operator)
                }
                2 => {
                    let operator = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
                    self.pick(COMPARING).replace("OP", operator)
                }
                _ => self.pick(OTHERS).to_owned(),
            };
            let constant = self.pick(&[
                "0",
                "1",
                "-1",
                "2",
                "3",
                "7",
                "8",
                "10",
                "1000",
                "-8",
                "63",
                "4294967296",
                "0.5",
                "2.0",
                "3.0",
                "-0.0",
                "0.1",
                "1e300",
                "\"b\"",
                "null",
                "true",
                "9223372036854775807",
            ]);
            let body = body.replace('K', constant);
            self.line(&format!("fn op{number}(a, b) {{ {body} }}"));
        }
        let makers: Vec<String> = OPERANDS
            .iter()
            .map(|operand| format!("() => ({operand})"))
            .collect();
        self.line(&format!("let makers = [{}]", makers.join(",\n  ")));
        self.line("let count = 0");
        for _ in 0..self.random.usize(1..4) {
            // A few pairs make the profile; then come all others, some often enough for code to be made again.
            let mut warm = String::new();
            for _ in 0..self.random.usize(1..4) {
                let (i, j) = (self.below(OPERANDS.len()), self.below(OPERANDS.len()));
                let j = if self.random.bool() { i } else { j };
                let _ = write!(warm, "[{i}, {j}], ");
            }
            let turns = self.pick(&[30, 200, 1500]);
            let number = self.below(count);
            let (from, step) = (self.below(5), self.random.usize(1..7));
            let _ = write!(
                self.text,
                "fn hot{turns}(i, j, n) {{
  let a = makers[i]()
  let b = makers[j]()
  let last = null
  for t in range(n) {{
    try {{
      last = op{number}(a, b)
      if (t % 13 == 0) {{ let other = op{number}(b, a)  count += 1 }}
    }} catch (e) {{ last = e.message + e.kind + e.line }}
  }}
  if (type(last) == \"dict\" && last.length > 5) {{ last = last.length }}
  println(i, j, last, a, b)
}}
for pair in [{warm}] {{ hot{turns}(pair[0], pair[1], {turns}) }}
let k = {from}
while (k < {total}) {{
  hot{turns}(k / {side}, k % {side}, k % 40 == 7 ? 100 : 2)
  k += {step}
}}
println(count, held, box, cells, rows, flags)
",
                side = OPERANDS.len(),
                total = OPERANDS.len() * OPERANDS.len(),
            );
        }
    }
}

/// An expression that may stand before `.`, `[` and `(`.
fn wrapped(text: &str) -> String {
    let is_simple = text
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_')
        && !text.starts_with(|first: char| first.is_ascii_digit());
    if is_simple {
        text.to_owned()
    } else {
        format!("({text})")
    }
}
