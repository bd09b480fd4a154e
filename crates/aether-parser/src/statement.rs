//! Statements, the lists of them, and the entry to the grammar.

use aether_ast::{FunctionKind, Node, NodeId, ensure_stack};
use aether_lexer::TokenKind as T;
use chumsky::prelude::*;

use crate::builder::Builder;
use crate::control::{
    condition, defer_statement, for_statement, if_statement, is_labelled_loop, jump, labelled,
    loop_statement, match_arms, return_statement, throw_statement, try_statement, while_statement, with_loop,
    yield_statement,
};
use crate::cursor::{
    Cursor, Lexeme, Parsed, Production, Tokens, eat, fail, give_up, index, missing, peek, peek_at, peek_kind,
    skip_to, span_from,
};
use crate::declaration::{
    enum_declaration, from_import, function_declaration, function_rest, import, let_declaration, let_rest,
    struct_declaration,
};
use crate::expression::expression;
use crate::foreign::{Foreign, foreign_word};
use crate::list::{braces, close};
use crate::pattern::binding;
use crate::precedence::{Infix, compound};
use crate::recovery::next_statement;

/// The longest line that advice repeats, in characters.
const MAX_ADVISED: usize = 60;

/// Parses the whole input into the builder's tree.
pub(crate) fn run_program<'t>(tokens: Tokens<'t>, state: &mut Builder<'t>) {
    // The output says nothing that the state does not.
    let _ = program().parse_with_state(tokens, state).into_output();
}

/// `program`. Takes every token.
fn program<'t>() -> Production<'t, ()> {
    let declaration = recursive(|declaration| {
        let declaration = declaration.boxed();
        let block = block(declaration.clone());
        let nested = block.clone();
        let statements = declaration.clone();
        let expression = recursive(|inner| {
            let inner = inner.boxed();
            let rules = Rules {
                declaration: statements,
                block: nested,
                binding: binding(inner.clone()),
                expression: inner,
            };
            expression(rules)
        })
        .boxed();
        any_declaration(declaration, block, expression)
    })
    .boxed();
    custom(move |inp: &mut Cursor<'t, '_>| {
        let mark = inp.state().scratch.len();
        // Ends only at the end of the text, or early when the nesting limit is crossed.
        let _ = statements(inp, &declaration, false);
        let state = inp.state();
        let list = state.scratch.split_off(mark);
        state.ast.set_root(&list);
        state.document_module();
        while inp.next().is_some() {}
        Ok(())
    })
    .boxed()
}

/// Statements up to the end of the text, or in a block to its `}`, pushed on the scratch stack. This is where
/// failures end: the broken statement becomes an error node, and the next one is sought.
fn statements<'t>(
    inp: &mut Cursor<'t, '_>,
    declaration: &Production<'t, NodeId>,
    in_block: bool,
) -> Parsed<()> {
    loop {
        let next = peek_kind(inp);
        match next {
            T::Semicolon => {
                inp.skip();
                continue;
            }
            T::EndOfFile => return Ok(()),
            T::RightBrace | T::InterpolationEnd if in_block => return Ok(()),
            T::RightBrace => {
                missing(inp, "statement");
                inp.skip();
                continue;
            }
            _ => {}
        }
        let start = index(inp);
        let saved = inp.save();
        let mark = inp.state().mark();
        let parsed = inp.parse(declaration);
        if let (Ok(node), false) = (parsed, inp.state().panicking()) {
            inp.state().scratch.push(node);
            continue;
        }
        if inp.state().fatal {
            return give_up(inp);
        }
        inp.rewind(saved);
        inp.state().restore(mark);
        recover(inp, start);
    }
}

/// Skips a broken statement that started at token `start`.
#[cold]
fn recover(inp: &mut Cursor<'_, '_>, start: usize) {
    let failed = inp.state().take_panic().unwrap_or(start);
    let target = next_statement(inp.state(), start, failed);
    skip_to(inp, target);
    let span = span_from(inp, start);
    let state = inp.state();
    let node = state.add(Node::Error, span);
    state.scratch.push(node);
}

