//! Functions that are sent to other machines.
//!
//! A [`SentFunction`] is the text that a function was compiled from and the place of its body in it, with copies of what
//! it captured and of the data that it uses by global names. The text is parsed once, by the sender. Each receiver compiles
//! it, runs the declarations of functions, types and imports in it and nothing else, and finds the function by its place.
//!
//! Invariants
//! - What travels is plain data.
//! - The receiver compiles the text as the sender did, so that both have the same captures in the same order.
//!
//! Source: library reference §E10.

use std::sync::Arc;

use aether_ast::{Ast, Node, NodeId};
use aether_parser::ParseOptions;
use aether_resolve::{Resolution, Use};
use aether_source::{SourceFile, Span};
use aether_value::{
    Builtin, Closure, Code, ErrorObject, Heap, Message, MessageTypes, PromiseState, Raise, Raw, Rc,
    StructDef, Value,
};
use ahash::AHashSet;

use crate::compiler::{self, is_declaration};
use crate::context::Ctx;
use crate::machine::Parsed;
use crate::vm::Vm;

/// What a function captured.
enum Captured {
    Value(Message),
    /// A variable; none while it is not set.
    Variable(Option<Message>),
    /// The function itself.
    Own,
}

/// A function that any machine can make, on any thread.
#[derive(Clone)]
pub struct SentFunction(Arc<Sent>);

enum Sent {
    Builtin(Builtin),
    Function {
        parsed: Arc<Parsed>,
        /// Where imports of the text look first.
        directory: Option<String>,
        body: Span,
        is_async: bool,
        captures: Vec<Captured>,
        globals: Vec<(String, Message)>,
    },
}

impl SentFunction {
    /// A copy of a function.
    ///
    /// # Errors
    /// `Cannot send {type} to a worker` for what is no function, and for what it captured or uses and cannot be sent, with
    /// its name; out of memory.
    pub fn of(ctx: &mut Ctx<'_>, function: &Value) -> Result<Self, Raise> {
        let sent = match function {
            Value::Builtin(builtin) => Sent::Builtin(*builtin),
            Value::Function(closure) | Value::AsyncFunction(closure) => of_closure(ctx, closure)?,
            other => return Err(Raise::unsendable(&other.type_name())),
        };
        Ok(Self(Arc::new(sent)))
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        match &*self.0 {
            Sent::Builtin(_) => size_of::<Sent>(),
            Sent::Function {
                parsed,
                captures,
                globals,
                ..
            } => {
                let captures = captures.iter().map(|captured| match captured {
                    Captured::Value(message) | Captured::Variable(Some(message)) => message.size(),
                    Captured::Variable(None) | Captured::Own => 0,
                });
                let globals = globals.iter().map(|(name, message)| name.len() + message.size());
                size_of::<Sent>()
                    + parsed.file.text().len()
                    + captures.sum::<usize>()
                    + globals.sum::<usize>()
            }
        }
    }
}

/// A copy of what a name stands for, or the error with the name in it.
fn named(ctx: &mut Ctx<'_>, name: &str, how: &str, value: &Value) -> Result<Message, Raise> {
    ctx.message(value).map_err(|raise| {
        if raise.kind() != aether_value::ErrorKind::Value {
            return raise;
        }
        Raise::new(raise.kind(), format!("{} ({how} as '{name}')", raise.message()))
    })
}

fn of_closure(ctx: &mut Ctx<'_>, closure: &Rc<Closure>) -> Result<Sent, Raise> {
    let code = closure.code();
    ctx.tick(code.file.text().len() / 16)?;
    let parsed = parsed(ctx.vm, &code.file);
    let mut captures = Vec::new();
    for (index, name) in code.capture_names.iter().enumerate().take(closure.len()) {
        captures.push(captured(ctx, closure, index, name.as_str())?);
    }
    let globals = globals_of(ctx, code, &parsed.ast, &parsed.resolution)?;
    Ok(Sent::Function {
        parsed,
        directory: ctx.vm.script_directory.clone(),
        body: code.span,
        is_async: closure.is_async(),
        captures,
        globals,
    })
}

