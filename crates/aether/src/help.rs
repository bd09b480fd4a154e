//! Help beside runtime errors: the value that was null, the names that exist, what to write instead.
//!
//! Everything here is worked out after the error has left the program, from its message, its place in the source, the
//! globals that are left and what declarations say. So it costs a running program nothing, and knows no local values.
//!
//! Invariant: nothing is suggested that is not certain to exist or to mean what is said.

use aether_ast::{Ast, BinaryOp, Node, NodeId};
use aether_eval::{LibraryModule, Place, RuntimeError, methods_of, properties_of};
use aether_parser::ParseOptions;
use aether_resolve::{import_help, method_here, suggest, undefined_help, written_here};
use aether_source::{SourceFile, Span};
use aether_value::{BuiltinInfo, ErrorKind, Value};

use crate::{DEFAULT_MAX_NESTING, Engine};

/// Advice for an error, if there is any.
pub(crate) fn help_for(engine: &Engine, raised: &RuntimeError) -> Option<String> {
    let place = raised.places.first();
    let site = place.map(|place| Site::new(&place.file, place.span));
    let helper = Helper {
        engine,
        message: &raised.message,
        site: site.as_ref(),
    };
    match raised.kind {
        ErrorKind::Name => helper.name(),
        ErrorKind::Property => helper.property(),
        ErrorKind::Key => helper.key(),
        ErrorKind::Index => helper.index(),
        ErrorKind::Arity => helper.arity(),
        ErrorKind::Type => helper.types(),
        ErrorKind::ZeroDivision => helper.division(),
        ErrorKind::Overflow => Some(
            "ints have 64 bits; floats reach further: float(x) * y, or write one number with a point"
                .to_owned(),
        ),
        ErrorKind::Conversion => helper.conversion(),
        ErrorKind::Import => helper.import(),
        ErrorKind::Io => helper.io(),
        ErrorKind::Value => helper.value(),
        ErrorKind::Thrown
        | ErrorKind::Recursion
        | ErrorKind::OutOfMemory
        | ErrorKind::Permission
        | ErrorKind::Cancelled
        | ErrorKind::Timeout
        | ErrorKind::Limit
        | ErrorKind::StepLimit
        | ErrorKind::TimeLimit
        | ErrorKind::Interrupted
        | ErrorKind::Exit
        | ErrorKind::GeneratorExit => None,
    }
}

/// What stands at the error's place where its source is shown.
pub(crate) fn note_for(raised: &RuntimeError) -> Option<String> {
    match raised.kind {
        ErrorKind::Index => index_note(&raised.message),
        ErrorKind::Name => Some("nothing here is called so".to_owned()),
        ErrorKind::ZeroDivision => Some("nothing is divided by zero, neither ints nor floats".to_owned()),
        ErrorKind::Recursion => {
            Some("a function calls itself again and again; it needs a case in which it does not".to_owned())
        }
        ErrorKind::Import if raised.message.starts_with("Module not found") => Some(
            "looked for beside this file, in the working directory, in modules/ of both, and in AETHER_PATH"
                .to_owned(),
        ),
        _ => None,
    }
}

fn index_note(message: &str) -> Option<String> {
    let rest = message.strip_prefix("Index ")?;
    let (_, length) = rest.split_once(" out of bounds for array of length ")?;
    Some(match length.parse::<usize>().ok()? {
        0 => "it is empty: there is no element to take".to_owned(),
        1 => "the only index is 0; ?.[i] gives null where there is no element".to_owned(),
        length => format!(
            "indices go from 0 to {}; ?.[i] gives null where there is no element",
            length - 1
        ),
    })
}

/// The source around an error.
struct Site<'a> {
    file: &'a SourceFile,
    ast: Ast,
    span: Span,
    /// Nodes within the span or around it, outermost first.
    nodes: Vec<NodeId>,
}

impl<'a> Site<'a> {
    fn new(file: &'a SourceFile, span: Span) -> Self {
        let options = ParseOptions {
            max_nesting: DEFAULT_MAX_NESTING,
        };
        let ast = aether_parser::parse(file, options).ast;
        let mut nodes: Vec<NodeId> = ast
            .ids()
            .filter(|&id| {
                let own = ast.span(id);
                own.start <= span.start && span.end <= own.end
            })
            .collect();
        nodes.sort_by_key(|&id| {
            let own = ast.span(id);
            (own.start, std::cmp::Reverse(own.end))
        });
        Self {
            file,
            ast,
            span,
            nodes,
        }
    }

