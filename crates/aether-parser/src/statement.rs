//! Statements, the lists of them, and the entry to the grammar.

use aether_ast::{FunctionKind, Node, NodeId};
use aether_lexer::TokenKind as T;
use chumsky::prelude::*;

use crate::builder::{Builder, Loop};
use crate::cursor::{
    Cursor, Parsed, Production, Tokens, eat, fail, give_up, index, missing, peek, peek_at, peek_kind, skip_to,
    span_from, want,
};
use crate::declaration::{
    enum_declaration, from_import, function_declaration, function_rest, import, let_declaration, let_rest,
    struct_declaration,
};
use crate::expression::{ensure_stack, expression, head};
use crate::foreign::{Foreign, foreign_word};
use crate::list::{braces, bracketed, close, parens};
use crate::pattern::alternatives;
use crate::precedence::{compound, infix, is_reserved_assignment, starts_expression};
use crate::recovery::next_statement;

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
        let expression = recursive(|inner| expression(inner.boxed(), nested)).boxed();
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
        let in_head = std::mem::replace(&mut inp.state().in_head, false);
        let mark = inp.state().scratch.len();
        inp.skip();
        statements(inp, &declaration, true)?;
        close(inp, braces("statement"), start)?;
        let span = span_from(inp, start);
        let state = inp.state();
        state.in_head = in_head;
        state.leave();
        let list = state.take_list(mark);
        Ok(state.add(Node::Block(list), span))
    })
    .boxed()
}

/// The productions that statements are made of.
#[derive(Clone)]
struct Rules<'t> {
    declaration: Production<'t, NodeId>,
    block: Production<'t, NodeId>,
    expression: Production<'t, NodeId>,
}

/// `declaration`: dispatches on the first token.
fn any_declaration<'t>(
    declaration: Production<'t, NodeId>,
    block: Production<'t, NodeId>,
    expression: Production<'t, NodeId>,
) -> Production<'t, NodeId> {
    let let_declaration = let_declaration(expression.clone());
    let let_rest = let_rest(expression.clone());
    let struct_declaration = struct_declaration(block.clone());
    let enum_declaration = enum_declaration();
    let rules = Rules {
        declaration,
        block,
        expression,
    };
    let dispatch = custom(move |inp: &mut Cursor<'t, '_>| {
        let at = index(inp);
        match peek_kind(inp) {
            T::Let => inp.parse(&let_declaration),
            T::Fn if peek_at(inp, 1).kind != T::LeftParen => {
                function_declaration(inp, &rules.block, FunctionKind::Declaration)
            }
            T::Async if peek_at(inp, 1).kind == T::Fn && peek_at(inp, 2).kind == T::Ident => {
                function_declaration(inp, &rules.block, FunctionKind::Declaration)
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
            T::Match => match_statement(inp, &rules),
            T::Return => return_statement(inp, &rules),
            T::Throw => throw_statement(inp, &rules),
            T::Break | T::Continue => jump(inp),
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
                    finish(inp, at, Node::Let { pattern, value })
                }
                Some(Foreign::Function) => {
                    instead(inp, "fn", "functions are declared with fn");
                    function_rest(inp, &rules.block, FunctionKind::Declaration, at, false)
                }
                Some(Foreign::Struct) => {
                    inp.state()
                        .expected_with(at, "struct", "types are declared with struct Name { fields and methods }");
                    inp.parse(&struct_declaration)
                }
                Some(Foreign::Loop) => {
                    instead(inp, "while", "loop is not supported yet; write while (true)");
                    with_loop(inp, None, |inp| inp.parse(&rules.block))
                }
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
    custom(move |inp: &mut Cursor<'t, '_>| ensure_stack(|| inp.parse(&dispatch))).boxed()
}

/// Reports that a foreign word stands for `what`, and takes it.
fn instead(inp: &mut Cursor<'_, '_>, what: &'static str, help: &str) {
    let at = index(inp);
    inp.state().expected_with(at, what, help);
    inp.skip();
}

/// Adds a node that spans from token `start` to here.
#[inline]
fn finish(inp: &mut Cursor<'_, '_>, start: usize, node: Node) -> Parsed<NodeId> {
    let span = span_from(inp, start);
    Ok(inp.state().add(node, span))
}

/// `expression [ assignOp expression ]`.
fn expression_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    let target = inp.parse(&rules.expression)?;
    let operator = peek_kind(inp);
    let op = compound(operator);
    if operator != T::Assign && op.is_none() {
        if is_reserved_assignment(operator) {
            return reserved_assignment(inp, rules, start, target);
        }
        return finish(inp, start, Node::ExprStmt(target));
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
        Some(op) => finish(inp, start, Node::CompoundAssign { op, target, value }),
        None => finish(inp, start, Node::Assign { target, value }),
    }
}

#[cold]
fn reserved_assignment<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    start: usize,
    target: NodeId,
) -> Parsed<NodeId> {
    let found = peek(inp);
    let at = index(inp);
    let state = inp.state();
    let text = state.slice(found);
    let operator = text.trim_end_matches('=');
    let help = format!("'{text}' is not supported yet; write x = x {operator} …");
    state.expected_with(at, "=", &help);
    let target = assignment_target(inp, target);
    inp.skip();
    let value = inp.parse(&rules.expression)?;
    finish(inp, start, Node::Assign { target, value })
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
        Node::Index { object, .. } | Node::Member { object, optional: false, .. } => {
            if !has_optional(state, object) {
                return inner;
            }
            "a chain with '?.' may end in nothing, so it cannot be assigned to; test for null first"
        }
        Node::Member { .. } => "a member read with '?.' cannot be assigned to; test for null first",
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
            Node::Member { optional: true, .. } => return true,
            Node::Member { object, .. } | Node::Index { object, .. } | Node::Slice { object, .. } => object,
            Node::Call { callee, .. } => callee,
            _ => return false,
        };
    }
}

