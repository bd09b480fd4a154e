//! Words that are not Aether's: keywords of other languages, and the contextual words that are reserved for
//! extensions. Only where the file does not use the word as a name of its own, and only before tokens that a
//! program would hardly write after a name, so no sensible program changes its meaning.
//!
//! Whether the file declares the word is known when it has been read: a word that was taken for a keyword and is
//! declared somewhere ([`misread`]) is a name when the file is read again. Example: in
//! `let {yield} = d  fn f() { yield(4) }` the first reading finds the statement `yield`, and the declaration; the second
//! finds a call.

use aether_ast::{Ast, FunctionKind, Node, NodeId, Symbol};
use aether_lexer::TokenKind as T;

use crate::builder::Builder;
use crate::cursor::Lexeme;
use crate::precedence::starts_expression;

/// What a word at the start of a statement stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// Read on as if `let` had been written.
    Let(&'static str),
    /// Read on as if `fn` had been written.
    Function,
    /// Read on as if `struct` had been written.
    Struct,
    /// The contextual word `const`: a `let` of names that are not assigned again.
    Const,
    /// The contextual word `loop`: a loop without an end of its own.
    Loop,
    /// The contextual word `defer`: code that runs when the function ends.
    Defer,
    /// The contextual word `yield`: the next item of a generator.
    Yield,
    /// Read a block, and perhaps a condition after it.
    DoLoop,
    /// Give up on the statement: what was expected, and the help.
    Unsupported(&'static str),
}

/// Recognises a foreign word at the start of a statement.
#[inline]
pub(crate) fn foreign_word(state: &mut Builder<'_>, at: usize) -> Option<Foreign> {
    let next = state.lexeme(at + 1);
    let same_line = !next.on_new_line() && next.kind != T::EndOfFile;
    let could_be = match state.slice(state.lexeme(at)) {
        "yield" => {
            let ends = matches!(next.kind, T::RightBrace | T::Semicolon);
            !same_line || ends || starts_expression(next.kind)
        }
        "defer" => {
            let may_start = !matches!(next.kind, T::LeftParen | T::LeftBracket | T::Minus);
            same_line && starts_expression(next.kind) && may_start
        }
        _ => {
            same_line
                && matches!(
                    next.kind,
                    T::Ident
                        | T::LeftBrace
                        | T::LeftBracket
                        | T::Int
                        | T::Float
                        | T::String
                        | T::StringStart
                        | T::Fn
                        | T::True
                        | T::False
                        | T::Null
                        | T::Await
                )
        }
    };
    if !could_be {
        return None;
    }
    let text = state.slice(state.lexeme(at));
    let found = classify(state, text, at, next)?;
    state.is_keyword(text).then_some(found)
}

fn classify(state: &Builder<'_>, word: &str, at: usize, next: Lexeme) -> Option<Foreign> {
    let after = state.kind(at + 2);
    let name = next.kind == T::Ident;
    match word {
        "const" if name || matches!(next.kind, T::LeftBrace | T::LeftBracket) => Some(Foreign::Const),
        "var" | "val" | "local" | "auto" | "mut" if name && matches!(after, T::Assign | T::Colon) => {
            Some(Foreign::Let("variables are declared with let"))
        }
        "function" | "func" | "def" | "fun" if name && after == T::LeftParen => Some(Foreign::Function),
        "class" if name && after == T::LeftBrace => Some(Foreign::Struct),
        "loop" if next.kind == T::LeftBrace => Some(Foreign::Loop),
        "defer" => Some(Foreign::Defer),
        "yield" => Some(Foreign::Yield),
        "new" if name && after == T::LeftParen => Some(Foreign::Unsupported(
            "instances are written Name { field: value }",
        )),
        "do" if next.kind == T::LeftBrace => Some(Foreign::DoLoop),
        _ => None,
    }
}

/// The words that this reading took for keywords, although the file declares them as variables, functions, parameters
/// or imports.
pub(crate) fn misread<'t>(state: &Builder<'t>) -> Vec<&'t str> {
    let ast = &state.ast;
    // A keyword makes no symbol, so nearly every file is done here.
    let mut suspects: Vec<(&str, Symbol)> = state
        .keywords
        .iter()
        .filter_map(|&word| ast.symbol(word).map(|symbol| (word, symbol)))
        .collect();
    let mut declared = Vec::new();
    if suspects.is_empty() {
        return declared;
    }
    for id in ast.ids() {
        each_declared(ast, id, |name| {
            if let Node::Ident(name) = ast.node(name)
                && let Some(found) = suspects.iter().position(|&(_, symbol)| symbol == name)
            {
                declared.push(suspects.swap_remove(found).0);
            }
        });
    }
    declared
}

/// Visits what a node declares itself; names within the patterns of a pattern are those patterns' own.
fn each_declared(ast: &Ast, id: NodeId, mut visit: impl FnMut(NodeId)) {
    match ast.node(id) {
        Node::Let { pattern, .. } | Node::Const { pattern, .. } | Node::Arm { pattern, .. } => visit(pattern),
        Node::For { binding, .. } | Node::ForClause { binding, .. } => visit(binding),
        Node::Catch { binding, .. } => binding.into_iter().for_each(visit),
        Node::PairPattern { first, second } => [first, second].into_iter().for_each(visit),
        Node::ArrayPattern(parts) | Node::OrPattern(parts) | Node::VariantPattern { fields: parts, .. } => {
            ast.list(parts).iter().copied().for_each(visit);
        }
        Node::RestPattern(target) | Node::EntryPattern { target, .. } => visit(target),
        Node::AsPattern { pattern, name } => [pattern, name].into_iter().for_each(visit),
        Node::DefaultPattern { target, default } if !is_field_default(ast, default) => visit(target),
        Node::Function(function) | Node::FunctionDecl(function) => {
            let function = ast.function(function);
            function.name.into_iter().for_each(&mut visit);
            ast.list(function.params).iter().copied().for_each(visit);
        }
        Node::Struct(definition) => visit(ast.structure(definition).name),
        Node::Enum(definition) => visit(ast.enumeration(definition).name),
        Node::Import { module: name, alias } | Node::ImportItem { name, alias } => {
            visit(alias.unwrap_or(name));
        }
        _ => {}
    }
}

/// Whether a default is that of a struct's field, which is no variable.
fn is_field_default(ast: &Ast, default: NodeId) -> bool {
    match ast.node(default) {
        Node::Function(function) => ast.function(function).kind == FunctionKind::FieldDefault,
        _ => false,
    }
}