    fn text_of(&self, id: NodeId) -> &'a str {
        self.file.slice(self.ast.span(id))
    }

    /// The text of a node if it fits into a sentence.
    fn short_text(&self, id: NodeId) -> Option<&'a str> {
        Some(self.text_of(id)).filter(|text| !text.contains('\n') && text.chars().count() <= 40)
    }

    /// The line of the error as it is written.
    fn line_text(&self) -> &'a str {
        let line = self.file.line(self.span.start);
        self.file.line_text(line).unwrap_or_default()
    }

    /// The node of the error: the outermost one that covers exactly its span, else the innermost around it.
    fn node(&self) -> Option<NodeId> {
        let exact = self
            .nodes
            .iter()
            .copied()
            .find(|&id| self.ast.span(id) == self.span);
        exact.or_else(|| self.nodes.last().copied())
    }

    /// The first node, from the inside, that `wanted` takes.
    fn around<T>(&self, wanted: impl Fn(&Ast, NodeId) -> Option<T>) -> Option<T> {
        self.nodes.iter().rev().find_map(|&id| wanted(&self.ast, id))
    }

    /// A node on the error's line that `wanted` takes.
    fn on_line<T>(&self, wanted: impl Fn(&Ast, NodeId) -> Option<T>) -> Option<T> {
        let line = self.file.line(self.span.start);
        let own = self.ast.ids().filter(|&id| self.line_of(id) == line);
        let mut found = own.filter_map(|id| wanted(&self.ast, id));
        found.next()
    }

    /// Whether a name is assigned first in a block that was meant as the fields of an instance: right behind a statement
    /// that ends with a name, on its line.
    fn is_meant_as_field(&self, name: &str) -> bool {
        if !self.line_text().contains(&format!("{{ {name} = ")) {
            return false;
        }
        let block = self
            .around(|ast, id| matches!(ast.node(id), Node::Block(_)).then(|| ast.span(id).start as usize));
        let before = &self.file.text()[..block.unwrap_or_default()];
        let end = before.trim_end_matches([' ', '\t']).len() as u32;
        let follows_statement = self.on_line(|ast, id| {
            let ends_with_name = match ast.node(id) {
                Node::ExprStmt(value)
                | Node::Let { value, .. }
                | Node::Const { value, .. }
                | Node::Assign { value, .. } => {
                    matches!(ast.node(value), Node::Name(_) | Node::Member { .. })
                }
                _ => false,
            };
            (ends_with_name && ast.span(id).end == end).then_some(())
        });
        follows_statement.is_some()
    }

    /// The line that a node starts in.
    fn line_of(&self, id: NodeId) -> u32 {
        self.file.line(self.ast.span(id).start)
    }
}

struct Helper<'a> {
    engine: &'a Engine,
    message: &'a str,
    site: Option<&'a Site<'a>>,
}

/// The text between single quotes at the beginning of `text`.
fn quoted(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('\'')?.split_once('\'')
}

fn meant<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(name, candidates).map(|meant| format!("did you mean '{meant}'?"))
}

/// The member that was probably meant, else all that there are.
fn meant_or_all(name: &str, of: &str, members: &[String]) -> Option<String> {
    let all = || (!members.is_empty()).then(|| format!("{of} has {}", members.join(", ")));
    meant(name, members.iter().map(String::as_str)).or_else(all)
}

