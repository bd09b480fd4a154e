//! Declarations: `let`, functions, structs, enums, imports.

use aether_ast::{Enum, Function, FunctionKind, List, Node, NodeId, Struct, Symbol};
use aether_lexer::TokenKind as T;
use chumsky::prelude::*;

use crate::builder::{Builder, Inside};
use crate::cursor::{
    Cursor, Parsed, Production, eat, fail, give_up, index, missing, peek, peek_at, peek_kind, skip_to,
    span_from, token, want,
};
use crate::list::{braces, bracketed, close, comma_items, parens, square_brackets};
use crate::pattern::binding;
use crate::precedence::starts_expression;

/// `let p = e`.
pub(crate) fn let_declaration(expression: Production<'_, NodeId>) -> Production<'_, NodeId> {
    token(T::Let, "let")
        .ignore_then(let_rest(expression))
        .map_with(|(pattern, value), extra| {
            let tokens = extra.span();
            let state = extra.state();
            let span = state.span(tokens.start, tokens.end);
            state.add(Node::Let { pattern, value }, span)
        })
        .boxed()
}

/// What follows the word `let`.
pub(crate) fn let_rest(expression: Production<'_, NodeId>) -> Production<'_, (NodeId, NodeId)> {
    annotated_binding(expression.clone())
        .then_ignore(token(T::Assign, "="))
        .then(expression)
        .boxed()
}

/// What a `let` binds: a pattern, or a name perhaps with its type.
fn annotated_binding<'t>(expression: Production<'t, NodeId>) -> Production<'t, NodeId> {
    let binding = binding(expression);
    custom(move |inp: &mut Cursor<'t, '_>| {
        let pattern = inp.parse(&binding)?;
        if matches!(inp.state().ast.node(pattern), Node::Ident(_)) {
            annotation(inp, T::Colon, pattern)?;
        }
        Ok(pattern)
    })
    .boxed()
}

/// The type behind `mark`, if that comes next, for a declared name or the body of a function.
fn annotation(inp: &mut Cursor<'_, '_>, mark: T, declared: NodeId) -> Parsed<()> {
    if eat(inp, mark) {
        let annotation = type_annotation(inp)?;
        inp.state().ast.annotate(declared, annotation);
    }
    Ok(())
}

/// The body of a function, perhaps behind the type of its result.
pub(crate) fn function_body<'t>(
    inp: &mut Cursor<'t, '_>,
    block: &Production<'t, NodeId>,
    is_async: bool,
) -> Parsed<NodeId> {
    let result = if eat(inp, T::Arrow) {
        Some(type_annotation(inp)?)
    } else {
        None
    };
    let body = with_function_scope(inp, Inside::function(is_async), |inp| inp.parse(block))?;
    if let Some(result) = result {
        inp.state().ast.annotate(body, result);
    }
    Ok(body)
}

/// `T | U`, where each is a name, perhaps with types in brackets, and perhaps a `?`.
fn type_annotation(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let mark = inp.state().scratch.len();
    loop {
        let single = single_type(inp)?;
        inp.state().scratch.push(single);
        if !eat(inp, T::Pipe) {
            break;
        }
    }
    let span = span_from(inp, start);
    let state = inp.state();
    if let [only] = state.scratch[mark..] {
        state.scratch.truncate(mark);
        return Ok(only);
    }
    let types = state.take_list(mark);
    Ok(state.add(Node::UnionType(types), span))
}

fn single_type(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let next = peek(inp);
    if !matches!(next.kind, T::Ident | T::Null | T::Fn) {
        return fail(inp, "type");
    }
    inp.skip();
    let mark = inp.state().scratch.len();
    let bracket = peek(inp);
    if bracket.kind == T::LeftBracket && !bracket.on_new_line() {
        let delimiters = square_brackets("type");
        bracketed(inp, delimiters, |inp, open| {
            comma_items(inp, delimiters, open, |inp| {
                let inner = type_annotation(inp)?;
                inp.state().scratch.push(inner);
                Ok(())
            })
        })?;
    }
    let state = inp.state();
    let text = state.slice(next);
    let wanted = match text {
        "array" | "set" => 1,
        "dict" => 2,
        _ => 0,
    };
    let given = state.scratch.len() - mark;
    if given > 0 && given != wanted && !state.panicking() {
        let what = format!("Type '{text}' takes {wanted} types in brackets, got {given}");
        let help = "only containers have types within: array[T], set[T], dict[K, V]";
        state.finding("E0122", &what, next.span(), help);
    }
    let (name, args) = (state.intern(next), state.take_list(mark));
    let span = span_from(inp, start);
    let mut node = inp.state().add(Node::TypeName { name, args }, span);
    while peek_kind(inp) == T::Question && !peek(inp).on_new_line() {
        inp.skip();
        let span = span_from(inp, start);
        node = inp.state().add(Node::OptionalType(node), span);
    }
    Ok(node)
}