/// `{ … }` of statements.
fn block<'t>(declaration: Production<'t, NodeId>) -> Production<'t, NodeId> {
    custom(move |inp: &mut Cursor<'t, '_>| {
        let start = index(inp);
        if peek_kind(inp) != T::LeftBrace {
            return fail(inp, "{");
        }
        if !inp.state().enter(start) {
            return give_up(inp);
        }
        let context = std::mem::take(&mut inp.state().context);
        let mark = inp.state().scratch.len();
        inp.skip();
        statements(inp, &declaration, true)?;
        close(inp, braces("statement"), start)?;
        let span = span_from(inp, start);
        let state = inp.state();
        state.context = context;
        state.leave();
        let list = state.take_list(mark);
        Ok(state.add(Node::Block(list), span))
    })
    .boxed()
}

/// The productions that statements are made of.
#[derive(Clone)]
pub(crate) struct Rules<'t> {
    pub(crate) declaration: Production<'t, NodeId>,
    pub(crate) block: Production<'t, NodeId>,
    pub(crate) expression: Production<'t, NodeId>,
    /// What a `let` or a `for` binds.
    pub(crate) binding: Production<'t, NodeId>,
}

/// `declaration`: dispatches on the first token.
fn any_declaration<'t>(
    declaration: Production<'t, NodeId>,
    block: Production<'t, NodeId>,
    expression: Production<'t, NodeId>,
) -> Production<'t, NodeId> {
    let let_declaration = let_declaration(expression.clone());
    let let_rest = let_rest(expression.clone());
    let struct_declaration = struct_declaration(expression.clone(), block.clone());
    let enum_declaration = enum_declaration();
    let rules = Rules {
        declaration,
        block,
        binding: binding(expression.clone()),
        expression,
    };
    let dispatch = custom(move |inp: &mut Cursor<'t, '_>| {
        let at = index(inp);
        match peek_kind(inp) {
            T::Let => inp.parse(&let_declaration),
            T::Fn if peek_at(inp, 1).kind != T::LeftParen => {
                function_declaration(inp, &rules.expression, &rules.block, FunctionKind::Declaration)
            }
            T::Async if peek_at(inp, 1).kind == T::Fn && peek_at(inp, 2).kind == T::Ident => {
                function_declaration(inp, &rules.expression, &rules.block, FunctionKind::Declaration)
            }
            T::Struct => inp.parse(&struct_declaration),
            T::Enum => inp.parse(&enum_declaration),
            T::Import => import(inp),
            T::From => from_import(inp),
            T::LeftBrace => inp.parse(&rules.block),
            T::If => if_statement(inp, &rules),
            T::While => while_statement(inp, &rules, None),
            T::For => for_statement(inp, &rules, None),
            T::Try => try_statement(inp, &rules),
            T::Match => match_arms(inp, &rules, false),
            T::Return => return_statement(inp, &rules),
            T::Throw => throw_statement(inp, &rules),
            T::Break | T::Continue => Ok(jump(inp)),
            T::Debugger => {
                let span = peek(inp).span();
                inp.skip();
                Ok(inp.state().add(Node::Debugger, span))
            }
            T::Ident if peek_at(inp, 1).kind == T::Colon => labelled(inp, &rules),
            T::Ident => match foreign_word(inp.state(), at) {
                None => expression_statement(inp, &rules),
                Some(Foreign::Let(help)) => {
                    instead(inp, "let", help);
                    let (pattern, value) = inp.parse(&let_rest)?;
                    Ok(finish(inp, at, Node::Let { pattern, value }))
                }
                Some(Foreign::Const) => {
                    inp.skip();
                    let (pattern, value) = inp.parse(&let_rest)?;
                    Ok(finish(inp, at, Node::Const { pattern, value }))
                }
                Some(Foreign::Function) => {
                    instead(inp, "fn", "functions are declared with fn");
                    function_rest(
                        inp,
                        &rules.expression,
                        &rules.block,
                        FunctionKind::Declaration,
                        at,
                        false,
                    )
                }
                Some(Foreign::Struct) => {
                    inp.state().expected_with(
                        at,
                        "struct",
                        "types are declared with struct Name { fields and methods }",
                    );
                    inp.parse(&struct_declaration)
                }
                Some(Foreign::Loop) => loop_statement(inp, &rules, None),
                Some(Foreign::Defer) => defer_statement(inp, &rules),
                Some(Foreign::Yield) => yield_statement(inp, &rules),
                Some(Foreign::DoLoop) => {
                    let help = "there is no do loop; use while (true) { … } with break";
                    instead(inp, "while", help);
                    let body = with_loop(inp, None, |inp| inp.parse(&rules.block))?;
                    if eat(inp, T::While) {
                        condition(inp, &rules, "while")?;
                    }
                    Ok(body)
                }
                Some(Foreign::Unsupported(help)) => {
                    inp.state().expected_with(at, "statement", help);
                    give_up(inp)
                }
            },
            _ => expression_statement(inp, &rules),
        }
    });
    custom(move |inp: &mut Cursor<'t, '_>| {
        let at = index(inp);
        let node = ensure_stack(|| inp.parse(&dispatch))?;
        inp.state().document(at, node);
        Ok(node)
    })
    .boxed()
}