impl Helper<'_> {
    // --- names ---

    fn name(&self) -> Option<String> {
        if let Some(rest) = self.message.strip_prefix("Enum '") {
            let (of, rest) = rest.split_once("' has no variant '")?;
            let Some(Value::EnumDef(_)) = self.engine.global(of) else {
                return None;
            };
            let members = self.engine.members(&self.engine.global(of)?);
            return meant_or_all(rest.strip_suffix('\'')?, of, &members);
        }
        let name = self.message.strip_prefix("Undefined variable: ")?;
        if let Some(text) = written_here(name) {
            return Some(text.to_owned());
        }
        let mut known = self.engine.known_names();
        let Some(site) = self.site else {
            return meant(name, known.iter().map(String::as_str));
        };
        if site.line_text().trim_start().starts_with("--") {
            return Some("comments start with //".to_owned());
        }
        if is_dict_key(site, name) {
            return Some(format!(
                "the keys of a dict are expressions; write {{\"{name}\": …}}"
            ));
        }
        if site.is_meant_as_field(name) {
            return Some(format!("fields are given with a colon: {name}: value"));
        }
        if let Some(text) = field_of_method(site, name) {
            return Some(text);
        }
        let resolution = aether_resolve::resolve(&site.ast, true);
        let locals = resolution.bindings().iter().map(|binding| binding.name);
        let globals = resolution.globals().iter().map(|global| global.name);
        known.extend(locals.chain(globals).map(|name| site.ast.text(name).to_owned()));
        let is_assigned = site.on_line(|ast, id| match ast.node(id) {
            Node::Assign { target, .. }
                if ast.name_of(target).is_some_and(|symbol| ast.text(symbol) == name) =>
            {
                Some(())
            }
            _ => None,
        });
        if has_module(name) && is_assigned.is_none() {
            return Some(import_help(name));
        }
        undefined_help(name, known.iter().map(String::as_str), is_assigned.is_some())
    }

    fn import(&self) -> Option<String> {
        if let Some(rest) = self.message.strip_prefix("Module not found: ") {
            let (name, _) = quoted(rest)?;
            return meant(name, library_modules().map(|module| module.name))
                .or_else(|| built_in_without_module(name).map(str::to_owned));
        }
        self.module_member()
    }

    fn module_member(&self) -> Option<String> {
        let rest = self.message.strip_prefix("Module ")?;
        let (module, rest) = quoted(rest)?;
        let (name, _) = quoted(rest.strip_prefix(" has no property ")?)?;
        let value = self
            .engine
            .global(module)
            .or_else(|| self.engine.prelude_value(module));
        let members: Vec<String> = match value {
            Some(value @ Value::Module(_)) => self.engine.members(&value),
            _ if self.engine.has_module_from_file(module) => return None,
            _ => library_modules()
                .filter(|known| known.name == module)
                .flat_map(LibraryModule::names)
                .map(str::to_owned)
                .collect(),
        };
        meant(name, members.iter().map(String::as_str))
            .or_else(|| name.contains("sqrt").then(|| "did you mean 'sqrt'?".to_owned()))
            .or_else(|| {
                let shown: Vec<&str> = members.iter().take(8).map(String::as_str).collect();
                (!shown.is_empty()).then(|| {
                    let more = if members.len() > shown.len() { ", …" } else { "" };
                    format!("it has {}{more}", shown.join(", "))
                })
            })
    }

    // --- members and keys ---

    fn property(&self) -> Option<String> {
        if let Some(rest) = self.message.strip_prefix("Method ") {
            let (name, rest) = quoted(rest)?;
            let (of, _) = quoted(rest.strip_prefix(" does not exist on type ")?)?;
            return self.method(name, of);
        }
        if let Some(text) = self.module_member() {
            return Some(text);
        }
        if self.message.starts_with("Enum '") {
            return self.name();
        }
        let (of, rest) = quoted(self.message)?;
        let (name, _) = quoted(rest.strip_prefix(" has no property ")?)?;
        if of == "null" {
            return self.null_object(name);
        }
        if let Some(members) = self.members_of(of) {
            return meant_or_all(name, of, &members);
        }
        match (of, name) {
            ("int" | "float" | "bool", "length" | "len" | "size") => {
                Some("numbers have no length; str(x).length counts the characters of its text".to_owned())
            }
            _ => method_here(name)
                .map(str::to_owned)
                .or_else(|| built_in_property(of, name)),
        }
    }

    /// The members that a struct or enum of the program declares.
    fn members_of(&self, type_name: &str) -> Option<Vec<String>> {
        match self.engine.global(type_name)? {
            Value::StructDef(definition) => {
                let fields = definition.fields().iter().map(|name| name.as_str().to_owned());
                let methods = definition
                    .methods()
                    .iter()
                    .map(|(name, _)| name.as_str().to_owned());
                Some(fields.chain(methods).collect())
            }
            value @ Value::EnumDef(_) => Some(self.engine.members(&value)),
            _ => None,
        }
    }

    fn method(&self, name: &str, of: &str) -> Option<String> {
        if of == "null" {
            return self.null_object(name);
        }
        if let Some(members) = self.members_of(of) {
            return meant_or_all(name, of, &members);
        }
        match (of, name) {
            ("dict", "push" | "add" | "append" | "insert" | "put" | "set") => {
                return Some("an entry is set with d[key] = value".to_owned());
            }
            ("set", "push" | "append") => return Some("an element is added with add(x)".to_owned()),
            ("string", "slice") => return method_here("substring").map(str::to_owned),
            ("array", "is_empty" | "isEmpty") => {
                return Some("an array is empty if a.length == 0".to_owned());
            }
            _ => {}
        }
        if let Some(text) = method_here(name) {
            return Some(text.to_owned());
        }
        // The type itself has no such method.
        if matches!(of, "iterator" | "file" | "file_lines")
            && methods_of("array").any(|method| method == name)
        {
            return Some(format!("arrays have it: write collect().{name}(…)"));
        }
        meant(name, methods_of(of))
    }

    /// What was null where a member of it was wanted.
    fn null_object(&self, name: &str) -> Option<String> {
        let site = self.site?;
        let member = |ast: &Ast, id| match ast.node(id) {
            Node::Member {
                object,
                name: symbol,
                optional: false,
            } if ast.text(symbol) == name => Some(object),
            _ => None,
        };
        let object = site.around(member).or_else(|| site.on_line(member))?;
        let text = site.short_text(object)?;
        Some(match site.ast.node(object) {
            Node::Null => return None,
            Node::Call { callee, .. } => {
                let called = site.short_text(callee).unwrap_or("the function");
                format!(
                    "{text} gave null: {called} returned nothing here; {text}?.{name} gives null instead of an error"
                )
            }
            _ => format!("{text} is null here; {text}?.{name} gives null instead of an error"),
        })
    }

    fn key(&self) -> Option<String> {
        let message = self
            .message
            .strip_prefix("Invalid operation: ")
            .unwrap_or(self.message);
        let (key, is_member) = match message.strip_prefix("Key '") {
            Some(rest) => (rest.split_once("' not found")?.0, true),
            None => (message.strip_prefix("Key ")?.split_once(" not found")?.0, false),
        };
        let site = self.site?;
        let mut keys: Vec<String> = Vec::new();
        for id in site.ast.ids() {
            match site.ast.node(id) {
                Node::Dict(entries) => {
                    let texts = site.ast.list(entries).iter().step_by(2);
                    keys.extend(texts.filter_map(|&key| match site.ast.node(key) {
                        Node::Str(symbol) => Some(site.ast.text(symbol).to_owned()),
                        _ => None,
                    }));
                }
                Node::Assign { target, .. } => {
                    if let Node::Index { index, .. } = site.ast.node(target)
                        && let Node::Str(symbol) = site.ast.node(index)
                    {
                        keys.push(site.ast.text(symbol).to_owned());
                    }
                }
                _ => {}
            }
        }
        if let Some(text) = meant(key, keys.iter().map(String::as_str)) {
            return Some(text);
        }
        Some(if is_member {
            format!("d?.[\"{key}\"] gives null where there is no such key, d.get(\"{key}\", x) gives x")
        } else {
            "d?.[key] gives null where there is no such key, d.get(key, x) gives x; key in d tests".to_owned()
        })
    }

    fn index(&self) -> Option<String> {
        let rest = self.message.strip_prefix("Index ")?;
        let (index, rest) = rest.split_once(" out of bounds for array of length ")?;
        let _: usize = rest.parse().ok()?;
        index
            .starts_with('-')
            .then(|| "indices count from 0; the last element is a.last(), or a.get(-1)".to_owned())
    }

    // --- calls ---

    fn arity(&self) -> Option<String> {
        if let Some(rest) = self.message.strip_prefix("Unknown argument ") {
            let (name, _) = quoted(rest)?;
            let (declared, names) = self.parameters()?;
            let names = names.iter().map(|name| name.trim_start_matches('.'));
            return meant(name, names).or(Some(format!("it is declared as {declared}")));
        }
        if self.message.starts_with("Argument ") {
            return Some("it is given by position and by name; leave one of the two out".to_owned());
        }
        if let Some((declared, _)) = self.parameters() {
            return Some(format!("it is declared as {declared}"));
        }
        let site = self.site?;
        let callee = self.callee()?;
        let (name, (least, most, params)) = match site.ast.node(callee) {
            Node::Name(symbol) => {
                let name = site.ast.text(symbol);
                (name, function_params(name)?)
            }
            Node::Member { name, object, .. } => {
                let name = site.ast.text(name);
                match self.global_of(object) {
                    Some(Value::EnumDef(definition)) => {
                        let mut variants = definition.variants().iter();
                        let variant = variants.find(|variant| variant.name.as_str() == name)?;
                        let fields: Vec<&str> = variant.fields.iter().map(|field| field.as_str()).collect();
                        return Some(format!("the variant has the fields ({})", fields.join(", ")));
                    }
                    Some(Value::Module(module)) => (name, member_params(module.name().as_str(), name)?),
                    _ => (name, method_params(name)?),
                }
            }
            _ => return None,
        };
        // The error may be that of a function which the built-in has called.
        let (wanted, got) = self
            .message
            .strip_prefix("Expected ")?
            .split_once(" arguments, got ")?;
        let (wanted, got): (usize, usize) = (wanted.parse().ok()?, got.parse().ok()?);
        if (wanted, wanted) != (least, most) && wanted != if got < wanted { least } else { most } {
            return None;
        }
        Some(format!("it is called as {name}({})", params.join(", ")))
    }

    /// What is called at the error's place.
    fn callee(&self) -> Option<NodeId> {
        let site = self.site?;
        let call = |ast: &Ast, id| match ast.node(id) {
            Node::Call { callee, .. } => Some(ast.without_groups(callee)),
            _ => None,
        };
        let own = site.node().and_then(|id| call(&site.ast, id));
        own.or_else(|| site.around(call)).or_else(|| site.on_line(call))
    }

    /// The value of an expression that is the name of a global.
    fn global_of(&self, id: NodeId) -> Option<Value> {
        let site = self.site?;
        match site.ast.node(id) {
            Node::Name(symbol) => self.engine.global(site.ast.text(symbol)),
            _ => None,
        }
    }

    /// How the function that is called is declared, with its line, and its parameters.
    fn parameters(&self) -> Option<(String, Vec<String>)> {
        let callee = self.callee()?;
        let value = self.global_of(callee)?;
        let signature = self.engine.signature(&value)?;
        let site = self.site?;
        let name = site.text_of(callee);
        let declaration = site.ast.ids().find(|&id| match site.ast.node(id) {
            Node::FunctionDecl(function) => {
                let declared = site
                    .ast
                    .function(function)
                    .name
                    .and_then(|name| site.ast.name_of(name));
                declared.is_some_and(|declared| site.ast.text(declared) == name)
            }
            _ => false,
        });
        let place = declaration.map_or_else(String::new, |id| format!(" in line {}", site.line_of(id)));
        let names = signature.split(", ").map(str::to_owned).collect();
        Some((format!("{name}({signature}){place}"), names))
    }

    // --- types ---

    fn types(&self) -> Option<String> {
        let rest = self.message.strip_prefix("Type error: expected ")?;
        let (expected, got) = rest.split_once(", got ")?;
        if let Some((got, name)) = got.split_once(" for '") {
            return Some(Self::annotated(expected, got, name.trim_end_matches('\'')));
        }
        if got.contains("promise") {
            return Some("the value of a promise comes with await: await f(x)".to_owned());
        }
        if let Some(text) = self.null_operand(got) {
            return Some(text);
        }
        let text = match (expected, got) {
            ("function", "struct") => "instances are written Name { field: value }",
            ("function", "enum") => "values of an enum are written Name.Variant or Name.Variant(value)",
            ("function", "null") => {
                "what is called here is null; a function is declared with fn name(…) { … }"
            }
            ("function", got) => return self.not_callable(got),
            ("number", "string and int") => "a text is repeated with text.repeat(n)",
            ("number", got) if got.contains("string") => "int(text) or float(text) makes a number of a text",
            ("number or string", "array and array") => "arrays are joined with [...a, ...b], or a.concat(b)",
            ("number or string", "dict and dict") => "dicts are joined with a.merge(b)",
            ("number or string", "set and set") => "sets are joined with a.union(b)",
            ("number or string", got) if got.starts_with("array and") => "an element is added with a.push(x)",
            ("int", got) if got.contains("bool") => return self.bit_operator(),
            ("int", got) if got.contains("float") => "int(x) cuts a float off, round(x) rounds it",
            ("array", _) if self.is_loop_of_pairs() => {
                "two variables take pairs; for an index beside each item write for i, x in items.enumerate()"
            }
            ("array", "string") if self.is_element_set() => {
                "a text does not change; a new one is made of its parts: s[:i] + \"x\" + s[i + 1:]"
            }
            ("array", got)
                if !got.contains(' ') && self.is_pattern(|node| matches!(node, Node::ArrayPattern(_))) =>
            {
                "a pattern [a, b] takes an array apart; dicts are taken apart with {a, b}"
            }
            ("dict", "null") if self.is_pattern(|node| matches!(node, Node::DictPattern(_))) => {
                "a pattern {a, b} takes a dict apart, and this is null"
            }
            ("array or string with integer index", got) if got.starts_with("set") => {
                "a set has no order: x in s tests, s.to_array() gives an array"
            }
            ("array or string with integer index", got) if got.ends_with("float") => {
                "an index is an int: a[int(x)]"
            }
            ("array or string with integer index", got) if got.ends_with("string") => {
                "an index is an int; only dicts and instances have names"
            }
            ("comparable types", _) => {
                "only numbers with numbers and texts with texts have an order; convert one: int(x), str(x)"
            }
            (expected, "array (not hashable)") if expected.starts_with("hashable") => {
                "an array cannot be a key or an element of a set; a text of it can: str(a)"
            }
            (expected, _) if expected.starts_with("hashable") => {
                "only values that never change can be keys or elements of a set; str(x) makes a text"
            }
            (expected, "int") if expected.starts_with("iterable") => "to count, write for i in 0..n { … }",
            (expected, "null") if expected.starts_with("iterable") => {
                "there is nothing to go through: it is null; x ?? [] gives an empty array instead"
            }
            (expected, got) if expected.starts_with("integer") && got.starts_with("string and") => {
                "values are put into a text with \"${value}\" or format(\"{}\", value)"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// A value that does not fit an annotation.
    fn annotated(expected: &str, got: &str, name: &str) -> String {
        if got == "null" {
            return format!(
                "'{name}' is declared {expected}: give it a value, or declare it {expected}? so that null is allowed"
            );
        }
        match (expected, got) {
            ("int", "string") => format!("'{name}' is declared int; int(text) makes one of a text"),
            ("float" | "number", "string") => {
                format!("'{name}' is declared {expected}; float(text) makes one of a text")
            }
            ("int", "float") => {
                format!("'{name}' is declared int; int(x) cuts a float off, round(x) rounds it")
            }
            ("string", _) => format!("'{name}' is declared string; str(x) makes a text"),
            _ => format!("'{name}' is declared {expected}; give it one, or declare it {expected} | {got}"),
        }
    }

    /// Which operand of an operator was null.
    fn null_operand(&self, got: &str) -> Option<String> {
        let (left, right) = got.split_once(" and ")?;
        let site = self.site?;
        let sides = site.around(|ast, id| match ast.node(id) {
            Node::Binary { lhs, rhs, .. } => Some((lhs, rhs)),
            Node::CompoundAssign { target, value, .. } => Some((target, value)),
            Node::Index { object, index, .. } => Some((object, index)),
            _ => None,
        });
        let (lhs, rhs) = sides?;
        let side = match (left, right) {
            ("null", _) => lhs,
            (_, "null") => rhs,
            _ => return None,
        };
        let text = site.short_text(side)?;
        Some(match site.ast.node(side) {
            Node::Call { callee, .. } => {
                let called = site.short_text(callee).unwrap_or("the function");
                format!("{text} gave null: {called} returned nothing here")
            }
            Node::Name(_) => format!("'{text}' is null here; an argument that is not given is null too"),
            _ => format!("{text} is null here; {text} ?? x gives x instead"),
        })
    }

    fn not_callable(&self, got: &str) -> Option<String> {
        let site = self.site?;
        let callee = self.callee()?;
        // A built-in that was given something else than a function says the same of its argument.
        let is_callable = match site.ast.node(callee) {
            Node::Name(symbol) => function_params(site.ast.text(symbol)).is_some(),
            Node::Member { name, object, .. } => match self.global_of(object) {
                Some(Value::Module(module)) => {
                    member_params(module.name().as_str(), site.ast.text(name)).is_some()
                }
                _ => is_method(site.ast.text(name)),
            },
            _ => false,
        };
        if is_callable {
            return None;
        }
        let text = site.short_text(callee)?;
        Some(format!(
            "{text} holds a value of type {got} here, which cannot be called"
        ))
    }

    /// Whether something is taken apart by such a pattern on the error's line.
    fn is_pattern(&self, kind: impl Fn(Node) -> bool) -> bool {
        let found = self
            .site
            .and_then(|site| site.on_line(|ast, id| kind(ast.node(id)).then_some(())));
        found.is_some()
    }

    /// Whether an element is assigned to on the error's line.
    fn is_element_set(&self) -> bool {
        let found = self.site.and_then(|site| {
            site.on_line(|ast, id| match ast.node(id) {
                Node::Assign { target, .. } | Node::CompoundAssign { target, .. } => {
                    matches!(ast.node(target), Node::Index { .. }).then_some(())
                }
                _ => None,
            })
        });
        found.is_some()
    }

    /// Whether the error is in a `for` with two variables, and not in its body.
    fn is_loop_of_pairs(&self) -> bool {
        let Some(site) = self.site else {
            return false;
        };
        let pairs = site.on_line(|ast, id| match ast.node(id) {
            Node::For {
                binding, iterable, ..
            } if matches!(ast.node(binding), Node::PairPattern { .. }) => Some((binding, iterable)),
            _ => None,
        });
        pairs.is_some_and(|(binding, iterable)| {
            let head = site.ast.span(binding).start..site.ast.span(iterable).end;
            head.contains(&site.span.start)
        })
    }

    fn bit_operator(&self) -> Option<String> {
        let site = self.site?;
        let (op, lhs, rhs) = site.around(|ast, id| match ast.node(id) {
            Node::Binary { op, lhs, rhs }
                if matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor) =>
            {
                Some((op, lhs, rhs))
            }
            _ => None,
        })?;
        let sign = op.as_str();
        if let Node::Binary {
            op: comparison,
            lhs: left,
            rhs: right,
        } = site.ast.node(rhs)
            && comparison.is_comparison()
        {
            let (a, b, c) = (
                site.short_text(lhs)?,
                site.short_text(left)?,
                site.short_text(right)?,
            );
            let comparison = comparison.as_str();
            return Some(format!(
                "{comparison} binds tighter than {sign}; write ({a} {sign} {b}) {comparison} {c}"
            ));
        }
        Some(format!(
            "{sign} works on the bits of ints; for conditions write && and ||"
        ))
    }

    // --- values ---

    fn division(&self) -> Option<String> {
        let site = self.site?;
        let divisor = site.around(|ast, id| match ast.node(id) {
            Node::Binary {
                op: BinaryOp::Divide | BinaryOp::Remainder,
                rhs,
                ..
            } => Some(rhs),
            Node::CompoundAssign {
                op: BinaryOp::Divide | BinaryOp::Remainder,
                value,
                ..
            } => Some(value),
            _ => None,
        })?;
        let text = site
            .short_text(divisor)
            .filter(|text| !matches!(*text, "0" | "0.0"))?;
        Some(format!("{text} is 0 here; test it before"))
    }

    fn conversion(&self) -> Option<String> {
        let rest = self.message.strip_prefix("Cannot convert string ")?;
        let (text, rest) = quoted(rest)?;
        let wanted = rest.strip_prefix(" to ")?;
        Some(if text.trim().is_empty() {
            "the text is empty; test it before, or catch the error with try".to_owned()
        } else if text.contains(',') && wanted == "float" {
            format!(
                "a decimal point is written '.': \"{}\"",
                text.replacen(',', ".", 1)
            )
        } else if wanted == "int" && text.trim().parse::<f64>().is_ok() {
            "it is a float: int(float(text)) cuts it off".to_owned()
        } else {
            "the text has to be a number as a whole; catch the error with try { … } catch (e) { … }"
                .to_owned()
        })
    }

    fn io(&self) -> Option<String> {
        if self.message.contains("No such file or directory") {
            return Some(
                "a path is looked for from the working directory; file_exists(path) tests it".to_owned(),
            );
        }
        if self.message.contains("Is a directory") {
            return Some("list_dir(path) gives the names in a directory".to_owned());
        }
        None
    }

    fn value(&self) -> Option<String> {
        if self.message.starts_with("No match arm for value") {
            return Some("add an arm for it, or _ => … for all the rest".to_owned());
        }
        let is_unquoted = |what| self.message.starts_with(&format!("Parse error (JSON): {what}"));
        if is_unquoted("key must be a string") || is_unquoted("expected value") {
            return Some("JSON writes keys and texts in double quotes: {\"name\": \"Ada\"}".to_owned());
        }
        None
    }
}

/// Every module that comes with the engine.
fn library_modules() -> impl Iterator<Item = &'static LibraryModule> {
    aether_eval::library_modules().chain(aether_stdlib::MODULES)
}

