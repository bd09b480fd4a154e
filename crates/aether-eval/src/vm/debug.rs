//! Debugging: pausing at statements, looking at frames, evaluating in them. What a debugger on a terminal and one behind
//! a protocol have in common.
//!
//! Nothing of this costs anything while it is unused: the loop that executes instructions exists twice, and the one that
//! stops to think before each of them ([`Vm::before_instruction`]) runs only while somebody steps or has set
//! breakpoints. A `debugger` statement is where the other one hands over to it.
//!
//! A statement begins where the line of an instruction differs from that of the instruction before it. Pairs that are
//! executed as one are executed one by one while stepping.
//!
//! Evaluating wraps the text in a function whose parameters are the names that the frame can see, calls it, and writes
//! back what it has assigned. Breakpoints within are ignored.
#![expect(unsafe_code, reason = "reads and writes registers of live frames")]

use std::fmt::Write as _;

use aether_ast::Node;
use aether_parser::ParseOptions;
use aether_source::{Diagnostic, SourceFile};
use aether_value::{Cell, Closure, Code, ErrorKind, Raise, Raw, Value, tag};

use super::Vm;
use super::unwind::{code_of, is_top_level, word_of};
use crate::compiler::{CompileError, Kind};
use crate::host::Host;

/// The name under which an evaluated text hands out its value.
const RESULT: &str = "debugger_value_";

/// Why a program is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// A `debugger` statement.
    Statement,
    /// A step has ended.
    Step,
    /// A line with a breakpoint.
    Breakpoint,
}

/// How a paused program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// To the next breakpoint or `debugger` statement.
    Continue,
    /// To the next statement of the same function, or of one that called it.
    Next,
    /// To the next statement anywhere.
    Step,
    /// To the next statement of a function that called this one.
    Out,
    /// To its end, at once: no handler and no `finally` block runs.
    Quit,
}

/// What is told of a pause, and asked how the program goes on.
pub trait Debugger {
    /// The program is paused.
    fn paused(&mut self, pause: &mut Pause<'_>) -> Resumption;
}

/// A line that pauses the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakpoint {
    /// The file's path, as the program was started or the module found.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
}

/// An active function, or a top level.
#[derive(Clone, Debug)]
pub struct DebugFrame {
    /// Its name; `None` for a top level.
    pub function: Option<String>,
    /// Its file.
    pub file: std::rc::Rc<SourceFile>,
    /// The line it stands at.
    pub line: u32,
    /// Where it was called from: file and line; `None` if the machine called it.
    pub caller: Option<(std::rc::Rc<SourceFile>, u32)>,
}

/// Why a text could not be evaluated.
#[derive(Clone, Debug)]
pub enum EvaluationError {
    /// It has errors.
    Syntax(Vec<Diagnostic>),
    /// It raised.
    Raised(String),
}

impl EvaluationError {
    /// The first line that tells of it.
    pub fn message(&self) -> &str {
        match self {
            Self::Syntax(diagnostics) => diagnostics.first().map_or("", |first| &first.message),
            Self::Raised(message) => message,
        }
    }
}

/// Where the next pause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Running,
    Into,
    /// At this depth or further out.
    Over(usize),
}

/// A place that was paused at, or passed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    code: *const Code,
    line: u32,
    depth: usize,
}

/// The debugger's state in the machine.
pub(crate) struct Debug {
    /// `None` while it is asked.
    client: Option<Box<dyn Debugger>>,
    mode: Mode,
    breakpoints: Vec<Breakpoint>,
    last: Option<Position>,
}

/// A name that a frame can see.
struct Visible {
    name: String,
    value: Value,
    place: Place,
}

/// Where its value is.
#[derive(Clone, Copy)]
enum Place {
    /// And whether it may hold something counted.
    Register(*mut Raw, bool),
    Cell(*const Cell),
    /// Copied into the closure.
    Copy,
}

/// A paused program.
pub struct Pause<'a> {
    vm: &'a mut Vm,
    /// Why.
    pub reason: PauseReason,
}

impl Vm {
    /// Sets who is told of pauses.
    pub(crate) fn set_debugger(&mut self, client: Box<dyn Debugger>) {
        self.debug = Some(Box::new(Debug {
            client: Some(client),
            mode: Mode::Running,
            breakpoints: Vec::new(),
            last: None,
        }));
    }