/// `( a, b = e, ...c )`, the parameters of a function. Duplicates are reported, and what stands in no order.
pub(crate) fn params<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<List> {
    let mark = inp.state().scratch.len();
    if peek_kind(inp) != T::LeftParen {
        return fail(inp, "(");
    }
    let delimiters = parens("parameter name");
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let param = param(inp, expression)?;
            inp.state().scratch.push(param);
            Ok(())
        })
    })?;
    let state = inp.state();
    check_order(state, mark);
    report_duplicates(state, mark, "parameter", param_name);
    Ok(state.take_list(mark))
}

/// Reports each of the nodes pushed since `mark` that declares the same name as one before it. `kind` is what they are
/// called, and `name_of` gives the name of one. `_` declares nothing.
fn report_duplicates(
    state: &mut Builder<'_>,
    mark: usize,
    kind: &str,
    name_of: fn(&Builder<'_>, NodeId) -> NodeId,
) {
    // Lists are short; a long one is compared by sorting.
    let mut seen: Vec<(Symbol, NodeId)> = state.scratch[mark..]
        .iter()
        .map(|&item| name_of(state, item))
        .filter_map(|name| state.ast.name_of(name).map(|symbol| (symbol, name)))
        .collect();
    if seen.len() < 2 {
        return;
    }
    seen.sort();
    for pair in seen.windows(2) {
        let ((symbol, _), (again, name)) = (pair[0], pair[1]);
        if symbol == again && state.ast.text(symbol) != "_" {
            let what = format!("Duplicate {kind} name '{}'", state.ast.text(symbol));
            let span = state.ast.span(name);
            let help = format!("give each {kind} a name of its own");
            state.finding("E0112", &what, span, &help);
        }
    }
}

/// `a`, `a = e` or `...a`.
fn param<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<NodeId> {
    let start = index(inp);
    if eat(inp, T::Ellipsis) {
        let name = want(inp, T::Ident, "parameter name")?;
        let name = inp.state().ident(name);
        annotation(inp, T::Colon, name)?;
        let span = span_from(inp, start);
        return Ok(inp.state().add(Node::RestPattern(name), span));
    }
    let name = want(inp, T::Ident, "parameter name")?;
    let target = inp.state().ident(name);
    annotation(inp, T::Colon, target)?;
    if !eat(inp, T::Assign) {
        return Ok(target);
    }
    let default = inp.parse(expression)?;
    let span = span_from(inp, start);
    Ok(inp.state().add(Node::DefaultPattern { target, default }, span))
}

/// The name that a parameter or a field declares.
fn param_name(state: &Builder<'_>, param: NodeId) -> NodeId {
    match state.ast.node(param) {
        Node::DefaultPattern { target, .. } | Node::RestPattern(target) => target,
        _ => param,
    }
}

/// The name that a method or a variant declares.
fn declared_name(state: &Builder<'_>, declaration: NodeId) -> NodeId {
    state.ast.declared_name(declaration).unwrap_or(declaration)
}

/// Reports a parameter without a default behind one with a default, and a rest that is not last.
fn check_order(state: &mut Builder<'_>, mark: usize) {
    let params = state.scratch[mark..].to_vec();
    let mut has_default = false;
    for (at, &param) in params.iter().enumerate() {
        let name = param_name(state, param);
        let text = state
            .ast
            .name_of(name)
            .map_or_else(String::new, |name| state.ast.text(name).to_owned());
        let span = state.ast.span(param);
        match state.ast.node(param) {
            Node::DefaultPattern { .. } => has_default = true,
            Node::RestPattern(_) if at + 1 < params.len() => {
                let what = format!("Rest parameter '{text}' is not the last");
                state.finding("E0115", &what, span, "put it behind all others");
            }
            Node::RestPattern(_) => {}
            _ if has_default => {
                let what = format!("Parameter '{text}' without a default follows one with a default");
                let help = "give it a default too, or put it before those that have one";
                state.finding("E0116", &what, span, help);
            }
            _ => {}
        }
    }
}

/// Names between parentheses, pushed on the scratch stack.
fn names(inp: &mut Cursor<'_, '_>, what: &'static str) -> Parsed<()> {
    let delimiters = parens(what);
    bracketed(inp, delimiters, |inp, open| {
        comma_items(inp, delimiters, open, |inp| {
            let name = want(inp, T::Ident, what)?;
            let name = inp.state().ident(name);
            inp.state().scratch.push(name);
            Ok(())
        })
    })
}

/// Runs `inner` as a function's body: loops around the function are none of its own.
pub(crate) fn with_function_scope<'t, 'p, T>(
    inp: &mut Cursor<'t, 'p>,
    inside: Inside,
    inner: impl FnOnce(&mut Cursor<'t, 'p>) -> Parsed<T>,
) -> Parsed<T> {
    let state = inp.state();
    let base = std::mem::replace(&mut state.loop_base, state.loops.len());
    let lenient = std::mem::replace(&mut state.lenient_loops, false);
    let around = std::mem::replace(&mut state.inside, inside);
    let value = inner(inp)?;
    let state = inp.state();
    state.loop_base = base;
    state.lenient_loops = lenient;
    state.inside = around;
    Ok(value)
}

/// `[async] fn name(…) {…}`; `kind` says whether it is a method.
pub(crate) fn function_declaration<'t>(
    inp: &mut Cursor<'t, '_>,
    expression: &Production<'t, NodeId>,
    block: &Production<'t, NodeId>,
    kind: FunctionKind,
) -> Parsed<NodeId> {
    let start = index(inp);
    let is_async = eat(inp, T::Async);
    want(inp, T::Fn, "fn")?;
    function_rest(inp, expression, block, kind, start, is_async)
}

