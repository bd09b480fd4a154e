//! Built-in functions and methods: how they are described, found and run.
//!
//! A built-in is a static [`BuiltinDef`]. Most are *simple*: a Rust function from arguments to a value. One that
//! calls back into the script, or waits, is a *frame*: a resumable function whose state is a window of registers
//! on the script's own stack. It answers each event with a [`Step`] and never calls the machine, so callbacks nest
//! as deep as calls may, and `await` parks through them.
//!
//! Invariants
//! - Arguments have been counted before a built-in runs. A library built-in always gets as many as it declares,
//!   missing ones null.
//! - A built-in changes none of its arguments unless it succeeds, and charges memory before it takes it.
//! - Nothing recurses over the script's data.
#![expect(clippy::unnecessary_wraps, reason = "every built-in has the same signature")]

use aether_value::{Builtin, BuiltinInfo, BuiltinKind, Coroutine, Raise, Rc, Value, tag};
use ahash::AHashMap;
use std::sync::LazyLock;

use crate::context::Ctx;
use crate::host::Permission;
pub use crate::vm::Returned;

mod channel;
mod collections;
mod console;
mod conversion;
mod exit;
mod format;
mod frames;
mod heap;
mod inspection;
mod io;
mod lock;
pub(crate) mod log;
mod math;
mod membership;
mod methods;
mod operators;
mod promise;
mod promise_methods;
mod random;
mod range;
mod sort;
mod sorting;
mod spread;
mod strings;
pub(crate) mod support;
mod task_group;
mod testing;
mod text;
mod time;
mod timer;

pub(crate) use console::output_error;
pub(crate) use exit::RUN_EXIT_HANDLERS;
pub use exit::exit;
pub(crate) use format::FORMAT_VALUE;
pub(crate) use frames::{COLLECT, DRAIN, FILL_DEFAULTS, collect_iterable};
pub(crate) use heap::RUN_FINALIZERS;
pub(crate) use membership::{MEMBERSHIP, OPTIONAL_INDEX, PAIRS};
pub(crate) use methods::EITHER_ITERATOR;
pub(crate) use operators::{binary_operator, unary_operator};
pub(crate) use promise::{DRAIN_QUEUE, SERVE_READY};
pub(crate) use promise_methods::begin_timeout;
pub(crate) use range::{INCLUSIVE_RANGE, RANGE, Range};
pub(crate) use sort::sort_numbers;
pub(crate) use spread::{KEYWORD_CALL, KEYWORD_METHOD_CALL, OMITTED, SPREAD_CALL, SPREAD_METHOD_CALL};
pub(crate) use task_group::as_group;
pub(crate) use timer::FIRE as FIRE_TIMER;