/// The statement that a head governs. A declaration there is reported, and read all the same.
fn body<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let at = index(inp);
    match peek_kind(inp) {
        T::LeftBrace => return inp.parse(&rules.block),
        T::EndOfFile | T::RightBrace | T::Semicolon => {
            let help = "a body is missing: a block in braces, or one statement";
            inp.state().expected_with(at, "statement", help);
            return give_up(inp);
        }
        T::Let | T::Struct | T::Enum | T::Import | T::From => declaration_needs_block(inp),
        T::Fn if peek_at(inp, 1).kind == T::Ident => declaration_needs_block(inp),
        T::Async if peek_at(inp, 2).kind == T::Ident => declaration_needs_block(inp),
        T::Ident if peek_at(inp, 1).kind == T::Colon && matches!(peek_at(inp, 2).kind, T::For | T::While) => {
            declaration_needs_block(inp);
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

#[cold]
fn declaration_needs_block(inp: &mut Cursor<'_, '_>) {
    let at = index(inp);
    let help = "a declaration is no body, its name would be lost at once; put it in braces";
    inp.state().expected_with(at, "statement", help);
}

/// `( e )` after `if` or `while`. Missing parentheses are reported once, and the condition is read without.
fn condition<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>, word: &str) -> Parsed<NodeId> {
    if peek_kind(inp) != T::LeftParen {
        let at = index(inp);
        if !starts_expression(peek_kind(inp)) {
            return fail(inp, "(");
        }
        let help = format!("the condition stands in parentheses: {word} (…)");
        inp.state().expected_with(at, "(", &help);
        return head(inp, &rules.expression);
    }
    let condition = bracketed(inp, parens("expression"), |inp, _| inp.parse(&rules.expression))?;
    let next = peek_kind(inp);
    if infix(next).is_some() && next != T::Minus || matches!(next, T::Question | T::Dot) {
        let at = index(inp);
        let help = format!("the whole condition stands in parentheses: {word} ((a) && (b))");
        inp.state().expected_with(at, "statement", &help);
        inp.skip();
        return head(inp, &rules.expression);
    }
    Ok(condition)
}

/// `if (c) s else s`; a chain of `else if` is read by repetition.
fn if_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let mut links: Vec<(usize, NodeId, NodeId)> = Vec::new();
    let mut otherwise = None;
    loop {
        let start = index(inp);
        inp.skip();
        let condition = condition(inp, rules, "if")?;
        let then = body(inp, rules)?;
        links.push((start, condition, then));
        if peek_kind(inp) == T::Semicolon && peek_at(inp, 1).kind == T::Else {
            inp.skip();
        }
        if peek_kind(inp) == T::Ident && misspelt_else_if(inp) {
            continue;
        }
        if !eat(inp, T::Else) {
            break;
        }
        if peek_kind(inp) != T::If {
            otherwise = Some(body(inp, rules)?);
            break;
        }
    }
    while let Some((start, condition, then)) = links.pop() {
        let node = Node::If {
            condition,
            then,
            otherwise,
        };
        let span = span_from(inp, start);
        otherwise = Some(inp.state().add(node, span));
    }
    match otherwise {
        Some(node) => Ok(node),
        None => give_up(inp),
    }
}