    /// Sets the lines that pause the program. Without a debugger there are none.
    pub(crate) fn set_breakpoints(&mut self, breakpoints: Vec<Breakpoint>) {
        if let Some(debug) = &mut self.debug {
            debug.breakpoints = breakpoints;
        }
    }

    /// Whether the loop has to ask before each instruction.
    pub(super) fn is_stepping(&self) -> bool {
        self.is_profiling() || self.is_debugged()
    }

    /// Whether a debugger wants to see more than `debugger` statements.
    pub(super) fn is_debugged(&self) -> bool {
        self.debug.as_ref().is_some_and(|debug| {
            debug.client.is_some() && (debug.mode != Mode::Running || !debug.breakpoints.is_empty())
        })
    }

    /// The position of the innermost frame, unless it is the library's.
    fn position(&self) -> Option<(Position, bool)> {
        // SAFETY: `vm.base` is the innermost frame.
        let code = unsafe { code_of(self.base) }?;
        if code.is_library || code.places.is_empty() {
            return None;
        }
        let word = word_of(code, self.ip);
        let line = code.line_at(word);
        let begins = word == 0 || code.line_at(word - 1) != line;
        let position = Position {
            code,
            line,
            depth: self.depth(),
        };
        Some((position, begins))
    }

    /// Before each instruction of the stepping loop: pauses where a pause is due.
    #[cold]
    #[inline(never)]
    pub(super) fn before_instruction(&mut self) -> Result<(), Raise> {
        if self.is_profiling() {
            self.record_profile();
        }
        if !self.is_debugged() {
            // A profile is recorded, and nobody asks for the place.
            return Ok(());
        }
        let Some((position, begins)) = self.position() else {
            return Ok(());
        };
        let Some(debug) = &mut self.debug else {
            return Ok(());
        };
        if !begins || debug.last == Some(position) {
            return Ok(());
        }
        let at_breakpoint = {
            // SAFETY: code lives as long as the heap.
            let code = unsafe { &*position.code };
            let path = code.file.path();
            debug
                .breakpoints
                .iter()
                .any(|point| point.line == position.line && Some(point.path.as_str()) == path)
        };
        let step_ends = match debug.mode {
            Mode::Running => false,
            Mode::Into => true,
            // What is stepped over leaves no trace.
            Mode::Over(depth) if position.depth > depth && !at_breakpoint => return Ok(()),
            Mode::Over(depth) => position.depth <= depth,
        };
        debug.last = Some(position);
        if at_breakpoint {
            self.pause(PauseReason::Breakpoint)
        } else if step_ends {
            self.pause(PauseReason::Step)
        } else {
            Ok(())
        }
    }

    /// The `debugger` statement.
    #[cold]
    #[inline(never)]
    pub(super) fn debugger_statement(&mut self) -> Result<(), Raise> {
        let position = self.position().map(|(position, _)| position);
        let Some(debug) = &mut self.debug else {
            return Ok(());
        };
        if debug.client.is_none() {
            return Ok(());
        }
        // A step that has ended on this line has told of it already.
        if debug.mode != Mode::Running && debug.last == position {
            return Ok(());
        }
        debug.last = position;
        self.pause(PauseReason::Statement)
    }

    fn pause(&mut self, reason: PauseReason) -> Result<(), Raise> {
        let Some(mut client) = self.debug.as_mut().and_then(|debug| debug.client.take()) else {
            return Ok(());
        };
        let resume = client.paused(&mut Pause { vm: self, reason });
        let depth = self.depth();
        let Some(debug) = &mut self.debug else {
            return Ok(());
        };
        debug.client = Some(client);
        debug.mode = match resume {
            Resumption::Continue => Mode::Running,
            Resumption::Next => Mode::Over(depth),
            Resumption::Step => Mode::Into,
            Resumption::Out => Mode::Over(depth.saturating_sub(1)),
            Resumption::Quit => return Err(Raise::new(ErrorKind::Exit, "exit")),
        };
        Ok(())
    }

    /// The activations of the current stack, innermost first, those of the library left out: code, word, base.
    fn debug_activations(&self) -> Vec<(*const Code, u32, *mut u8)> {
        let mut found = Vec::new();
        self.activations(|code, word, base| {
            if !code.is_library {
                found.push((std::ptr::from_ref(code), word, base));
            }
        });
        found
    }

