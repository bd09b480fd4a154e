//! Calls that cannot succeed, and calls that do nothing.

use aether_ast::{Function, List, Node, NodeId, Symbol};
use aether_resolve::Use;
use aether_source::Diagnostic;
use ahash::AHashSet;

use crate::Program;

/// Calls of known functions with more arguments than they take, and of built-ins with too few as well.
pub(crate) fn argument_counts(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program {
        ast,
        resolution,
        prelude,
        tree,
        ..
    } = program;
    let declared: AHashSet<Symbol> = resolution.globals().iter().map(|global| global.name).collect();
    let assigned = resolution.assigned_globals();
    let assigned: AHashSet<Symbol> = assigned.filter_map(|name| ast.name_of(name)).collect();
    for &id in &tree.nodes {
        let Node::Call { callee, args } = ast.node(id) else {
            continue;
        };
        let callee = ast.without_groups(callee);
        let Node::Name(symbol) = ast.node(callee) else {
            continue;
        };
        let Some(given) = positional(program, args) else {
            continue;
        };
        let name = ast.text(symbol);
        if let Some(function) = resolution.function_of(callee, symbol) {
            let function = ast.function(function);
            surplus(program, name, function, given, args, found);
        } else if resolution.use_of(callee) == Use::Global
            && !declared.contains(&symbol)
            && !assigned.contains(&symbol)
            && let Some((least, most)) = prelude.arity(name)
            && ast.list(args).len() == given
        {
            let wanted = if given < least {
                least
            } else if let Some(most) = most.filter(|&most| given > most) {
                most
            } else {
                continue;
            };
            found.push(
                Diagnostic::warning(
                    "W0109",
                    format!("'{name}' takes {}, got {given}", arguments(wanted)),
                    ast.span(id),
                )
                .with_help(format!(
                    "it is called as {name}({})",
                    prelude.parameters(name).join(", ")
                )),
            );
        }
    }
}

/// How many arguments are given by position; `None` if that is not certain.
fn positional(program: &Program<'_>, args: List) -> Option<usize> {
    let mut count = 0;
    for &arg in program.ast.list(args) {
        match program.ast.node(arg) {
            Node::Spread(_) => return None,
            Node::Keyword { .. } => {}
            _ => count += 1,
        }
    }
    Some(count)
}

fn surplus(
    program: &Program<'_>,
    name: &str,
    function: Function,
    given: usize,
    args: List,
    found: &mut Vec<Diagnostic>,
) {
    let ast = program.ast;
    let params = ast.list(function.params);
    let is_rest = |&param: &NodeId| matches!(ast.node(param), Node::RestPattern(_));
    if given <= params.len() || params.iter().any(is_rest) {
        return;
    }
    let names: Vec<&str> = params
        .iter()
        .map(|&param| match ast.node(param) {
            Node::DefaultPattern { target, .. } | Node::RestPattern(target) => target,
            _ => param,
        })
        .filter_map(|name| ast.name_of(name))
        .map(|name| ast.text(name))
        .collect();
    let first = ast.list(args)[params.len()];
    let last = ast.list(args)[given - 1];
    let span = aether_source::Span::new(ast.span(first).start, ast.span(last).end);
    let warning = Diagnostic::warning(
        "W0109",
        format!("'{name}' takes {}, got {given}", arguments(params.len())),
        span,
    )
    .with_help(format!("its parameters are ({})", names.join(", ")));
    found.push(match function.name {
        Some(declared) => warning.with_label(ast.span(declared), "declared here"),
        None => warning,
    });
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

/// Calls of async functions as statements: their bodies never run.
pub(crate) fn never_awaited(program: &Program<'_>, found: &mut Vec<Diagnostic>) {
    let Program {
        ast,
        resolution,
        tree,
        file,
        ..
    } = program;
    for &id in &tree.nodes {
        let Node::ExprStmt(value) = ast.node(id) else {
            continue;
        };
        let Node::Call { callee, .. } = ast.node(ast.without_groups(value)) else {
            continue;
        };
        let callee = ast.without_groups(callee);
        let Node::Name(symbol) = ast.node(callee) else {
            continue;
        };
        let Some(function) = resolution.function_of(callee, symbol) else {
            continue;
        };
        // The last statement of a fragment may be its value.
        let is_value = ast.root().last() == Some(&id) || is_arm_value(program, id);
        if !ast.function(function).is_async || is_value {
            continue;
        }
        let text = file.slice(ast.span(value));
        let line = text.lines().next().unwrap_or_default();
        let written = if line.len() == text.len() { line } else { "…" };
        found.push(
            Diagnostic::warning(
                "W0110",
                format!(
                    "'{}' is async: without await its body never runs",
                    ast.text(symbol)
                ),
                ast.span(value),
            )
            .with_help(format!("write await {written}"))
            .with_edit(
                aether_source::Span::new(ast.span(value).start, ast.span(value).start),
                "await ",
            ),
        );
    }
}

/// Whether a statement is the value of a match that is one.
fn is_arm_value(program: &Program<'_>, id: NodeId) -> bool {
    let Program { ast, tree, .. } = program;
    tree.ancestors(id)
        .take_while(|&around| !matches!(ast.node(around), Node::Function(_) | Node::FunctionDecl(_)))
        .any(|around| matches!(ast.node(around), Node::MatchExpr { .. }))
}
