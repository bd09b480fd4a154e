//! Control flow: `if`, loops, `try`, `match`, and the jumps out of them.
//!
//! Jumps are checked here against the loops around them: whether one leads anywhere is a matter of syntax.

use aether_ast::{Function, FunctionKind, List, Node, NodeId};
use aether_lexer::TokenKind as T;

use crate::builder::{Builder, Context, Inside, Loop};
use crate::cursor::{
    Cursor, Lexeme, Parsed, Production, eat, fail, give_up, index, missing, peek, peek_at, peek_kind,
    skip_to, span_from, want,
};
use crate::declaration::with_function_scope;
use crate::expression::head;
use crate::foreign::{Foreign, foreign_word};
use crate::list::{braces, bracketed, close, parens};
use crate::pattern::{alternatives, target};
use crate::precedence::{infix, starts_expression};
use crate::statement::{Rules, body, finish};

/// Whether the token stands behind a value on the same line.
fn follows_operand(state: &Builder<'_>, at: usize) -> bool {
    let operand = |kind: T| {
        matches!(
            kind,
            T::Ident
                | T::Int
                | T::Float
                | T::String
                | T::RightParen
                | T::RightBracket
                | T::True
                | T::False
                | T::Null
        )
    };
    at > 0 && !state.lexeme(at).on_new_line() && operand(state.kind(at - 1))
}

/// `( e )` after `if` or `while`. Missing parentheses are reported once, and the condition is read without.
pub(crate) fn condition<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>, word: &str) -> Parsed<NodeId> {
    if peek_kind(inp) != T::LeftParen {
        let at = index(inp);
        if !starts_expression(peek_kind(inp)) {
            return fail(inp, "(");
        }
        let state = inp.state();
        let help = if word == "if" && follows_operand(state, at - 1) {
            "if is a statement; in an expression write condition ? a : b".to_owned()
        } else {
            format!("the condition stands in parentheses: {word} (…)")
        };
        state.expected_with(at, "(", &help);
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
pub(crate) fn if_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
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
pub(crate) fn with_loop<'t, 'p>(
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
pub(crate) fn while_statement<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    label: Option<aether_ast::Symbol>,
) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let condition = condition(inp, rules, "while")?;
    let body = with_loop(inp, label, |inp| body(inp, rules))?;
    Ok(finish(inp, start, Node::While { condition, body }))
}

/// `loop { … }`.
pub(crate) fn loop_statement<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    label: Option<aether_ast::Symbol>,
) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let body = with_loop(inp, label, |inp| inp.parse(&rules.block))?;
    Ok(finish(inp, start, Node::Loop(body)))
}

/// `x`, `k, v`, `[a, b]` or `{a, b}` behind the word `for`.
pub(crate) fn loop_binding<'t>(inp: &mut Cursor<'t, '_>, binding: &Production<'t, NodeId>) -> Parsed<NodeId> {
    if matches!(peek_kind(inp), T::LeftBracket | T::LeftBrace) {
        return inp.parse(binding);
    }
    let start = index(inp);
    if peek_kind(inp) == T::Ident && peek_at(inp, 1).kind == T::Comma {
        let first = target(inp)?;
        inp.skip();
        let second = target(inp)?;
        return Ok(finish(inp, start, Node::PairPattern { first, second }));
    }
    let name = want(inp, T::Ident, "variable name")?;
    Ok(inp.state().ident(name))
}

/// `for x in e s`.
pub(crate) fn for_statement<'t>(
    inp: &mut Cursor<'t, '_>,
    rules: &Rules<'t>,
    label: Option<aether_ast::Symbol>,
) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    // `for (x in xs)` is a habit from elsewhere; `for (let i = 0; …)` cannot be read on.
    let in_parens =
        peek_kind(inp) == T::LeftParen && peek_at(inp, 1).kind == T::Ident && peek_at(inp, 2).kind == T::In;
    if in_parens {
        missing(inp, "variable name");
        inp.skip();
    }
    let binding = loop_binding(inp, &rules.binding)?;
    want(inp, T::In, "in")?;
    let iterable = head(inp, &rules.expression)?;
    if in_parens {
        eat(inp, T::RightParen);
    }
    let body = with_loop(inp, label, |inp| body(inp, rules))?;
    let node = Node::For {
        binding,
        iterable,
        body,
    };
    Ok(finish(inp, start, node))
}