/// A built-in that computes its result at once.
pub type Simple = fn(&mut Ctx<'_>, &[Value]) -> Result<Value, Raise>;

/// A built-in that is resumed. Its slots are its arguments (missing ones null) and then as many of its own, null
/// at first, as its description says.
pub type Resume = fn(&mut Ctx<'_>, &mut [Value], Event) -> Result<Step, Raise>;

/// The quick way through a callback's result, for frames whose slot 0 holds a snapshot of items and slot 1 a
/// function of one parameter that is called with each.
#[derive(Clone, Copy)]
pub struct Each {
    /// Takes the result of one call.
    pub take: fn(&mut Ctx<'_>, &mut [Value], Returned) -> Result<(), Raise>,
    /// The next step, for what the machine cannot do by itself: the end, and calls that are not plain.
    pub next: fn(&mut Ctx<'_>, &mut [Value]) -> Result<Step, Raise>,
    /// The slot of the next item's index, which the machine counts.
    pub index: u8,
}

/// The quick way through a comparison's result, for frames whose slot 1 holds a function of two parameters that is
/// called with one pair after the other.
#[derive(Clone, Copy)]
pub struct Pairs {
    /// Takes the result of one call and gives the next pair, if there is one.
    #[expect(clippy::type_complexity, reason = "named by the field")]
    pub next: fn(&mut Ctx<'_>, &mut [Value], Returned) -> Result<Option<(Value, Value)>, Raise>,
    /// The step at the end.
    pub done: fn(&mut Ctx<'_>, &mut [Value]) -> Result<Step, Raise>,
}

/// Why a frame is resumed.
#[derive(Debug)]
pub enum Event {
    /// It has just been called.
    Start,
    /// What it called, or awaited, gave this value.
    Returned(Value),
    /// What it called, or awaited, raised. Only frames that [catch](BuiltinDef::catches) see this.
    Failed(Raise),
}

/// What a frame wants next.
#[derive(Debug)]
pub enum Step {
    /// It is done; this is its result.
    Done(Value),
    /// Call a function and resume with its result.
    Call {
        /// What to call; anything not callable fails with `Value of type … is not callable`.
        function: Value,
        /// The arguments.
        args: Args,
        /// Whether surplus arguments are left out (callbacks that the runtime invokes).
        lenient: bool,
    },
    /// Resume a generator, which one of the slots holds, and then this with what it yields or returns.
    Resume(Rc<Coroutine>),
    /// Resume a generator, which one of the slots holds, with an error that only its `finally` blocks see.
    Close(Rc<Coroutine>),
    /// Wait for a value: a promise's result, any other value at once.
    Await(Value),
    /// Let what was begun last run first: go on when it waits or ends.
    Switch,
    /// Wait for the pending promises of an array. Bodies that have not begun begin, in order.
    AwaitMany {
        /// The array.
        promises: Value,
        /// How long.
        until: Until,
    },
}

/// How long a frame waits for several promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until one settles; resumes with its outcome.
    First,
    /// Until all have settled; resumes with null.
    All,
    /// Until all have settled or one has failed; resumes with null.
    AllOrFailure,
    /// Until one has succeeded or all have failed; resumes with the outcome of the last.
    Success,
}

/// Arguments of a callback.
#[derive(Debug)]
pub enum Args {
    /// None.
    None,
    /// One.
    One(Value),
    /// Two.
    Two(Value, Value),
    /// Any number.
    Many(Vec<Value>),
    /// The receiver of a built-in method, which is the function, and its arguments.
    Method(Vec<Value>),
}

impl Step {
    /// Calls `function` with one argument.
    #[inline]
    pub fn call1(function: &Value, argument: Value) -> Self {
        Self::Call {
            function: function.clone(),
            args: Args::One(argument),
            lenient: false,
        }
    }

    /// Calls `function` with two arguments.
    #[inline]
    pub fn call2(function: &Value, first: Value, second: Value) -> Self {
        Self::Call {
            function: function.clone(),
            args: Args::Two(first, second),
            lenient: false,
        }
    }
}

/// How a built-in runs.
#[derive(Clone, Copy)]
pub enum Run {
    /// At once.
    Simple(Simple),
    /// As a frame with this many slots, arguments included.
    Frame {
        /// Slots, arguments included.
        slots: u8,
        /// The function.
        resume: Resume,
    },
}

/// The description of a built-in.
#[repr(C)]
pub struct BuiltinDef {
    /// What scripts can see of it. First, so that a value that points here is a pointer to the whole.
    pub info: BuiltinInfo,
    /// How it runs.
    pub run: Run,
    /// The least and the largest number of arguments for which it may be run with nothing checked, padded or converted
    /// first; none if the least is larger. Not for methods.
    plain: (u8, u8),
    /// Bit n: parameter n takes whatever `for` takes, and arrives as an array.
    pub iterables: u8,
    /// Whether a frame sees errors of what it calls.
    pub catches: bool,
    /// Whether what it calls and awaits goes on in a coroutine that was cancelled, as in a `finally` block.
    pub cleans_up: bool,
    /// What the host must permit.
    pub permission: Option<Permission>,
    /// The keys that its last parameter knows, if that is a dict of options. It refuses others; tools name them.
    pub options: &'static [&'static str],
    /// The quick way through results of its callback.
    pub each: Option<Each>,
    /// The quick way through comparisons.
    pub pairs: Option<Pairs>,
}

impl BuiltinDef {
    /// A function that every engine has. `max` 255 means any number of arguments.
    pub const fn core(
        name: &'static str,
        params: &'static [&'static str],
        min: u8,
        max: u8,
        function: Simple,
    ) -> Self {
        Self::new(BuiltinKind::Core, name, params, min, max, Run::Simple(function))
    }

    /// A resumable function that every engine has.
    pub const fn core_frame(
        name: &'static str,
        params: &'static [&'static str],
        min: u8,
        max: u8,
        slots: u8,
        resume: Resume,
    ) -> Self {
        Self::new(
            BuiltinKind::Core,
            name,
            params,
            min,
            max,
            Run::Frame { slots, resume },
        )
    }

    /// A function of the standard library (chapter 10): missing arguments are null, surplus ones an error.
    pub const fn library(name: &'static str, params: &'static [&'static str], function: Simple) -> Self {
        Self::new(
            BuiltinKind::Library,
            name,
            params,
            0,
            params.len() as u8,
            Run::Simple(function),
        )
    }

    /// A resumable function of the standard library.
    pub const fn library_frame(
        name: &'static str,
        params: &'static [&'static str],
        slots: u8,
        resume: Resume,
    ) -> Self {
        Self::new(
            BuiltinKind::Library,
            name,
            params,
            0,
            params.len() as u8,
            Run::Frame { slots, resume },
        )
    }

    /// A method; `min` and `max` do not count the receiver, which is the first argument and slot.
    pub const fn method(name: &'static str, min: u8, max: u8, function: Simple) -> Self {
        Self::new(BuiltinKind::Core, name, &[], min, max, Run::Simple(function))
    }

    /// A resumable method.
    pub const fn method_frame(name: &'static str, min: u8, max: u8, slots: u8, resume: Resume) -> Self {
        Self::new(
            BuiltinKind::Core,
            name,
            &[],
            min,
            max,
            Run::Frame { slots, resume },
        )
    }

    /// The same, with so many arguments that have to be given.
    #[must_use]
    pub const fn requiring(mut self, least: u8) -> Self {
        self.info.min_args = least;
        self
    }

    /// The same, with these parameters taking any iterable (bit n for parameter n).
    #[must_use]
    pub const fn iterables(mut self, mask: u8) -> Self {
        self.iterables = mask;
        self.plain = Self::NEVER;
        self
    }

    /// The same, seeing errors of what it calls as [`Event::Failed`].
    #[must_use]
    pub const fn catching(mut self) -> Self {
        self.catches = true;
        self
    }

    /// The same, going on when the coroutine was cancelled.
    #[must_use]
    pub const fn cleaning_up(mut self) -> Self {
        self.cleans_up = true;
        self
    }

    /// The same with a quick way through comparisons.
    #[must_use]
    pub const fn pairs(mut self, pairs: Pairs) -> Self {
        self.pairs = Some(pairs);
        self
    }

    /// The same, with a quick way through results of its callback.
    #[must_use]
    pub const fn each(mut self, each: Each) -> Self {
        self.each = Some(each);
        self
    }

    /// The same, asking the host first.
    #[must_use]
    pub const fn needing(mut self, permission: Permission) -> Self {
        self.permission = Some(permission);
        self
    }

    /// The same, whose last parameter is a dict of options with these keys.
    #[must_use]
    pub const fn with_options(mut self, keys: &'static [&'static str]) -> Self {
        self.options = keys;
        self
    }

    const fn new(
        kind: BuiltinKind,
        name: &'static str,
        params: &'static [&'static str],
        min_args: u8,
        max_args: u8,
        run: Run,
    ) -> Self {
        let info = BuiltinInfo {
            name,
            kind,
            params,
            min_args,
            max_args,
            id: 0,
        };
        let plain = match (run, kind) {
            (Run::Frame { .. }, _) => Self::NEVER,
            (Run::Simple(_), BuiltinKind::Core) => (min_args, max_args),
            (Run::Simple(_), BuiltinKind::Library) => (params.len() as u8, params.len() as u8),
        };
        Self {
            info,
            run,
            plain,
            iterables: 0,
            catches: false,
            cleans_up: false,
            permission: None,
            options: &[],
            each: None,
            pairs: None,
        }
    }

    const NEVER: (u8, u8) = (1, 0);

    /// The function, if this many arguments need no preparation.
    #[inline(always)]
    pub(crate) fn plain(&self, argc: u16) -> Option<Simple> {
        match self.run {
            Run::Simple(function) if u16::from(self.plain.0) <= argc && argc <= u16::from(self.plain.1) => {
                Some(function)
            }
            _ => None,
        }
    }

    /// The one of a table that has a name, as [`Native::method`](aether_value::Native::method) gives it.
    pub fn named(table: &'static [Self], name: &str) -> Option<Builtin> {
        let found = table.iter().find(|def| def.info.name == name)?;
        Some(Builtin(&found.info))
    }

    /// The built-in as a value.
    pub fn value(&'static self) -> Value {
        Value::Builtin(Builtin(&self.info))
    }
}