/// Fewest and most arguments of a built-in, and the names of its parameters.
type Parameters = (usize, usize, &'static [&'static str]);

/// The parameters of a built-in, if they are known.
fn params_of(info: &'static BuiltinInfo) -> Option<Parameters> {
    let known = (!info.params.is_empty()).then_some(info.params)?;
    Some((usize::from(info.min_args), usize::from(info.max_args), known))
}

/// The parameters of a global function.
fn function_params(name: &str) -> Option<Parameters> {
    let mut functions = aether_eval::core_builtins()
        .chain(
            aether_eval::predefined_modules()
                .iter()
                .flat_map(|module| module.functions),
        )
        .chain(aether_stdlib::ALL.iter().copied().flatten());
    params_of(&functions.find(|def| def.info.name == name)?.info)
}

/// The parameters of a function of a module.
fn member_params(module: &str, name: &str) -> Option<Parameters> {
    let parts = library_modules().filter(|known| known.name == module);
    let found = parts
        .flat_map(|part| part.functions)
        .find(|def| def.info.name == name)?;
    params_of(&found.info)
}

/// The parameters of a built-in method: those of the function of its name behind the first, if the types that have the
/// method are the one that this takes, and iterators.
fn method_params(name: &str) -> Option<Parameters> {
    let (_, _, params) = function_params(name)?;
    let (receiver, params) = params.split_first()?;
    let mut counts = None;
    for (place, def) in aether_eval::all_builtins().filter(|(_, def)| def.info.name == name) {
        match place {
            Place::Method(tag) if [*receiver, "iterator"].contains(&aether_value::tag::name(tag)) => {
                counts = Some((usize::from(def.info.min_args), usize::from(def.info.max_args)));
            }
            Place::Method(_) | Place::EveryValue | Place::Namespace(_) => return None,
            Place::Global | Place::Module(_) => {}
        }
    }
    let (least, most) = counts.filter(|_| !params.is_empty())?;
    Some((least, most, params))
}