/// `elif` and its kin after an `if`: reported, and left for the loop to read as `if`.
fn misspelt_else_if(inp: &mut Cursor<'_, '_>) -> bool {
    let at = index(inp);
    let word = peek(inp);
    let next = peek_at(inp, 1);
    let state = inp.state();
    let misspelt = matches!(state.slice(word), "elif" | "elsif" | "elseif")
        && !next.on_new_line()
        && next.kind != T::Assign;
    if misspelt {
        state.expected_with(at, "else", "write 'else if'");
    }
    misspelt
}

/// Runs `inner` as the body of a loop.
fn with_loop<'t, 'p>(
    inp: &mut Cursor<'t, 'p>,
    label: Option<aether_ast::Symbol>,
    inner: impl FnOnce(&mut Cursor<'t, 'p>) -> Parsed<NodeId>,
) -> Parsed<NodeId> {
    inp.state().loops.push(Loop { label });
    let node = inner(inp)?;
    inp.state().loops.pop();
    Ok(node)
}

/// `while (c) s`.
fn while_statement<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    label: Option<aether_ast::Symbol>,
) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let condition = condition(inp, rules, "while")?;
    let body = with_loop(inp, label, |inp| body(inp, rules))?;
    finish(inp, start, Node::While { condition, body })
}

/// `for x in e s`.
fn for_statement<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    label: Option<aether_ast::Symbol>,
) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    // `for (x in xs)` is a habit from elsewhere; `for (let i = 0; …)` cannot be read on.
    let in_parens = peek_kind(inp) == T::LeftParen
        && peek_at(inp, 1).kind == T::Ident
        && peek_at(inp, 2).kind == T::In;
    if in_parens {
        missing(inp, "variable name");
        inp.skip();
    }
    let binding = want(inp, T::Ident, "variable name")?;
    let binding = inp.state().ident(binding);
    want(inp, T::In, "in")?;
    let iterable = head(inp, &rules.expression)?;
    if in_parens {
        eat(inp, T::RightParen);
    }
    if matches!(peek_kind(inp), T::DotDot | T::DotDotEqual) {
        missing(inp, "statement");
        inp.skip();
        head(inp, &rules.expression)?;
    }
    let body = with_loop(inp, label, |inp| body(inp, rules))?;
    let node = Node::For {
        binding,
        iterable,
        body,
    };
    finish(inp, start, node)
}

/// `label: loop`.
fn labelled<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    let name = peek(inp);
    inp.skip();
    inp.skip();
    let label = inp.state().ident(name);
    let symbol = Some(inp.state().intern(name));
    let body = match peek_kind(inp) {
        T::For => for_statement(inp, rules, symbol)?,
        T::While => while_statement(inp, rules, symbol)?,
        _ => return fail(inp, "for or while"),
    };
    finish(inp, start, Node::Labelled { label, body })
}

/// `try {…} catch (e) {…} finally {…}`.
fn try_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let body = inp.parse(&rules.block)?;
    let catch = if peek_kind(inp) == T::Catch {
        Some(catch(inp, rules)?)
    } else {
        None
    };
    let finally = if eat(inp, T::Finally) {
        Some(inp.parse(&rules.block)?)
    } else {
        None
    };
    if catch.is_none() && finally.is_none() {
        missing(inp, "catch");
    }
    finish(inp, start, Node::Try { body, catch, finally })
}

fn catch<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let binding = match peek_kind(inp) {
        T::LeftParen => Some(bracketed(inp, parens("variable name"), |inp, _| {
            let name = want(inp, T::Ident, "variable name")?;
            Ok(inp.state().ident(name))
        })?),
        T::Ident => {
            let at = index(inp);
            let name = peek(inp);
            let help = "the error's name stands in parentheses: catch (e) { … }";
            inp.state().expected_with(at, "(", help);
            inp.skip();
            Some(inp.state().ident(name))
        }
        _ => None,
    };
    let body = inp.parse(&rules.block)?;
    finish(inp, start, Node::Catch { binding, body })
}