/// Reports that a foreign word stands for `what`, and takes it.
fn instead(inp: &mut Cursor<'_, '_>, what: &'static str, help: &str) {
    let at = index(inp);
    inp.state().expected_with(at, what, help);
    inp.skip();
}

/// Adds a node that spans from token `start` to here.
#[inline]
pub(crate) fn finish(inp: &mut Cursor<'_, '_>, start: usize, node: Node) -> NodeId {
    let span = span_from(inp, start);
    inp.state().add(node, span)
}

/// `expression [ assignOp expression ]`.
fn expression_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    let target = inp.parse(&rules.expression)?;
    let operator = peek_kind(inp);
    let op = compound(operator);
    if operator != T::Assign && op.is_none() {
        let next = peek(inp);
        if !next.on_new_line() && is_argument(inp.state(), next) && is_chain(inp.state(), target) {
            return missing_call(inp, start);
        }
        return Ok(finish(inp, start, Node::ExprStmt(target)));
    }
    let target = assignment_target(inp, target);
    inp.skip();
    let value = inp.parse(&rules.expression)?;
    if peek_kind(inp) == T::Assign {
        let at = index(inp);
        let help = "assignment is a statement; assign one variable after the other";
        inp.state().expected_with(at, "statement", help);
        return give_up(inp);
    }
    match op {
        Some(Infix::Binary(op)) => Ok(finish(inp, start, Node::CompoundAssign { op, target, value })),
        Some(Infix::Logical(op)) => Ok(finish(inp, start, Node::LogicalAssign { op, target, value })),
        _ => Ok(finish(inp, start, Node::Assign { target, value })),
    }
}

/// Whether a token on the line of a bare name must be meant as an argument of it.
fn is_argument(state: &mut Builder<'_>, found: Lexeme) -> bool {
    match found.kind {
        T::Int | T::Float | T::String | T::TripleString | T::StringStart => true,
        T::True | T::False | T::Null | T::Fn | T::LeftBracket | T::LeftBrace | T::Bang => true,
        // These may begin a statement.
        T::Ident => {
            let word = state.slice(found);
            !matches!(word, "const" | "defer" | "loop" | "yield") || !state.is_keyword(word)
        }
        _ => false,
    }
}

/// Whether an expression is a name or a chain of members, and so does nothing as a statement.
fn is_chain(state: &Builder<'_>, mut id: NodeId) -> bool {
    loop {
        id = match state.ast.node(id) {
            Node::Name(_) => return true,
            Node::Member { object, .. } => object,
            _ => return false,
        };
    }
}

/// How what other languages begin a statement with is written here.
fn statement_elsewhere(word: &str) -> Option<&'static str> {
    Some(match word {
        "raise" => "errors are raised with throw",
        "puts" | "echo" => "output is written with println(…)",
        "foreach" => "a loop is written for x in items { … }",
        "del" | "delete" => "an entry is removed with d.remove(key); a value goes with its last reference",
        "type" | "typedef" | "using" => "a type has no second name; struct and enum declare new ones",
        "interface" | "trait" | "protocol" | "impl" => {
            "methods stand in the struct itself, and any value with a method will do"
        }
        "unless" => "write if (!condition) { … }",
        "goto" => "loops are left with break and continue, which may name a label",
        "global" | "nonlocal" => "functions see and assign the variables around them without a declaration",
        "public" | "private" | "static" | "export" => {
            "everything in a module can be imported; leave the word out"
        }
        _ => return None,
    })
}