/// Whether values of some built-in type have a method of this name.
fn is_method(name: &str) -> bool {
    let mut named = aether_eval::all_builtins().filter(|(_, def)| def.info.name == name);
    named.any(|(place, _)| matches!(place, Place::Method(_) | Place::EveryValue))
}

/// What was probably meant by a property that a value of a built-in type does not have.
fn built_in_property(of: &str, name: &str) -> Option<String> {
    if methods_of(of).any(|method| method == name) {
        return Some(format!("'{name}' is a method, which is called: {name}(…)"));
    }
    meant(name, properties_of(of).iter().copied().chain(methods_of(of)))
}

/// Whether a module that comes with the engine has a member.
fn has_member(module: &str, name: &str) -> bool {
    let mut parts = library_modules().filter(|known| known.name == module);
    parts.any(|part| part.names().any(|known| known == name))
}

/// Whether a module comes with the engine.
fn has_module(name: &str) -> bool {
    library_modules().any(|module| module.name == name)
}

/// What does the work of a module that other languages have and Aether does not.
fn built_in_without_module(name: &str) -> Option<&'static str> {
    Some(match name {
        "json" => "nothing is imported for JSON: json_parse(text) reads it, json_stringify(value) writes it",
        "csv" => "nothing is imported for CSV: csv_parse(text) reads it, csv_stringify(rows) writes it",
        "os" if has_module("process") => {
            "import env has the environment, import path the paths, import fs the files, import process other programs"
        }
        "os" if has_module("env") => {
            "import env has the environment, import path the paths; files need no import"
        }
        "subprocess" | "child_process" | "exec" if has_module("process") => {
            "import process runs other programs: process.run([\"ls\", \"-l\"]).stdout"
        }
        "sys" if has_module("process") => {
            "args holds the script's arguments; import process has exit, pid and other programs"
        }
        "shutil" | "tempfile" if has_module("fs") => "import fs has copy, remove_dir, temp_file and more",
        "regex" | "regexp" if has_module("re") => "import re has find, match, replace, split and more",
        "hashlib" | "crypto" | "uuid" | "secrets" | "hmac" if has_module("hash") => {
            "import hash has sha256, hmac_sha256, random_bytes, uuid and more"
        }
        "binascii" if has_module("hex") => "import hex and import base64 have encode and decode",
        "random" if has_module("rand") => {
            "import rand has range, choice, sample, shuffle and more; random() and rand_int(n) need no import"
        }
        "statistics" if has_member("math", "mean") => {
            "import math has mean, median, stdev, quantile and more"
        }
        "pathlib" | "glob" if has_module("path") => "import path has join, stem, ext, glob and more",
        "fs" | "os" | "path" | "pathlib" | "file" => {
            "nothing is imported for files: read_file(path), write_file(path, text), list_dir(path), path_join(a, b)"
        }
        "sys" => "nothing is imported for it: args holds the script's arguments",
        "http" | "https" | "requests" | "urllib" => {
            "nothing is imported for HTTP: http_get(url) and http_post(url, body) are there"
        }
        "time" | "datetime" => "nothing is imported for it: clock() gives seconds, sleep(seconds) waits",
        "random" => "nothing is imported for it: random() gives a float, rand_int(n) an int below n",
        "asyncio" => "nothing is imported for it: async fn, await and Promise are there",
        _ => return None,
    })
}