/// A module of the standard library.
pub struct LibraryModule {
    /// Its name.
    pub name: &'static str,
    /// Its functions.
    pub functions: &'static [BuiltinDef],
    /// Its constants.
    pub constants: &'static [(&'static str, Constant)],
}

/// A constant of a module.
#[derive(Clone, Copy, Debug)]
pub enum Constant {
    /// A number.
    Float(f64),
    /// A number that the machine at hand determines.
    Int(fn() -> i64),
    /// A text.
    Text(&'static str),
    /// A value that the machine holds under this name, or this one if it holds none.
    Held(&'static str, fn() -> Value),
}

impl LibraryModule {
    /// The names of its members.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let functions = self.functions.iter().map(|def| def.info.name);
        functions.chain(self.constants.iter().map(|&(name, _)| name))
    }
}

/// Functions that every engine has.
pub(crate) static CORE: &[&[BuiltinDef]] = &[
    console::DEFS,
    inspection::DEFS,
    conversion::DEFS,
    format::DEFS,
    random::DEFS,
    time::DEFS,
    promise::DEFS,
    channel::DEFS,
    lock::DEFS,
    task_group::DEFS,
    heap::GLOBALS,
];

/// The payloads that values of two built-in functions have, `range` and what makes `a..b`, which counted loops begin with.
#[cfg(all(
    feature = "jit",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
))]
pub(crate) fn range_functions() -> impl Iterator<Item = u64> {
    let range = library_function("core", "range");
    range
        .into_iter()
        .chain([aether_value::Raw::builtin(&RANGE.info).payload])
}