    /// The names that a frame can see, innermost declarations first.
    fn visible(&self, code: &Code, word: u32, base: *mut u8) -> Vec<Visible> {
        let mut found: Vec<Visible> = Vec::new();
        let mut add = |name: &str, value: Option<Value>, place| {
            if let Some(value) = value
                && !found.iter().any(|visible| visible.name == name)
            {
                let name = name.to_owned();
                found.push(Visible { name, value, place });
            }
        };
        for local in code.locals.iter().rev() {
            if word < local.start || word >= local.end {
                continue;
            }
            // SAFETY: the register lies in a live frame and holds a value, a cell or nothing.
            unsafe {
                let register = base.cast::<Raw>().add(local.register as usize);
                let raw = *register;
                if local.cell && raw.tag == tag::CELL {
                    let cell = std::ptr::from_ref(raw.object::<Cell>());
                    add(local.name.as_str(), (*cell).get(), Place::Cell(cell));
                } else if !matches!(raw.tag, tag::UNSET | tag::ALIAS | tag::CELL) {
                    add(
                        local.name.as_str(),
                        Some(raw.clone_value()),
                        Place::Register(register, local.counted),
                    );
                }
            }
        }
        // SAFETY: the register before a window names the closure that runs there.
        unsafe {
            let own = *base.sub(16).cast::<Raw>();
            if matches!(own.tag, tag::ALIAS | tag::FUNCTION | tag::ASYNC_FUNCTION) {
                let closure = &*own.pointer::<Closure>();
                for (name, raw) in code.capture_names.iter().zip(closure.captures()) {
                    if raw.tag == tag::CELL {
                        let cell = std::ptr::from_ref(raw.object::<Cell>());
                        add(name.as_str(), (*cell).get(), Place::Cell(cell));
                    } else if !matches!(raw.tag, tag::UNSET | tag::ALIAS) {
                        add(name.as_str(), Some(raw.clone_value()), Place::Copy);
                    }
                }
            }
        }
        found
    }

    /// Evaluates a text in a frame; the value of a last expression, else null.
    fn evaluate_in(&mut self, frame: usize, text: &str) -> Result<Value, EvaluationError> {
        let raised = |raise: Raise| EvaluationError::Raised(raise.message().to_owned());
        let activations = self.debug_activations();
        let Some(&(code, word, base)) = activations.get(frame) else {
            return Err(EvaluationError::Raised("there is no such frame".to_owned()));
        };
        // SAFETY: code lives as long as the heap.
        let code = unsafe { &*code };
        let visible = self.visible(code, word, base);
        let options = ParseOptions {
            max_nesting: self.max_nesting,
        };
        let parsed = aether_parser::parse(&SourceFile::new(None, text.to_owned()), options);
        if !parsed.diagnostics.is_empty() {
            return Err(EvaluationError::Syntax(parsed.diagnostics));
        }
        let names: Vec<&str> = visible.iter().map(|visible| visible.name.as_str()).collect();
        let wrapped = SourceFile::new(None, wrap(&parsed.ast, text, &names));
        let function = self.compile_for_debugger(wrapped, code.module)?;
        let function = self.run_code(function).map_err(raised)?;
        let arguments: Vec<Value> = visible.iter().map(|visible| visible.value.clone()).collect();
        let result = self.call_value(&function, &arguments, false).map_err(raised)?;
        let Value::Array(results) = &result else {
            return Ok(Value::Null);
        };
        for (index, visible) in visible.iter().enumerate() {
            let Some(new) = results.get_value(index + 1) else {
                continue;
            };
            if !same(&visible.value, &new) {
                set(visible, new)?;
            }
        }
        Ok(results.get_value(0).unwrap_or(Value::Null))
    }

    fn compile_for_debugger(
        &mut self,
        file: SourceFile,
        module: u32,
    ) -> Result<std::ptr::NonNull<Code>, EvaluationError> {
        let file = std::rc::Rc::new(file);
        let options = ParseOptions {
            max_nesting: self.max_nesting,
        };
        let parse = aether_parser::parse(&file, options);
        if !parse.diagnostics.is_empty() {
            return Err(EvaluationError::Syntax(parse.diagnostics));
        }
        let compiled = self.compile_for_host(&parse.ast, file, module, Kind::Fragment);
        compiled.map_err(|error| match error {
            CompileError::Diagnostic(diagnostic) => EvaluationError::Syntax(vec![*diagnostic]),
            CompileError::Raise(raise) => EvaluationError::Raised(raise.message().to_owned()),
        })
    }
}