/// `match e { p => s, … }`. A bad arm is skipped up to the next one.
fn match_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let subject = head(inp, &rules.expression)?;
    let open = index(inp);
    if peek_kind(inp) != T::LeftBrace {
        return fail(inp, "{");
    }
    if !inp.state().enter(open) {
        return give_up(inp);
    }
    let in_head = std::mem::replace(&mut inp.state().in_head, false);
    let list = inp.state().scratch.len();
    inp.skip();
    loop {
        let next = peek_kind(inp);
        if matches!(next, T::RightBrace | T::EndOfFile | T::InterpolationEnd) {
            break;
        }
        if next == T::Semicolon {
            inp.skip();
            continue;
        }
        let at = index(inp);
        let saved = inp.save();
        let mark = inp.state().mark();
        let parsed = arm(inp, rules);
        if let (Ok(arm), false) = (parsed, inp.state().panicking()) {
            inp.state().scratch.push(arm);
            continue;
        }
        if inp.state().fatal {
            return give_up(inp);
        }
        inp.rewind(saved);
        inp.state().restore(mark);
        skip_arm(inp, at);
    }
    inp.state().in_head = in_head;
    close(inp, braces("pattern"), open)?;
    let span = span_from(inp, start);
    let state = inp.state();
    state.leave();
    let arms = state.take_list(list);
    Ok(state.add(Node::Match { subject, arms }, span))
}

fn arm<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    let pattern = alternatives(inp)?;
    want(inp, T::FatArrow, "=>")?;
    let body = body(inp, rules)?;
    let span = span_from(inp, start);
    eat(inp, T::Comma);
    Ok(inp.state().add(Node::Arm { pattern, body }, span))
}

/// Skips a broken arm: past a comma, to a new line, or to the closing brace.
#[cold]
fn skip_arm(inp: &mut Cursor<'_, '_>, start: usize) {
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
            T::LeftParen | T::LeftBracket | T::LeftBrace | T::InterpolationStart => {
                at = state.brackets().partner(at).unwrap_or(at) + 1;
            }
            _ => at += 1,
        }
    }
    skip_to(inp, at);
}

/// `return`, with an operand only on the same line.
fn return_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let next = peek(inp);
    let value = if !next.on_new_line() && starts_expression(next.kind) {
        Some(inp.parse(&rules.expression)?)
    } else {
        None
    };
    finish(inp, start, Node::Return(value))
}

/// `throw e`.
fn throw_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let value = inp.parse(&rules.expression)?;
    finish(inp, start, Node::Throw(value))
}

/// `break` and `continue`, with a label only on the same line.
fn jump(inp: &mut Cursor<'_, '_>) -> Parsed<NodeId> {
    let start = index(inp);
    let word = peek(inp);
    inp.skip();
    let next = peek(inp);
    let label = if next.kind == T::Ident && !next.on_new_line() {
        inp.skip();
        Some(next)
    } else {
        None
    };
    let state = inp.state();
    check_jump(state, word, label);
    let label = label.map(|label| state.ident(label));
    let node = if word.kind == T::Break {
        Node::Break(label)
    } else {
        Node::Continue(label)
    };
    finish(inp, start, node)
}

/// Reports a jump that leads nowhere.
fn check_jump(state: &mut Builder<'_>, word: crate::cursor::Lexeme, label: Option<crate::cursor::Lexeme>) {
    if state.lenient_loops {
        return;
    }
    let loops = &state.loops[state.loop_base..];
    if loops.is_empty() {
        let what = format!("'{}' outside loop", state.slice(word));
        let help = if state.loop_base > 0 {
            "a loop around the function does not count; use return to leave the function"
        } else {
            "it may stand only in the body of a while or for loop"
        };
        state.finding("E0109", &what, word.span(), help);
    } else if let Some(label) = label {
        let known = state.ast.symbol(state.slice(label));
        if known.is_none() || loops.iter().all(|around| around.label != known) {
            let what = format!("Unknown label '{}'", state.slice(label));
            let help = "a label stands before its loop: name: for x in items { … }";
            state.finding("E0113", &what, label.span(), help);
        }
    }
}