/// What follows the word `fn`.
pub(crate) fn function_rest<'t>(
    inp: &mut Cursor<'t, '_>,
    expression: &Production<'t, NodeId>,
    block: &Production<'t, NodeId>,
    kind: FunctionKind,
    start: usize,
    is_async: bool,
) -> Parsed<NodeId> {
    let name = want(inp, T::Ident, "function name")?;
    let name = inp.state().ident(name);
    let params = params(inp, expression)?;
    let body = function_body(inp, block, is_async)?;
    let span = span_from(inp, start);
    let state = inp.state();
    let function = state.ast.add_function(Function {
        kind,
        is_async,
        name: Some(name),
        params,
        body,
    });
    Ok(state.add(Node::FunctionDecl(function), span))
}

/// `struct Name { fields and methods }`.
pub(crate) fn struct_declaration<'t>(
    expression: Production<'t, NodeId>,
    block: Production<'t, NodeId>,
) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        inp.skip();
        let name = want(inp, T::Ident, "struct name")?;
        let name = inp.state().ident(name);
        let mut methods = Vec::new();
        let mark = inp.state().scratch.len();
        members(inp, "field name", |inp| {
            if begins_method(inp) {
                let at = index(inp);
                let method = function_declaration(inp, &expression, &block, FunctionKind::Method)?;
                inp.state().document(at, method);
                methods.push(method);
                return Ok(());
            }
            field(inp, &expression)
        })?;
        let span = span_from(inp, start);
        let state = inp.state();
        report_duplicates(state, mark, "field", param_name);
        let fields = state.take_list(mark);
        state.scratch.extend(methods);
        report_duplicates(state, mark, "method", declared_name);
        let methods = state.take_list(mark);
        let definition = state.ast.add_struct(Struct {
            name,
            fields,
            methods,
        });
        Ok(state.add(Node::Struct(definition), span))
    })
    .boxed()
}

/// Whether a method begins here: `fn` and `async` may also be the names of fields.
fn begins_method(inp: &mut Cursor<'_, '_>) -> bool {
    let word = usize::from(peek_kind(inp) == T::Async);
    let name = peek_at(inp, word + 1);
    // The name on the next line is another field, unless parameters follow it.
    peek_at(inp, word).kind == T::Fn
        && name.kind == T::Ident
        && (!name.on_new_line() || peek_at(inp, word + 2).kind == T::LeftParen)
}

/// Whether a declaration rather than a field begins with the word `let`: what it binds stands on its line.
fn begins_let(inp: &mut Cursor<'_, '_>) -> bool {
    let next = peek_at(inp, 1);
    let binds = matches!(next.kind, T::Ident | T::LeftBracket | T::LeftBrace);
    peek_kind(inp) == T::Let && binds && !next.on_new_line()
}