/// Whether the word `ahead` places after the next token begins a `loop { … }`.
fn is_loop(inp: &mut Cursor<'_, '_>, ahead: usize) -> bool {
    let at = index(inp) + ahead;
    inp.state().kind(at) == T::Ident && foreign_word(inp.state(), at) == Some(Foreign::Loop)
}

/// Whether a loop with a label begins here.
pub(crate) fn is_labelled_loop(inp: &mut Cursor<'_, '_>) -> bool {
    let labelled = peek_kind(inp) == T::Ident && peek_at(inp, 1).kind == T::Colon;
    labelled && (matches!(peek_at(inp, 2).kind, T::For | T::While) || is_loop(inp, 2))
}

/// `label: loop`.
pub(crate) fn labelled<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    let name = peek(inp);
    inp.skip();
    inp.skip();
    let label = inp.state().ident(name);
    let symbol = Some(inp.state().intern(name));
    let body = match peek_kind(inp) {
        T::For => for_statement(inp, rules, symbol)?,
        T::While => while_statement(inp, rules, symbol)?,
        T::Ident if is_loop(inp, 0) => loop_statement(inp, rules, symbol)?,
        _ => return fail(inp, "for or while"),
    };
    Ok(finish(inp, start, Node::Labelled { label, body }))
}

/// `try {…} catch (e) {…} finally {…}`.
pub(crate) fn try_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
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
    Ok(finish(inp, start, Node::Try { body, catch, finally }))
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
    Ok(finish(inp, start, Node::Catch { binding, body }))
}

/// `match e { p => s, … }`, whose arms are values where it is one itself. A bad arm is skipped up to the next one.
pub(crate) fn match_arms<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>, is_value: bool) -> Parsed<NodeId> {
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
    let context = std::mem::take(&mut inp.state().context);
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
        let parsed = arm(inp, rules, is_value);
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
    inp.state().context = context;
    close(inp, braces("pattern"), open)?;
    let span = span_from(inp, start);
    let state = inp.state();
    state.leave();
    let arms = state.take_list(list);
    let node = if is_value {
        Node::MatchExpr { subject, arms }
    } else {
        Node::Match { subject, arms }
    };
    Ok(state.add(node, span))
}

/// `p => s` or `p if c => s`.
fn arm<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>, is_value: bool) -> Parsed<NodeId> {
    let start = index(inp);
    let pattern = alternatives(inp)?;
    let guard = if eat(inp, T::If) {
        let context = std::mem::replace(&mut inp.state().context, Context::Guard);
        let guard = inp.parse(&rules.expression)?;
        inp.state().context = context;
        Some(guard)
    } else {
        None
    };
    want(inp, T::FatArrow, "=>")?;
    let body = if is_value && peek_kind(inp) == T::Match {
        // Elsewhere it would be the statement.
        let at = index(inp);
        let value = inp.parse(&rules.expression)?;
        finish(inp, at, Node::ExprStmt(value))
    } else {
        body(inp, rules)?
    };
    let span = span_from(inp, start);
    eat(inp, T::Comma);
    let node = Node::Arm { pattern, guard, body };
    Ok(inp.state().add(node, span))
}