/// The payload that a value of a built-in function of a module of the library has.
#[cfg(all(
    feature = "jit",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_os = "linux"
))]
pub(crate) fn library_function(module: &str, name: &str) -> Option<u64> {
    // By way of the table that engines are filled from: in another part of the program the definitions behind the
    // module's own name may be a copy of those.
    let module = LIBRARY.iter().find(|found| found.name == module)?;
    let def = module.functions.iter().find(|def| def.info.name == name)?;
    Some(aether_value::Raw::builtin(&def.info).payload)
}

/// The functions that every engine has, for whoever wants to know what they need.
pub fn core_builtins() -> impl Iterator<Item = &'static BuiltinDef> {
    CORE.iter().copied().flatten()
}

/// Where scripts find a built-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under its name, everywhere.
    Global,
    /// As a member of this global, `Promise` for one.
    Namespace(&'static str),
    /// As a member of this module of the standard library.
    Module(&'static str),
    /// As a method of values with this tag.
    Method(u8),
    /// As a method of every value.
    EveryValue,
}

/// The modules whose members every full engine has by name as well.
pub fn predefined_modules() -> &'static [LibraryModule] {
    LIBRARY
}

/// Every module of the standard library.
pub fn library_modules() -> impl Iterator<Item = &'static LibraryModule> {
    LIBRARY.iter().chain(EXTENSIONS)
}

/// Every built-in of this crate and where it is found, for tools and for tests that go through all of them.
pub fn all_builtins() -> impl Iterator<Item = (Place, &'static BuiltinDef)> {
    let modules = library_modules().flat_map(|module| {
        module
            .functions
            .iter()
            .map(|def| (Place::Module(module.name), def))
    });
    let methods = METHODS
        .iter()
        .copied()
        .chain([(tag::NATIVE, range::METHODS)])
        .flat_map(|(tag, defs)| defs.iter().map(move |def| (Place::Method(tag), def)));
    core_builtins()
        .map(|def| (Place::Global, def))
        .chain(
            NAMESPACES
                .iter()
                .flat_map(|&(name, defs)| defs.iter().map(move |def| (Place::Namespace(name), def))),
        )
        .chain(modules)
        .chain(methods)
        .chain(EVERY.iter().map(|def| (Place::EveryValue, def)))
}

