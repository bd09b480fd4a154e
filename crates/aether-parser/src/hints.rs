//! The help beside a syntax error: what the writer probably meant, in a sentence that says what to write.
//!
//! Invariant: a hint depends on the tokens near the error alone and never changes what is parsed.

use aether_lexer::TokenKind as T;

use crate::builder::Builder;
use crate::cursor::Lexeme;
use crate::precedence::infix;

/// The help for `x := e`.
const DECLARED_OR_ASSIGNED: &str = "a variable is declared with let x = …, and assigned with x = …";

/// Longest token text shown in a message, in characters.
const LONGEST_TEXT: usize = 40;

/// A token as messages show it.
pub(crate) fn found_text(state: &Builder<'_>, found: Lexeme) -> String {
    if found.kind == T::EndOfFile {
        return "end of file".to_owned();
    }
    let text = state.slice(found);
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let shown: String = line.chars().take(LONGEST_TEXT).collect();
    format!("{shown}…")
}

impl Builder<'_> {
    /// Whether the token is a word that other languages use as an operator.
    pub(crate) fn word_is_operator(&self, at: usize) -> bool {
        word_operator(self, at).is_some()
    }

    fn previous(&self, at: usize) -> Option<Lexeme> {
        at.checked_sub(1).map(|before| self.lexeme(before))
    }

    /// Whether the two tokens before `at` are of these kinds and touch each other.
    fn follows_pair(&self, at: usize, first: T, second: T) -> bool {
        at >= 2
            && self.kind(at - 2) == first
            && self.kind(at - 1) == second
            && self.lexeme(at - 2).end == self.lexeme(at - 1).start
    }
}