/// Skips a broken arm: past a comma, to a new line, or to the closing brace.
#[cold]
fn skip_arm(inp: &mut Cursor<'_, '_>, start: usize) {
    let failed = inp.state().take_panic().unwrap_or(start).max(start);
    let mut at = start;
    loop {
        let state = inp.state();
        let next = state.lexeme(at);
        match next.kind {
            // Also what failed inside of brackets ends behind them.
            T::LeftParen | T::LeftBracket | T::LeftBrace | T::InterpolationStart => {
                at = state.brackets().partner(at).unwrap_or(at) + 1;
            }
            _ if at < failed => at += 1,
            T::EndOfFile | T::RightBrace | T::InterpolationEnd => break,
            _ if next.on_new_line() && at > start => break,
            T::Comma => {
                at += 1;
                break;
            }
            _ => at += 1,
        }
    }
    skip_to(inp, at);
}

/// An expression on the same line, if one begins there.
fn operand<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<Option<NodeId>> {
    let next = peek(inp);
    if next.on_new_line() || !starts_expression(next.kind) {
        return Ok(None);
    }
    inp.parse(&rules.expression).map(Some)
}

/// `return`, with an operand only on the same line.
pub(crate) fn return_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    not_deferred(inp, start);
    inp.skip();
    let value = operand(inp, rules)?;
    Ok(finish(inp, start, Node::Return(value)))
}

/// Reports a word that would leave what a `defer` puts off.
pub(crate) fn not_deferred(inp: &mut Cursor<'_, '_>, at: usize) {
    let state = inp.state();
    if state.inside == Inside::Deferred {
        let word = state.lexeme(at);
        let what = format!("'{}' in deferred code", state.slice(word));
        let help =
            "deferred code runs to its end, when the function has ended; put the part to be skipped in an if";
        state.finding("E0119", &what, word.span(), help);
    }
}

/// `yield e`, with an operand only on the same line.
pub(crate) fn yield_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    not_deferred(inp, start);
    let state = inp.state();
    let span = state.lexeme(start).span();
    match state.inside {
        Inside::TopLevel => {
            let help =
                "a function that yields is a generator: calling it gives an iterator of what it yields";
            state.finding("E0120", "'yield' outside function", span, help);
        }
        Inside::AsyncFunction => {
            let help = "a generator is not async; what it yields may be promises";
            state.finding("E0120", "'yield' in async function", span, help);
        }
        Inside::Function | Inside::Deferred => {}
    }
    inp.skip();
    let value = operand(inp, rules)?;
    Ok(finish(inp, start, Node::Yield(value)))
}

/// `defer e` or `defer {…}`.
pub(crate) fn defer_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let body = with_function_scope(inp, Inside::Deferred, |inp| {
        if peek_kind(inp) == T::LeftBrace {
            return inp.parse(&rules.block);
        }
        let at = index(inp);
        let value = inp.parse(&rules.expression)?;
        let statement = finish(inp, at, Node::ExprStmt(value));
        let list = inp.state().ast.add_list(&[statement]);
        Ok(finish(inp, at, Node::Block(list)))
    })?;
    let function = inp.state().ast.add_function(Function {
        kind: FunctionKind::Deferred,
        is_async: false,
        name: None,
        params: List::default(),
        body,
    });
    Ok(finish(inp, start, Node::Defer(function)))
}

/// `throw e`.
pub(crate) fn throw_statement<'t>(inp: &mut Cursor<'t, '_>, rules: &Rules<'t>) -> Parsed<NodeId> {
    let start = index(inp);
    inp.skip();
    let value = inp.parse(&rules.expression)?;
    Ok(finish(inp, start, Node::Throw(value)))
}

/// `break` and `continue`, with a label only on the same line.
pub(crate) fn jump(inp: &mut Cursor<'_, '_>) -> NodeId {
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
fn check_jump(state: &mut Builder<'_>, word: Lexeme, label: Option<Lexeme>) {
    if state.lenient_loops {
        return;
    }
    let loops = &state.loops[state.loop_base..];
    if loops.is_empty() {
        let what = format!("'{}' outside loop", state.slice(word));
        let help = if state.inside == Inside::Deferred {
            "deferred code runs when the function has ended: no loop around it counts"
        } else if state.loop_base > 0 {
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
