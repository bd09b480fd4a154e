//! `rename FILE LINE:COLUMN NAME [--write]`: renames what is declared or used at a place, and shows the lines that change.
//!
//! The resolver says which names refer to one declaration, so names that shadow it stay as they are. Only those names are
//! replaced: comments and layout are kept. Before anything is shown, the new text is resolved again: if a name would then
//! refer to another declaration than before, the renaming is refused.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use aether_ast::{Ast, Node, NodeId};
use aether_resolve::{Resolution, Use, resolve};
use aether_source::{SourceFile, Span};

/// What a name stands for: the place of its declaration, or a name of the module scope.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Local(Option<u32>),
    Global(String),
}

/// Every name in the source with what it stands for, in order of the text.
fn names(ast: &Ast, resolution: &Resolution) -> Vec<(Span, Target)> {
    let mut names: Vec<(Span, Target)> = ast
        .ids()
        .filter_map(|id| {
            let target = match resolution.use_of(id) {
                Use::None => return None,
                Use::Local(binding) => {
                    let ident = resolution.binding(binding).ident;
                    Target::Local(ident.map(|ident| ast.span(ident).start))
                }
                Use::Global => Target::Global(ast.text(ast.name_of(id)?).to_owned()),
            };
            Some((ast.span(id), target))
        })
        .collect();
    names.sort_by_key(|(span, _)| span.start);
    names
}

/// The byte at a line and column, both counted from 1.
fn offset(file: &SourceFile, place: &str) -> Result<u32, String> {
    let (line, column) = place.split_once(':').ok_or("a place is LINE:COLUMN")?;
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("'{text}' is no number"));
    let (line, column) = (number(line)?, number(column)?);
    let text = file.text();
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1) as usize)
        .map(str::len)
        .sum();
    let characters = file
        .line_text(line)
        .ok_or("there is no such line")?
        .char_indices();
    let mut columns = characters.map(|(at, _)| at);
    let at = columns
        .nth(column.saturating_sub(1) as usize)
        .ok_or("there is no such column")?;
    Ok((start + at) as u32)
}

/// The spans that are to be replaced.
fn places(file: &SourceFile, ast: &Ast, at: u32) -> Result<Vec<Span>, String> {
    let resolution = resolve(ast, false);
    let all = names(ast, &resolution);
    let here = all.iter().find(|(span, _)| span.start <= at && at < span.end);
    let (span, target) = here.ok_or("there is no name that is declared or used")?;
    let name = file.slice(*span);
    if let Target::Global(_) = target {
        let declared = resolution
            .globals()
            .iter()
            .any(|global| ast.text(global.name) == name);
        if !declared {
            return Err(format!("'{name}' is not declared in this file"));
        }
    }
    if let Some(id) = ast.ids().find(|&id| is_keyword_argument(ast, id, name)) {
        let line = file.line(ast.span(id).start);
        return Err(format!(
            "line {line} names an argument '{name}': rename the parameter by hand"
        ));
    }
    let same = all.iter().filter(|(_, other)| other == target);
    Ok(same.map(|(span, _)| *span).collect())
}

/// Whether a node is an argument that is given by this name.
fn is_keyword_argument(ast: &Ast, id: NodeId, wanted: &str) -> bool {
    match ast.node(id) {
        Node::Keyword { name, .. } => ast.text(name) == wanted,
        _ => false,
    }
}

fn replaced(file: &SourceFile, places: &[Span], name: &str) -> String {
    let mut text = String::new();
    let mut from = 0;
    for place in places {
        text.push_str(&file.text()[from..place.start as usize]);
        text.push_str(name);
        from = place.end as usize;
    }
    text.push_str(&file.text()[from..]);
    text
}

/// Where a place of the old text is in the new one.
fn moved(at: u32, places: &[Span], name: &str) -> u32 {
    let before = places.iter().filter(|place| place.start < at);
    let shift: i64 = before
        .map(|place| name.len() as i64 - i64::from(place.end - place.start))
        .sum();
    (i64::from(at) + shift) as u32
}