/// The text of the function that a machine sent last: its file, and its tree with names resolved.
pub(crate) type SentText = (std::rc::Rc<SourceFile>, Arc<Parsed>);

/// Bytes of the longest text whose tree, which is many times as large, is kept for the next function of it.
pub(crate) const KEPT_TEXT: usize = 64 << 10;

/// The tree of a file that the machine has compiled.
pub(crate) fn parsed(vm: &mut Vm, file: &std::rc::Rc<SourceFile>) -> Arc<Parsed> {
    if let Some((known, parsed)) = &vm.sent_text
        && std::rc::Rc::ptr_eq(known, file)
    {
        return parsed.clone();
    }
    let options = ParseOptions {
        max_nesting: vm.max_nesting,
    };
    let text = SourceFile::new(file.path().map(str::to_owned), file.text().to_owned());
    let ast = aether_parser::parse(&text, options).ast;
    let resolution = aether_resolve::resolve(&ast, vm.tables.optimizations.copy_captures);
    let parsed = Arc::new(Parsed {
        file: text,
        ast,
        resolution,
    });
    vm.sent_text = (file.text().len() <= KEPT_TEXT).then(|| (file.clone(), parsed.clone()));
    parsed
}

fn captured(ctx: &mut Ctx<'_>, closure: &Rc<Closure>, index: usize, name: &str) -> Result<Captured, Raise> {
    let is_own = |value: &Value| matches!(value, Value::Function(own) | Value::AsyncFunction(own) if Rc::ptr_eq(own, closure));
    let (Some(value), is_variable) = closure.captured(index) else {
        return Ok(Captured::Variable(None));
    };
    if is_own(&value) && !is_variable {
        return Ok(Captured::Own);
    }
    let message = named(ctx, name, "captured", &value)?;
    Ok(if is_variable {
        Captured::Variable(Some(message))
    } else {
        Captured::Value(message)
    })
}

/// Copies of the data that a function uses by global names, directly or through functions that the text declares.
fn globals_of(
    ctx: &mut Ctx<'_>,
    code: &Code,
    ast: &Ast,
    resolution: &Resolution,
) -> Result<Vec<(String, Message)>, Raise> {
    let declared: AHashSet<&str> = ast
        .root()
        .iter()
        .filter(|&&statement| is_declaration(ast.node(statement)))
        .flat_map(|&statement| declared_names(ast, statement))
        .collect();
    let mut seen = AHashSet::new();
    let mut pending: Vec<NodeId> = ast
        .ids()
        .filter(|&id| body_of(ast, id) == Some(code.span))
        .collect();
    let mut globals = Vec::new();
    while let Some(node) = pending.pop() {
        ast.for_each_child(node, |child| pending.push(child));
        let Node::Name(symbol) = ast.node(node) else {
            continue;
        };
        let name = ast.text(symbol);
        if resolution.use_of(node) != Use::Global || !seen.insert(name) {
            continue;
        }
        if declared.contains(name) {
            let statements = ast.root().iter().copied();
            pending.extend(statements.filter(|&statement| {
                is_declaration(ast.node(statement)) && declared_names(ast, statement).contains(&name)
            }));
            continue;
        }
        let slot = ctx.vm.tables.find_slot(code.module, name);
        let slot = slot.filter(|&slot| ctx.vm.tables.is_declared(slot));
        if let Some(value) = slot.and_then(|slot| ctx.vm.tables.value_of(slot)) {
            globals.push((name.to_owned(), named(ctx, name, "used", &value)?));
        }
    }
    Ok(globals)
}

/// The place of the body, if the node is a function.
fn body_of(ast: &Ast, id: NodeId) -> Option<Span> {
    match ast.node(id) {
        Node::Function(function) | Node::FunctionDecl(function) => {
            Some(ast.span(ast.function(function).body))
        }
        _ => None,
    }
}