/// Whether the name is the key of an entry of a dict literal on the error's line.
fn is_dict_key(site: &Site<'_>, name: &str) -> bool {
    let key = site.on_line(|ast, id| {
        let Node::Dict(entries) = ast.node(id) else {
            return None;
        };
        ast.list(entries)
            .iter()
            .step_by(2)
            .find(|&&key| ast.name_of(key).is_some_and(|symbol| ast.text(symbol) == name))
            .copied()
    });
    key.is_some()
}

/// Whether the name is a field of the struct whose method uses it.
fn field_of_method(site: &Site<'_>, name: &str) -> Option<String> {
    site.around(|ast, id| {
        let Node::Struct(definition) = ast.node(id) else {
            return None;
        };
        let definition = ast.structure(definition);
        let names = |id: NodeId| match ast.node(id) {
            Node::DefaultPattern { target, .. } => ast.name_of(target),
            Node::FunctionDecl(function) => ast.function(function).name.and_then(|name| ast.name_of(name)),
            _ => ast.name_of(id),
        };
        let members = ast
            .list(definition.fields)
            .iter()
            .chain(ast.list(definition.methods));
        members
            .filter_map(|&member| names(member))
            .any(|member| ast.text(member) == name)
            .then(|| format!("a member of the instance is written self.{name}"))
    })
}