/// Refuses a renaming after which a name refers to something else.
fn check(file: &SourceFile, ast: &Ast, new: &SourceFile, places: &[Span], name: &str) -> Result<(), String> {
    let old_name = file.slice(places[0]);
    let tree = example_tools::tree(new).map_err(|_| format!("'{name}' is no name"))?;
    let (before, after) = (
        names(ast, &resolve(ast, false)),
        names(&tree, &resolve(&tree, false)),
    );
    let expected = before.into_iter().map(|(span, target)| match target {
        Target::Local(at) => (span, Target::Local(at.map(|at| moved(at, places, name)))),
        Target::Global(global) if global == old_name && places.contains(&span) => {
            (span, Target::Global(name.to_owned()))
        }
        Target::Global(global) => (span, Target::Global(global)),
    });
    for ((span, expected), (_, found)) in expected.zip(&after) {
        if expected != *found {
            let line = file.line(span.start);
            return Err(format!("'{name}' would mean something else in line {line}"));
        }
    }
    // Two declarations of the module scope are one name.
    let is_taken = ast.symbol(name).is_some_and(|symbol| {
        let globals = resolve(ast, false);
        globals.globals().iter().any(|global| global.name == symbol)
    });
    if is_taken
        && after
            .iter()
            .any(|(_, target)| *target == Target::Global(name.to_owned()))
    {
        return Err(format!("'{name}' is declared already"));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the changed lines are the tool's output")]
fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (path, place, name, writes) = match args.as_slice() {
        [path, place, name] => (path, place, name, false),
        [path, place, name, flag] if flag == "--write" => (path, place, name, true),
        _ => return Err("usage: rename FILE LINE:COLUMN NAME [--write]".to_owned()),
    };
    let file = example_tools::read(path)?;
    let ast = example_tools::tree(&file)?;
    let places = places(&file, &ast, offset(&file, place)?)?;
    let new = SourceFile::new(Some(path.clone()), replaced(&file, &places, name));
    check(&file, &ast, &new, &places, name)?;
    let mut lines: Vec<u32> = places.iter().map(|place| file.line(place.start)).collect();
    lines.dedup();
    for line in lines {
        println!("{line:>5} - {}", file.line_text(line).unwrap_or_default());
        println!("{line:>5} + {}", new.line_text(line).unwrap_or_default());
    }
    if writes {
        std::fs::write(path, new.text()).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    example_tools::report(run())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text after renaming what is at the first `^` below a line.
    fn renamed(text: &str, place: &str, name: &str) -> Result<String, String> {
        let file = SourceFile::new(None, text.to_owned());
        let ast = example_tools::tree(&file)?;
        let places = places(&file, &ast, offset(&file, place)?)?;
        let new = SourceFile::new(None, replaced(&file, &places, name));
        check(&file, &ast, &new, &places, name)?;
        Ok(new.text().to_owned())
    }

    #[test]
    fn shadowing_names_and_comments_stay() {
        let text = "let n = 1 // n\nfn f(n) { return n + 1 }\nfn g() { let m = n  { let n = 2  m += n }  return n }\nprintln(\"${n} n\")\n";
        assert_eq!(
            renamed(text, "1:5", "count").unwrap(),
            "let count = 1 // n\nfn f(n) { return n + 1 }\nfn g() { let m = count  { let n = 2  m += n }  return count }\nprintln(\"${count} n\")\n"
        );
        assert_eq!(
            renamed(text, "2:18", "x").unwrap(),
            text.replace("f(n) { return n + 1", "f(x) { return x + 1")
        );
        assert_eq!(
            renamed(text, "3:27", "x").unwrap(),
            text.replace("let n = 2  m += n", "let x = 2  m += x")
        );
    }

    #[test]
    fn what_would_change_the_meaning_is_refused() {
        let text = "let n = 1\nfn g(m) { return n + m }\nlet k = n\n";
        assert_eq!(
            renamed(text, "1:5", "m").unwrap_err(),
            "'m' would mean something else in line 2"
        );
        assert_eq!(
            renamed(text, "2:6", "n").unwrap_err(),
            "'n' would mean something else in line 2"
        );
        assert_eq!(renamed(text, "1:5", "k").unwrap_err(), "'k' is declared already");
        assert_eq!(renamed(text, "1:5", "if").unwrap_err(), "'if' is no name");
        assert_eq!(
            renamed("println(1)\n", "1:1", "show").unwrap_err(),
            "'println' is not declared in this file"
        );
        assert_eq!(
            renamed(text, "1:1", "x").unwrap_err(),
            "there is no name that is declared or used"
        );
        assert!(renamed(text, "9:1", "x").is_err());
        assert!(renamed("let = 1", "1:5", "x").unwrap_err().starts_with("-:1:5: "));
    }
}