/// The names that a top-level declaration declares.
pub(crate) fn declared_names(ast: &Ast, statement: NodeId) -> Vec<&str> {
    let text = |id: NodeId| ast.name_of(id).map(|name| ast.text(name));
    let bound = |name: NodeId, alias: Option<NodeId>| text(alias.unwrap_or(name));
    match ast.node(statement) {
        Node::FunctionDecl(function) => ast.function(function).name.and_then(text).into_iter().collect(),
        Node::Struct(definition) => text(ast.structure(definition).name).into_iter().collect(),
        Node::Enum(definition) => text(ast.enumeration(definition).name).into_iter().collect(),
        Node::Import { module, alias } => bound(module, alias).into_iter().collect(),
        Node::FromImport { items, .. } => ast
            .list(items)
            .iter()
            .filter_map(|&item| match ast.node(item) {
                Node::ImportItem { name, alias } => bound(name, alias),
                _ => text(item),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The types that a module scope of a machine has declared; those of other modules come after.
pub(crate) struct ModuleTypes<'a> {
    pub(crate) vm: &'a Vm,
    pub(crate) module: u32,
}

impl ModuleTypes<'_> {
    /// What the first module gives that has declared a name as `is_it` wants it.
    fn find<T>(&self, name: &str, is_it: impl Fn(Value) -> Option<T>) -> Option<T> {
        let others = 0..self.vm.tables.module_count();
        std::iter::once(self.module)
            .chain(others)
            .find_map(|module| self.vm.declared_global(module, name).and_then(&is_it))
    }
}

impl MessageTypes for ModuleTypes<'_> {
    fn struct_def(&self, name: &str) -> Option<Rc<StructDef>> {
        self.find(name, |value| match value {
            Value::StructDef(definition) => Some(definition),
            _ => None,
        })
    }

    fn enum_def(&self, name: &str) -> Option<Rc<aether_value::EnumDef>> {
        self.find(name, |value| match value {
            Value::EnumDef(definition) => Some(definition),
            _ => None,
        })
    }
}

impl Vm {
    /// Builds the value of a message, with the types of a module scope.
    ///
    /// # Errors
    /// As [`Message::build`].
    pub(crate) fn build_message(&mut self, message: &Message, module: u32) -> Result<Value, Raise> {
        let heap = self.heap.clone();
        let mut done = 0;
        let value = message.build(&heap, &ModuleTypes { vm: self, module }, &mut |count| {
            done += count;
            Ok(())
        })?;
        self.tick(done)?;
        Ok(value)
    }

    /// Makes a function that was sent, in a module scope of its own: gives it, and the scope, whose types the machine's
    /// messages are built with.
    ///
    /// # Errors
    /// Out of memory; what an import of the text raises.
    pub(crate) fn receive_function(&mut self, sent: &SentFunction, module: u32) -> Result<Value, Raise> {
        let Sent::Function {
            parsed,
            directory,
            body,
            is_async,
            captures,
            globals,
        } = &*sent.0
        else {
            let Sent::Builtin(builtin) = &*sent.0 else {
                unreachable!("there are two kinds")
            };
            return Ok(Value::Builtin(*builtin));
        };
        self.script_directory.clone_from(directory);
        let Parsed {
            file,
            ast,
            resolution,
        } = &**parsed;
        let file = std::rc::Rc::new(file.clone());
        let code = self.compile_resolved(ast, resolution, file, module, compiler::Kind::Declarations);
        let code = code.map_err(|error| match error {
            compiler::CompileError::Raise(raise) => raise,
            compiler::CompileError::Diagnostic(found) => crate::vm::internal(&found.message),
        })?;
        drop(self.run_code(code)?);
        for (name, message) in globals {
            let value = self.build_message(message, module)?;
            let heap = self.heap.clone();
            heap.for_host(|| self.tables.declare(&heap, module, name, value))?;
            self.refresh_tables();
        }
        let found = crate::vm::find_code(code, *body)
            .ok_or_else(|| crate::vm::internal("a function that was sent is not in its text"))?;
        let mut values = Vec::with_capacity(captures.len());
        for captured in captures {
            values.push(match captured {
                Captured::Value(message) => self.build_message(message, module)?,
                Captured::Variable(Some(message)) => {
                    let value = self.build_message(message, module)?;
                    Value::Cell(self.heap.cell(Raw::from_value(value))?)
                }
                Captured::Variable(None) => Value::Cell(self.heap.cell(Raw::unset())?),
                Captured::Own => Value::Null,
            });
        }
        let raws: Vec<Raw> = values.into_iter().map(Raw::from_value).collect();
        let closure = self.heap.closure(found, &raws, *is_async)?;
        for (index, captured) in captures.iter().enumerate() {
            if matches!(captured, Captured::Own) {
                closure.set_capture(index, Raw::from_rc(closure.clone()));
            }
        }
        Ok(if *is_async {
            Value::AsyncFunction(closure)
        } else {
            Value::Function(closure)
        })
    }
}

impl Ctx<'_> {
    /// What makes machines like this one.
    pub fn recipe(&self) -> crate::MachineRecipe {
        self.vm.recipe.clone()
    }

    /// A function of the part of the library that is written in the language.
    ///
    /// # Errors
    /// Out of memory.
    pub fn library_function(&mut self, name: &str) -> Result<Value, Raise> {
        self.vm.library_function(name)
    }

    /// A promise of another one's outcome, or after some seconds of the error `Timed out after {seconds}s`.
    ///
    /// # Errors
    /// Out of memory.
    pub fn timeout(&mut self, promise: &Value, seconds: f64) -> Result<Value, Raise> {
        crate::builtins::begin_timeout(self, promise, &Value::Float(seconds))
    }

    /// Begins a call that runs beside the caller, and gives its promise.
    ///
    /// # Errors
    /// Out of memory.
    pub fn spawn(&mut self, function: Value, args: &[Value]) -> Result<Value, Raise> {
        Ok(Value::Promise(self.vm.spawn(function, args)?))
    }

    /// Has event loops, and the program's end, wait for a promise that something outside settles; or no longer.
    pub fn keep_alive(&mut self, promise: &Value, keeps: bool) {
        if let Value::Promise(promise) = promise {
            if keeps {
                self.vm.keep_alive(promise);
            } else {
                self.vm.let_go(promise);
            }
        }
    }

    /// Cancels a promise, as its method does.
    ///
    /// # Errors
    /// Out of memory.
    pub fn cancel(&mut self, promise: &Value, reason: &Value) -> Result<bool, Raise> {
        match promise {
            Value::Promise(promise) => self.vm.cancel(promise, reason),
            _ => Ok(false),
        }
    }

    /// Counts an error as the failure of a promise that nobody will ask for; see
    /// [`Machine::take_unhandled_rejections`](crate::Machine::take_unhandled_rejections).
    ///
    /// # Errors
    /// Out of memory.
    pub fn add_unhandled(&mut self, error: Rc<ErrorObject>) -> Result<(), Raise> {
        let promise = self.vm.heap.promise(PromiseState::Rejected(error))?;
        self.vm.scheduler.add_unhandled(&promise);
        Ok(())
    }

    /// A copy of a value that other machines can build.
    ///
    /// # Errors
    /// `Cannot send {type} to a worker`; out of memory; a limit.
    pub fn message(&mut self, value: &Value) -> Result<Message, Raise> {
        let heap: Heap = self.vm.heap.clone();
        Message::of(&heap, value, &mut |count| self.vm.tick(count))
    }

    /// Builds the value of a message. Instances and enum values find their types in the module scope of the program.
    ///
    /// # Errors
    /// As [`Message::build`].
    pub fn value_of(&mut self, message: &Message) -> Result<Value, Raise> {
        self.vm.build_message(message, 0)
    }
}