/// The text as a function of these names, which gives its value and theirs.
fn wrap(ast: &aether_ast::Ast, text: &str, names: &[&str]) -> String {
    let list = names.join(", ");
    let mut out = format!("(fn({list}) {{\n");
    let last = ast.root().last().map(|&last| (last, ast.node(last)));
    let value = if let Some((last, Node::ExprStmt(value))) = last {
        let (statement, value) = (ast.span(last), ast.span(value));
        out.push_str(&text[..statement.start as usize]);
        // Writing to a string cannot fail.
        let _ = write!(out, "\nlet {RESULT} = ({}\n)\n", &text[value.range()]);
        RESULT
    } else {
        out.push_str(text);
        "null"
    };
    let _ = write!(
        out,
        "\nreturn [{value}{}{list}]\n}})",
        if names.is_empty() { "" } else { ", " }
    );
    out
}

/// Whether two values are one.
fn same(left: &Value, right: &Value) -> bool {
    let (left, right) = (Raw::of_value(left), Raw::of_value(right));
    left.tag == right.tag && left.payload == right.payload
}

/// Gives a name of a frame another value.
fn set(visible: &Visible, value: Value) -> Result<(), EvaluationError> {
    match visible.place {
        // SAFETY: the frame is paused, its registers and cells are as they were.
        Place::Cell(cell) => unsafe { (*cell).set(value) },
        // SAFETY: as above; the register owns a count of what it holds.
        Place::Register(register, counted) => unsafe {
            if Raw::of_value(&value).is_counted() && !counted {
                // The code of the function may not release what it knows to be plain.
                let text = format!("'{}' holds no {} here", visible.name, value.type_name());
                return Err(EvaluationError::Raised(text));
            }
            let old = *register;
            *register = Raw::from_value(value);
            if old.is_counted() {
                old.release();
            }
        },
        Place::Copy => {
            let text = format!("'{}' is a copy here and cannot be assigned", visible.name);
            return Err(EvaluationError::Raised(text));
        }
    }
    Ok(())
}

impl Pause<'_> {
    /// The active functions, innermost first; top levels included.
    pub fn frames(&self) -> Vec<DebugFrame> {
        let activations = self.vm.debug_activations();
        // SAFETY: code lives as long as the heap.
        let codes: Vec<(&Code, u32)> = activations
            .iter()
            .map(|&(code, word, _)| (unsafe { &*code }, word))
            .collect();
        let frames = codes
            .iter()
            .enumerate()
            .filter(|(_, (code, _))| !code.places.is_empty());
        frames
            .map(|(at, &(code, word))| DebugFrame {
                function: (!is_top_level(code))
                    .then(|| code.name.as_deref().unwrap_or("<anonymous>").to_owned()),
                file: code.file.clone(),
                line: code.line_at(word as usize),
                caller: codes
                    .get(at + 1)
                    .filter(|(caller, _)| !caller.places.is_empty())
                    .map(|&(caller, word)| (caller.file.clone(), caller.line_at(word as usize))),
            })
            .collect()
    }

    /// The names that a frame can see and their values: its own and those it has captured, sorted.
    pub fn locals(&self, frame: usize) -> Vec<(String, Value)> {
        let activations = self.vm.debug_activations();
        let Some(&(code, word, base)) = activations.get(frame) else {
            return Vec::new();
        };
        // SAFETY: code lives as long as the heap.
        let visible = self.vm.visible(unsafe { &*code }, word, base);
        let mut locals: Vec<(String, Value)> = visible
            .into_iter()
            .map(|visible| (visible.name, visible.value))
            .collect();
        locals.sort_by(|left, right| left.0.cmp(&right.0));
        locals
    }

    /// Runs a text in a frame and gives the value of a last expression, else null. What it assigns to names of the frame
    /// is assigned there.
    ///
    /// # Errors
    /// Its syntax errors, or what it raises; the program is as it was, but for what the text did before.
    pub fn evaluate(&mut self, frame: usize, text: &str) -> Result<Value, EvaluationError> {
        self.vm.evaluate_in(frame, text)
    }

    /// The display text of a value.
    ///
    /// # Errors
    /// Out of memory.
    pub fn text(&self, value: &Value) -> Result<String, Raise> {
        let text = aether_value::display_text(&self.vm.heap, value)?;
        Ok(text.as_str().to_owned())
    }

    /// The world of the program.
    pub fn host(&mut self) -> &mut dyn Host {
        &mut *self.vm.host
    }
}