/// Reports `println "hi"`. The chain began at token `start`.
#[cold]
fn missing_call(inp: &mut Cursor<'_, '_>, start: usize) -> Parsed<NodeId> {
    let at = index(inp);
    let state = inp.state();
    let (first, found) = (state.lexeme(start), state.lexeme(at));
    let last = state.lexeme(at - 1);
    let chain = state.file_text(first.start, last.end);
    let line = state
        .file_text(found.start, u32::MAX)
        .lines()
        .next()
        .unwrap_or("");
    let line = line.trim_end();
    let is_plain = line.chars().count() <= MAX_ADVISED && !line.contains(['}', ';', '/', '{']);
    let help = if let Some(help) = statement_elsewhere(chain) {
        help.to_owned()
    } else if found.kind == T::Ident && state.lexeme(at + 1).kind == T::Assign {
        format!("a variable is declared with let {} = …", state.slice(found))
    } else {
        format!("write {chain}({})", if is_plain { line } else { "…" })
    };
    let what = format!("( after '{chain}'");
    state.expected_or(at, &what, &help);
    give_up(inp)
}

/// The target of an assignment, parentheses taken off; anything but a name, an index or a member is reported.
fn assignment_target(inp: &mut Cursor<'_, '_>, target: NodeId) -> NodeId {
    let state = inp.state();
    let mut inner = target;
    while let Node::Group(next) = state.ast.node(inner) {
        inner = next;
    }
    let help = match state.ast.node(inner) {
        Node::Name(_) => return inner,
        Node::Index {
            object,
            optional: false,
            ..
        }
        | Node::Member {
            object,
            optional: false,
            ..
        } => {
            if !has_optional(state, object) {
                return inner;
            }
            "a chain with '?.' may end in nothing, so it cannot be assigned to; test for null first"
        }
        Node::Member { .. } => "a member read with '?.' cannot be assigned to; test for null first",
        Node::Index { .. } => "an element read with '?.[' cannot be assigned to; write o[i] = …",
        Node::Slice { .. } => "a slice cannot be assigned to; assign single elements",
        Node::Array(_) | Node::Dict(_) => "to take a value apart into new variables, write let before it",
        Node::Call { .. } => "the result of a call cannot be assigned to; to compare, write ==",
        _ => "only a name, an element o[i] or a member o.name can be assigned to",
    };
    let span = state.ast.span(target);
    if !state.panicking() {
        state.finding("E0108", "Invalid assignment target", span, help);
    }
    state.add(Node::Error, span)
}

/// Whether a `?.` occurs in the chain that ends in `id`.
fn has_optional(state: &Builder<'_>, mut id: NodeId) -> bool {
    loop {
        id = match state.ast.node(id) {
            Node::Member { optional: true, .. } | Node::Index { optional: true, .. } => return true,
            Node::Member { object, .. } | Node::Index { object, .. } | Node::Slice { object, .. } => object,
            Node::Call { callee, .. } => callee,
            _ => return false,
        };
    }
}

/// The statement that a head governs. A declaration there is reported, and read all the same.
pub(crate) fn body<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let at = index(inp);
    match peek_kind(inp) {
        T::LeftBrace => return inp.parse(&rules.block),
        T::EndOfFile | T::RightBrace | T::Semicolon => {
            let help = "a body is missing: a block in braces, or one statement";
            inp.state().expected_with(at, "statement", help);
            return give_up(inp);
        }
        T::Ident if is_labelled_loop(inp) => {
            needs_block(inp, "a loop with a label is no body; put it in braces");
        }
        _ if begins_declaration(inp) => {
            let help = "a declaration is no body, its name would be lost at once; put it in braces";
            needs_block(inp, help);
        }
        _ => {}
    }
    if !inp.state().enter(at) {
        return give_up(inp);
    }
    let node = inp.parse(&rules.declaration)?;
    inp.state().leave();
    Ok(node)
}

/// Whether what begins here declares a name. Words of other languages are reported in any case.
fn begins_declaration(inp: &mut Cursor<'_, '_>) -> bool {
    let at = index(inp);
    match peek_kind(inp) {
        T::Let | T::Struct | T::Enum | T::Import | T::From => true,
        T::Fn => peek_at(inp, 1).kind == T::Ident,
        T::Async => peek_at(inp, 1).kind == T::Fn && peek_at(inp, 2).kind == T::Ident,
        T::Ident => foreign_word(inp.state(), at) == Some(Foreign::Const),
        _ => false,
    }
}

/// Reports a body that must stand in braces.
#[cold]
fn needs_block(inp: &mut Cursor<'_, '_>, help: &str) {
    let at = index(inp);
    inp.state().expected_with(at, "statement", help);
}