fn word_operator(state: &Builder<'_>, at: usize) -> Option<&'static str> {
    let found = state.lexeme(at);
    if found.kind != T::Ident {
        return None;
    }
    Some(match state.slice(found) {
        "and" => "'and' is written &&",
        "or" => "'or' is written ||",
        "not" if state.kind(at + 1) == T::In => "'not in' is written !in",
        "not" => "'not' is written !",
        "is" => "'is' is written ==",
        "instanceof" => "compare type(x) with a name instead, as in type(x) == \"int\"",
        "then" => "Aether has no 'then'; the statement follows the condition directly",
        _ => return None,
    })
}

/// Help for an entry of a dict where a block begins.
const BLOCK_NOT_DICT: &str =
    "a '{' at the start of a statement or after => is a block; wrap a dict in parentheses: ({…})";

/// A hint for the error that `what` was expected at token `at`.
pub(crate) fn help(state: &Builder<'_>, at: usize, what: &str) -> Option<String> {
    let found = state.lexeme(at);
    specific(state, at, found, what)
        .or_else(|| by_expectation(state, found, what))
        .or_else(|| by_found(found, what))
        .map(str::to_owned)
        .or_else(|| reserved_word(state, found, what))
}

/// Mistakes that the neighbouring tokens give away.
fn specific(state: &Builder<'_>, at: usize, found: Lexeme, what: &str) -> Option<&'static str> {
    let previous = state.previous(at).map(|token| token.kind);
    if let Some(text) = word_operator(state, at) {
        return Some(text);
    }
    if found.kind == T::Assign && matches!(previous, Some(T::Equal | T::NotEqual)) {
        return Some(if previous == Some(T::Equal) {
            "equality is written =="
        } else {
            "inequality is written !="
        });
    }
    if state.follows_pair(at, T::Plus, T::Plus)
        || (found.kind == T::Plus && previous == Some(T::Plus) && what == "expression")
    {
        return Some("there is no '++'; write x += 1");
    }
    if state.follows_pair(at, T::Minus, T::Minus) {
        return Some("there is no '--'; write x -= 1");
    }
    if found.kind == T::Plus && what == "expression" {
        return Some("there is no unary plus; leave it out");
    }
    if found.kind == T::Slash && previous == Some(T::Slash) {
        return Some("division of integers is written / and truncates");
    }
    if found.kind == T::Greater && previous == Some(T::Assign) {
        return Some("greater or equal is written >=");
    }
    if let Some(text) = habit(state, at, found, what, previous) {
        return Some(text);
    }
    let next = state.lexeme(at + 1);
    if found.kind == T::Colon && next.kind == T::Assign && next.start == found.end {
        return Some(DECLARED_OR_ASSIGNED);
    }
    if found.kind == T::Colon && at >= 2 && matches!(state.slice(state.lexeme(at - 2)), "case") {
        return Some("cases are written with match: match x { 1 => …, _ => … }");
    }
    if what == "( after 'case'" {
        return Some("cases are written with match: match x { 1 => …, _ => … }");
    }
    if what == "expression" && found.on_new_line() && found.kind != T::EndOfFile && at > 0 {
        let last = state.lexeme(at - 1);
        if infix(last.kind).is_some() || matches!(last.kind, T::Assign | T::Question | T::Colon) {
            return Some("the line before is not finished: something is missing at its end");
        }
    }
    None
}

/// The help for a string with a letter before it.
pub(crate) fn prefixed_string(state: &Builder<'_>, at: usize) -> Option<&'static str> {
    let string = matches!(state.kind(at), T::String | T::StringStart);
    let before = at.checked_sub(1).map(|before| state.slice(state.lexeme(before)));
    let letter = matches!(before, Some("f" | "F" | "r" | "b"));
    (string && letter && touches_previous(state, at))
        .then_some("strings need no letter before them: all but \"\"\" strings have placeholders ${…}")
}

/// Whether a token begins where the one before it ends.
fn touches_previous(state: &Builder<'_>, at: usize) -> bool {
    at > 0 && state.lexeme(at - 1).end == state.lexeme(at).start
}

/// Whether a token stands behind `import name`.
fn follows_import(state: &Builder<'_>, at: usize) -> bool {
    at >= 2 && state.kind(at - 1) == T::Ident && state.kind(at - 2) == T::Import
}

/// Whether a token stands in the pattern of a `let`, before its `=`.
fn in_let_pattern(state: &Builder<'_>, at: usize) -> bool {
    let mut before = (0..at).rev().map(|at| state.kind(at));
    let open = before.find(|kind| !matches!(kind, T::Ident | T::Comma | T::Ellipsis));
    matches!(open, Some(T::LeftBracket | T::LeftBrace)) && before.next() == Some(T::Let)
}

/// What people write who come from other languages, by the tokens around it.
fn habit(
    state: &Builder<'_>,
    at: usize,
    found: Lexeme,
    what: &str,
    previous: Option<T>,
) -> Option<&'static str> {
    let word = |back: usize| {
        at.checked_sub(back)
            .map(|at| state.lexeme(at))
            .filter(|token| token.kind == T::Ident)
            .map_or("", |token| state.slice(token))
    };
    match (what, found.kind) {
        ("variable name", T::LeftParen) if previous == Some(T::Let) => {
            Some("several variables are declared with let [a, b] = …")
        }
        ("=", T::Comma) if at >= 2 && state.kind(at - 2) == T::Let => {
            Some("several variables are declared with let [a, b] = …")
        }
        ("=", T::Minus) if at >= 2 && state.kind(at - 2) == T::Let => {
            Some("a name has letters, digits and _: my_name")
        }
        ("=", T::Ident) if word(1) == "mut" => Some("every variable can be assigned: leave 'mut' out"),
        ("catch", T::Ident) if matches!(state.slice(found), "except" | "rescue" | "ensure") => {
            Some("what follows a try block is catch (e) { … } or finally { … }")
        }
        ("parameter name", T::Star | T::StarStar) => {
            Some("what is left over is collected by ...args, the last parameter")
        }
        ("expression", T::Comma) if follows_import(state, at) => Some("each module has an import of its own"),
        ("=>", _) if word(1) == "case" => Some("an arm is written pattern => body, without 'case'"),
        (")" | "statement", T::Bang) if state.kind(at + 1) == T::Dot => {
            Some("there is no '!.'; write ?. where null may come, or . where it may not")
        }
        ("type", T::Assign) => Some("a variable is declared with let x = …, or let x: int = … with its type"),
        ("type", _) => Some("a type is a name such as int, string, array[int] or Point, T? or T | U"),
        ("]" | "}", T::Colon) if in_let_pattern(state, at) => Some("names in a pattern have no types"),
        ("expression", T::Dot) if state.kind(at + 1) == T::Int => {
            Some("a number has a digit before its point: 0.5")
        }
        ("property name", _) if at >= 2 && state.kind(at - 2) == T::Int => {
            Some("a number has a digit behind its point: 5.0")
        }
        ("module name", T::Dot | T::Slash) => Some(
            "a module is named without a path: it is found beside the file, or in [paths] of aether.toml",
        ),
        (")", T::Colon | T::Ident | T::Comma | T::Dot | T::If)
            if at >= 3 && state.kind(at - 2) == T::LeftParen && state.kind(at - 3) == T::Catch =>
        {
            Some("a catch takes a name alone and catches every error: catch (e) { … }; look at e.kind in it")
        }
        (")" | "]" | "}", T::If) if !found.on_new_line() => Some("a choice is written condition ? a : b"),
        (":", _) if has_question(state, at) => Some("a choice has two results: condition ? a : b"),
        ("expression", T::EndOfFile) => Some("the text ends before the statement is complete"),
        ("expression", T::InterpolationEnd) if previous != Some(T::InterpolationStart) => {
            Some("the expression in this placeholder is not complete")
        }
        ("expression", T::Colon)
            if at >= 2
                && matches!(previous, Some(T::String | T::Int))
                && state.kind(at - 2) == T::LeftBrace =>
        {
            Some(BLOCK_NOT_DICT)
        }
        ("expression", T::Comma) if previous == Some(T::Ident) => {
            Some("one variable is assigned at a time; to exchange two: let t = a; a = b; b = t")
        }
        ("]", T::Colon) => within_brackets(state, at),
        (_, T::String | T::StringStart) if matches!(word(1), "f" | "r" | "b" | "u") => {
            Some("strings need no prefix: \"${x}\" is replaced in all but \"\"\"…\"\"\"")
        }
        ("for or while", _) if word(3) == "lambda" || word(2) == "lambda" => {
            Some("an anonymous function is written x => e or fn(x) { … }")
        }
        (_, T::Colon) if previous == Some(T::Colon) || state.kind(at + 1) == T::Colon => {
            Some("a member is written with a dot: Type.name")
        }
        (")", T::Colon)
            if previous == Some(T::Ident)
                && matches!(state.kind(at.saturating_sub(2)), T::LeftParen | T::Comma) =>
        {
            Some("an argument is given by name with '=': f(name = value)")
        }
        (_, T::Greater) if previous == Some(T::Less) => Some("inequality is written !="),
        (_, T::Greater) if previous == Some(T::Pipe) => {
            Some("there is no pipe operator; write f(x) or x.method()")
        }
        (_, kind) if word(1) == "not" && crate::precedence::starts_expression(kind) => {
            Some("'not' is written !")
        }
        _ => None,
    }
}

/// Whether a `?` without its `:` stands shortly before.
fn has_question(state: &Builder<'_>, at: usize) -> bool {
    /// Tokens to look back at most.
    const NEAR: usize = 16;
    let before = (at.saturating_sub(NEAR)..at).rev().map(|at| state.kind(at));
    let mut before = before.skip_while(|kind| !matches!(kind, T::Question | T::Colon | T::LeftBrace));
    before.next() == Some(T::Question)
}

/// Help for a colon that stands within square brackets and does not belong there.
fn within_brackets(state: &Builder<'_>, at: usize) -> Option<&'static str> {
    /// Tokens to look back at most.
    const NEAR: usize = 16;
    let open = (at.saturating_sub(NEAR)..at)
        .rev()
        .find(|&before| state.kind(before) == T::LeftBracket)?;
    if (open..at).any(|between| state.kind(between) == T::Colon) {
        return Some("a slice has no step; write a.slice(start, end, step)");
    }
    if open > 0 && state.kind(open - 1) == T::QuestionDot {
        return Some("after ?. stands one index; for a part of what may be null test for null first");
    }
    Some("a dict is written {key: value}")
}

/// Help that follows from what was expected.
fn by_expectation(state: &Builder<'_>, found: Lexeme, what: &str) -> Option<&'static str> {
    let is_of = state.slice(found) == "of";
    match (what, found.kind) {
        ("variable name", T::LeftParen) => {
            Some("write for x in items { … }, without parentheses; to count, for i in 0..n { … }")
        }
        ("variable name", kind) if kind.is_keyword() => None,
        ("in", T::Assign) => Some("write 'for x in range(0, n) { … }', or use while"),
        ("in", T::Comma) => {
            Some("a loop has one variable or two; take more apart with 'for [a, b, c] in items { … }'")
        }
        ("in", T::Ident) if is_of => Some("a loop is written with in: for x in items { … }"),
        ("in", T::Ident) => Some("a loop over two variables is written 'for k, v in items { … }'"),
        ("in", _) => Some("a loop is written 'for x in items { … }'"),
        ("=", _) => Some("a variable needs an initial value; write = null if there is none yet"),
        ("{", T::FatArrow | T::Assign) => Some("a function's body stands in braces: { return … }"),
        ("{", T::Colon) => Some("a body stands in braces, not after a colon"),
        ("{", _) => Some("a body stands in braces"),
        ("catch", _) => Some("a try block needs a catch or a finally after it"),
        ("=>", T::Colon | T::Arrow | T::Assign) => Some("an arm is written 'pattern => body'"),
        ("=>", T::LeftParen) => {
            Some("a variant is written with its enum: Shape.Circle(r); an instance is Point { x, y }")
        }
        ("=>", _) => Some("an arm is written 'pattern => body', alternatives are separated by |"),
        ("pattern", T::StringStart) => Some("a string in a pattern cannot hold placeholders"),
        ("pattern", T::LeftParen) => Some("a pattern has no parentheses of its own: a | b as name, [a, b]"),
        ("variable name", T::String) => Some("a key in a pattern is written without quotes: {key: pattern}"),
        (
            "pattern",
            T::Less | T::LessEqual | T::Greater | T::GreaterEqual | T::Equal | T::NotEqual | T::Bang,
        ) => Some("a comparison is written as a guard: n if n > 5 => …"),
        ("pattern", T::Else) => Some("the arm that matches everything else is written _ => …"),
        ("name to import", T::Star) => {
            Some("name what is imported: from m import a, b; or import m and write m.a")
        }
        ("module name", T::String | T::TripleString) => Some("a module's name is written without quotes"),
        (")", T::Assign) => Some("assignment is a statement; to compare, write =="),
        ("field name", T::Let) => Some("fields are declared by name alone: struct Point { x, y }"),
        (":", T::Assign) => Some("a key and its value are separated by ':'"),
        (":", T::Comma | T::RightBrace) => Some("a dict is written {key: value}; for a set use set([…])"),
        ("for or while", T::Assign) => Some(DECLARED_OR_ASSIGNED),
        ("for or while", _) => Some(
            "'name:' labels a loop; a '{' at the start of a statement or after => is a block, so wrap a dict in parentheses: ({…})",
        ),
        _ => None,
    }
}

/// Help that follows from what was found.
fn by_found(found: Lexeme, what: &str) -> Option<&'static str> {
    match found.kind {
        T::FatArrow if what == "pattern" => Some("in a guard an arrow function stands in parentheses"),
        T::FatArrow if what != "=>" => {
            Some("an arrow function is written x => e or (a, b) => e, with the arrow on the line of the ')'")
        }
        T::DotDot | T::DotDotEqual => Some("a range has both bounds: a..b, or a..=b with the last one"),
        T::Arrow => Some(
            "an arrow function is written x => e; '->' stands only between a function's parameters and the type of its result",
        ),
        T::Ellipsis => Some(
            "'...' may stand only before an element of an array, an argument, or the last name of an array pattern or of parameters",
        ),
        T::Else => Some("this 'else' belongs to no 'if'; 'else' follows the '}' or statement of an if"),
        T::Catch => Some("this 'catch' belongs to no 'try'"),
        T::Finally => Some("this 'finally' belongs to no 'try'"),
        T::Assign if what == "expression" => Some("assignment is a statement of its own: target = value"),
        T::RightBrace if what == "statement" => {
            Some("this '}' closes nothing; remove it, or look for a missing '{'")
        }
        T::RightParen if what == "expression" => {
            Some("an expression is missing here, or this ')' is one too many")
        }
        T::RightBracket if what == "expression" => {
            Some("an expression is missing here, or this ']' is one too many")
        }
        T::If if what == "expression" => Some("if is a statement; in an expression write condition ? a : b"),
        T::For if matches!(what, "]" | "}") => {
            Some("a comprehension has one element, or one key: value, before its 'for'")
        }
        T::Question if what == "expression" => Some("a condition is missing before '?'"),
        T::Semicolon => Some("the statement ends here before it is complete"),
        kind if infix(kind).is_some() && what == "expression" => {
            Some("this operator needs an operand on its left")
        }
        _ => None,
    }
}

/// A reserved word where a name belongs.
fn reserved_word(state: &Builder<'_>, found: Lexeme, what: &str) -> Option<String> {
    let wants_name = what.ends_with("name") || what == "pattern";
    (found.kind.is_keyword() && wants_name)
        .then(|| format!("'{}' is a reserved word and cannot be a name", state.slice(found)))
}