/// Globals that have members and are nothing else.
pub(crate) static NAMESPACES: &[(&str, &[BuiltinDef])] =
    &[("Promise", promise::MEMBERS), ("dict", methods::DICT_MEMBERS)];

/// The standard library of full engines.
pub(crate) static LIBRARY: &[LibraryModule] = &[
    LibraryModule {
        name: "core",
        functions: collections::CORE,
        constants: &[],
    },
    LibraryModule {
        name: "collections",
        functions: collections::DEFS,
        constants: &[],
    },
    LibraryModule {
        name: "math",
        functions: math::DEFS,
        constants: &[
            ("pi", Constant::Float(std::f64::consts::PI)),
            ("e", Constant::Float(std::f64::consts::E)),
            ("tau", Constant::Float(std::f64::consts::TAU)),
        ],
    },
    LibraryModule {
        name: "string",
        functions: strings::DEFS,
        constants: &[],
    },
    LibraryModule {
        name: "testing",
        functions: testing::DEFS,
        constants: &[],
    },
];

/// Modules that `import` finds last, after all files; nothing of them is predefined.
pub(crate) static EXTENSIONS: &[LibraryModule] = &[
    LibraryModule {
        name: "heap",
        functions: heap::DEFS,
        constants: &[],
    },
    LibraryModule {
        name: "io",
        functions: io::DEFS,
        constants: &[],
    },
    LibraryModule {
        name: "log",
        functions: log::DEFS,
        constants: &[],
    },
    LibraryModule {
        name: "heapq",
        functions: sorting::HEAPQ,
        constants: &[],
    },
    LibraryModule {
        name: "testing",
        functions: testing::IMPORTED,
        constants: &[],
    },
];

/// Methods of built-in types by value tag.
static METHODS: &[(u8, &[BuiltinDef])] = &[
    (tag::STRING, methods::STRING),
    (tag::ARRAY, methods::ARRAY),
    (tag::DICT, methods::DICT),
    (tag::SET, methods::SET),
    (tag::ITERATOR, methods::ITERATOR),
    (tag::COROUTINE, methods::GENERATOR),
    (tag::ITERATOR, methods::EITHER_ITERATOR),
    (tag::COROUTINE, methods::EITHER_ITERATOR),
    (tag::INSTANCE, methods::INSTANCE),
    (tag::PROMISE, promise_methods::METHODS),
];

/// Methods that every value has, unless its type has one of the name.
static EVERY: &[BuiltinDef] = methods::EVERY;

struct MethodTable {
    numbers: AHashMap<&'static str, u16>,
    /// By number, then tag.
    rows: Vec<MethodRow>,
}

static TABLE: LazyLock<MethodTable> = LazyLock::new(|| {
    let mut table = MethodTable {
        numbers: AHashMap::new(),
        rows: vec![[None; tag::END as usize]],
    };
    let row_of = |table: &mut MethodTable, name: &'static str| {
        let next = table.rows.len() as u16;
        let number = *table.numbers.entry(name).or_insert(next);
        if number == next {
            table.rows.push([None; tag::END as usize]);
        }
        number as usize
    };
    for def in EVERY {
        let row = row_of(&mut table, def.info.name);
        table.rows[row] = [Some(def); tag::END as usize];
    }
    for (kind, defs) in METHODS {
        for def in *defs {
            let row = row_of(&mut table, def.info.name);
            table.rows[row][*kind as usize] = Some(def);
        }
    }
    table
});

/// The built-in method of this name that a value has, unless it is a struct's own.
pub(crate) fn method_of(value: &Value, name: &str) -> Option<&'static BuiltinDef> {
    TABLE.rows[method_number(name) as usize][value.tag() as usize]
}

/// The number of a method name among the built-in ones; 0 for none.
pub(crate) fn method_number(name: &str) -> u16 {
    TABLE.numbers.get(name).copied().unwrap_or(0)
}

/// The built-in methods of a name, by the tag of the receiver.
pub(crate) type MethodRow = [Option<&'static BuiltinDef>; tag::END as usize];

/// The built-in methods by [`method_number`].
pub(crate) fn method_rows() -> &'static [MethodRow] {
    &TABLE.rows
}