/// `name`, `name: T` or `name: T = e`; a comma after it may be left out at the end of a line or before a method.
fn field<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<()> {
    let name = peek(inp);
    if !name.kind.is_name() || begins_let(inp) {
        return fail(inp, "field name");
    }
    let at = index(inp);
    inp.skip();
    let name = inp.state().ident(name);
    inp.state().document(at, name);
    annotation(inp, T::Colon, name)?;
    let field = if eat(inp, T::Assign) {
        let default = field_default(inp, expression)?;
        let span = span_from(inp, at);
        let target = name;
        inp.state().add(Node::DefaultPattern { target, default }, span)
    } else {
        name
    };
    inp.state().scratch.push(field);
    eat(inp, T::Comma);
    Ok(())
}

/// The default of a field, as the function that gives it.
fn field_default<'t>(inp: &mut Cursor<'t, '_>, expression: &Production<'t, NodeId>) -> Parsed<NodeId> {
    let start = index(inp);
    let value = with_function_scope(inp, Inside::Function, |inp| inp.parse(expression))?;
    let span = span_from(inp, start);
    let state = inp.state();
    let result = state.add(Node::Return(Some(value)), span);
    let list = state.ast.add_list(&[result]);
    let body = state.add(Node::Block(list), span);
    let function = state.ast.add_function(Function {
        kind: FunctionKind::FieldDefault,
        is_async: false,
        name: None,
        params: List::default(),
        body,
    });
    Ok(state.add(Node::Function(function), span))
}

/// The braces of a struct or enum, member by member; `item` is what begins one. A bad member is skipped up to where the
/// next may start.
fn members<'t, 'p>(
    inp: &mut Cursor<'t, 'p>,
    item: &'static str,
    mut member: impl FnMut(&mut Cursor<'t, 'p>) -> Parsed<()>,
) -> Parsed<()> {
    let open = index(inp);
    if peek_kind(inp) != T::LeftBrace {
        return fail(inp, "{");
    }
    if !inp.state().enter(open) {
        return give_up(inp);
    }
    inp.skip();
    let context = std::mem::take(&mut inp.state().context);
    loop {
        while eat(inp, T::Semicolon) {}
        let next = peek(inp);
        if matches!(next.kind, T::RightBrace | T::EndOfFile | T::InterpolationEnd) {
            break;
        }
        if next.on_new_line() && ends_members(inp, item) {
            break;
        }
        if next.kind == T::Comma {
            missing(inp, item);
            inp.skip();
            continue;
        }
        let start = index(inp);
        let saved = inp.save();
        let mark = inp.state().mark();
        if member(inp).is_err() || inp.state().panicking() {
            if inp.state().fatal {
                return give_up(inp);
            }
            inp.rewind(saved);
            skip_member(inp, start);
            inp.state().restore(mark);
        }
    }
    inp.state().context = context;
    close(inp, braces(item), open)?;
    inp.state().leave();
    Ok(())
}

/// Whether a token on a new line shows that the members' `}` was forgotten. Every reserved word may be the name of a
/// field, so what follows it decides.
fn ends_members(inp: &mut Cursor<'_, '_>, item: &str) -> bool {
    let next = peek_at(inp, 1);
    let named = next.kind == T::Ident && !next.on_new_line();
    match peek_kind(inp) {
        T::Struct | T::Enum => next.kind == T::Ident && peek_at(inp, 2).kind == T::LeftBrace,
        T::Import => named,
        T::From => named && peek_at(inp, 2).kind == T::Import,
        T::Fn | T::Async => false,
        // A variant may carry values.
        T::Ident if item == "variant name" => false,
        // Where braces are balanced, this is a mistake within the members.
        _ => (begins_let(inp) || begins_statement(inp)) && inp.state().brackets().lacks_brace,
    }
}

/// Whether what begins here can be nothing but a statement, by the token behind its first word.
fn begins_statement(inp: &mut Cursor<'_, '_>) -> bool {
    let next = peek_at(inp, 1);
    let word = peek_kind(inp);
    !next.on_new_line()
        && match word {
            T::If | T::While => next.kind == T::LeftParen,
            T::For => matches!(next.kind, T::Ident | T::LeftBracket | T::LeftBrace),
            T::Try => next.kind == T::LeftBrace,
            T::Match | T::Return | T::Throw => {
                starts_expression(next.kind) && !matches!(next.kind, T::Fn | T::Async)
            }
            T::Ident => matches!(next.kind, T::LeftParen | T::Dot | T::LeftBracket),
            _ => false,
        }
}

/// Skips to the next member: past a comma, to a new line, or to the closing brace.
fn skip_member(inp: &mut Cursor<'_, '_>, start: usize) {
    let failed = inp.state().take_panic().unwrap_or(start).max(start);
    let mut at = failed;
    loop {
        let state = inp.state();
        let next = state.lexeme(at);
        match next.kind {
            T::EndOfFile | T::RightBrace | T::InterpolationEnd => break,
            _ if next.on_new_line() && at > start => break,
            T::Comma => {
                at += 1;
                break;
            }
            T::Fn if at > start && state.kind(at + 1) == T::Ident => break,
            T::LeftParen | T::LeftBracket | T::LeftBrace | T::InterpolationStart => {
                at = state.brackets().partner(at).unwrap_or(at) + 1;
            }
            _ => at += 1,
        }
    }
    skip_to(inp, at);
}

/// `enum Name { A B(x) }`.
pub(crate) fn enum_declaration<'t>() -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        inp.skip();
        let name = want(inp, T::Ident, "enum name")?;
        let name = inp.state().ident(name);
        let mark = inp.state().scratch.len();
        members(inp, "variant name", |inp| {
            let at = index(inp);
            let variant = variant(inp)?;
            let state = inp.state();
            state.document(at, variant);
            state.scratch.push(variant);
            eat(inp, T::Comma);
            Ok(())
        })?;
        let span = span_from(inp, start);
        let state = inp.state();
        report_duplicates(state, mark, "variant", declared_name);
        let variants = state.take_list(mark);
        let definition = state.ast.add_enum(Enum { name, variants });
        Ok(state.add(Node::Enum(definition), span))
    })
    .boxed()
}

fn variant(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let name = want(inp, T::Ident, "variant name")?;
    let name = inp.state().ident(name);
    let mark = inp.state().scratch.len();
    if peek_kind(inp) == T::LeftParen {
        names(inp, "field name")?;
    } else if peek_kind(inp) == T::Assign {
        let at = index(inp);
        let help = "variants have no numbers; a variant may carry values: Circle(radius)";
        inp.state().expected_with(at, "}", help);
        return give_up(inp);
    }
    let span = span_from(inp, start);
    let state = inp.state();
    report_duplicates(state, mark, "field", param_name);
    let fields = state.take_list(mark);
    Ok(state.add(Node::Variant { name, fields }, span))
}

/// `import m [as n]`.
pub(crate) fn import(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let module = want(inp, T::Ident, "module name")?;
    let module = inp.state().ident(module);
    if matches!(peek_kind(inp), T::Dot | T::Slash) && !peek(inp).on_new_line() {
        let at = index(inp);
        let help = "a module is named by one word, its file's name without .ae";
        inp.state().expected_with(at, "statement", help);
        return give_up(inp);
    }
    let alias = alias(inp)?;
    let span = span_from(inp, start);
    Ok(inp.state().add(Node::Import { module, alias }, span))
}

/// `from m import a, b as c`.
pub(crate) fn from_import(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let module = want(inp, T::Ident, "module name")?;
    let module = inp.state().ident(module);
    want(inp, T::Import, "import")?;
    let mark = inp.state().scratch.len();
    loop {
        let at = index(inp);
        let name = want(inp, T::Ident, "name to import")?;
        let name = inp.state().ident(name);
        let alias = alias(inp)?;
        let span = span_from(inp, at);
        let state = inp.state();
        let item = state.add(Node::ImportItem { name, alias }, span);
        state.scratch.push(item);
        if peek_kind(inp) != T::Comma {
            break;
        }
        inp.skip();
        if !another_name_follows(inp) {
            break;
        }
    }
    let span = span_from(inp, start);
    let state = inp.state();
    let items = state.take_list(mark);
    Ok(state.add(Node::FromImport { module, items }, span))
}

/// Whether what follows a comma is one more name to import: a trailing comma may end the list, and then the next line
/// starts another statement.
fn another_name_follows(inp: &mut Cursor<'_, '_>) -> bool {
    let next = peek(inp);
    let after = peek_at(inp, 1);
    let statement = !after.on_new_line()
        && matches!(
            after.kind,
            T::LeftParen
                | T::LeftBracket
                | T::Dot
                | T::QuestionDot
                | T::Colon
                | T::Assign
                | T::PlusAssign
                | T::MinusAssign
                | T::StarAssign
                | T::SlashAssign
        );
    if next.on_new_line() {
        next.kind == T::Ident && !statement
    } else {
        next.kind != T::EndOfFile && next.kind != T::Semicolon && next.kind != T::RightBrace
    }
}

fn alias(inp: &mut Cursor<'_, '_>) -> Parsed<Option<NodeId>> {
    if !eat(inp, T::As) {
        return Ok(None);
    }
    let name = want(inp, T::Ident, "name after 'as'")?;
    Ok(Some(inp.state().ident(name)))
}
