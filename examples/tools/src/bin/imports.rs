//! `imports [--dot] FILE…`: which file imports which, following the files that are found beside the importing one.
//!
//! Uses the parser and the tree. A file that cannot be read or parsed is told and left out; a circle is marked.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aether_ast::{Ast, Node};

/// The modules that a file imports, in order of the text, each once.
fn modules(ast: &Ast) -> Vec<String> {
    let mut imports: Vec<(u32, String)> = ast
        .ids()
        .filter_map(|id| match ast.node(id) {
            Node::Import { module, .. } | Node::FromImport { module, .. } => {
                let name = ast.text(ast.name_of(module)?).to_owned();
                Some((ast.span(id).start, name))
            }
            _ => None,
        })
        .collect();
    imports.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in imports {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The file that an import beside `importer` means, if there is one.
fn found(importer: &Path, module: &str) -> Option<PathBuf> {
    let directory = importer.parent().unwrap_or(Path::new(""));
    let candidates = [
        directory.join(format!("{module}.ae")),
        directory.join("modules").join(format!("{module}.ae")),
    ];
    candidates.into_iter().find(|path| path.is_file())
}

/// Every file with what it imports: the file if there is one, else the module's name.
#[derive(Default)]
struct Graph {
    edges: BTreeMap<PathBuf, Vec<String>>,
    complaints: Vec<String>,
}

impl Graph {
    fn add(&mut self, file: PathBuf) {
        let mut pending = vec![file];
        while let Some(file) = pending.pop() {
            if self.edges.contains_key(&file) {
                continue;
            }
            let source = example_tools::read(&file.to_string_lossy());
            let ast = match source.and_then(|source| example_tools::tree(&source)) {
                Ok(ast) => ast,
                Err(message) => {
                    self.complaints.push(message);
                    continue;
                }
            };
            let mut targets = Vec::new();
            for module in modules(&ast) {
                match found(&file, &module) {
                    Some(path) => {
                        targets.push(path.display().to_string());
                        pending.push(path);
                    }
                    None => targets.push(module),
                }
            }
            self.edges.insert(file, targets);
        }
    }

    /// Whether `to` leads back to `from`.
    fn leads_back(&self, from: &Path, to: &str) -> bool {
        let mut seen = vec![to];
        let mut at = 0;
        while at < seen.len() {
            let next = self.edges.get(Path::new(seen[at]));
            if Path::new(seen[at]) == from {
                return true;
            }
            for target in next.into_iter().flatten() {
                if !seen.contains(&target.as_str()) {
                    seen.push(target);
                }
            }
            at += 1;
        }
        false
    }

    fn text(&self, dot: bool) -> String {
        let mut text = String::new();
        if dot {
            text.push_str("digraph imports {\n");
        }
        for (file, targets) in &self.edges {
            for target in targets {
                let is_circular = self.leads_back(file, target);
                let file = file.display();
                // Writing to a text cannot fail.
                let _ = match (dot, is_circular) {
                    (true, true) => writeln!(text, "  \"{file}\" -> \"{target}\" [color=red]"),
                    (true, false) => writeln!(text, "  \"{file}\" -> \"{target}\""),
                    (false, true) => writeln!(text, "{file} -> {target} (circular)"),
                    (false, false) => writeln!(text, "{file} -> {target}"),
                };
            }
        }
        if dot {
            text.push_str("}\n");
        }
        text
    }
}

#[expect(clippy::print_stdout, reason = "the graph is the tool's output")]
fn run() -> Result<(), String> {
    let (flags, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word == "--dot");
    if files.is_empty() {
        return Err("usage: imports [--dot] FILE…".to_owned());
    }
    let mut graph = Graph::default();
    for file in files {
        graph.add(PathBuf::from(file));
    }
    print!("{}", graph.text(!flags.is_empty()));
    if graph.complaints.is_empty() {
        Ok(())
    } else {
        Err(graph.complaints.join("\n"))
    }
}

fn main() -> ExitCode {
    example_tools::report(run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_followed_and_circles_marked() {
        let root = std::env::temp_dir().join(format!("aether-imports-{}", std::process::id()));
        std::fs::create_dir_all(root.join("modules")).unwrap();
        std::fs::write(
            root.join("a.ae"),
            "import b\nfrom math import floor\nimport c as d\nfn f() { import b }",
        )
        .unwrap();
        std::fs::write(root.join("b.ae"), "import a").unwrap();
        std::fs::write(root.join("modules/c.ae"), "let x = ").unwrap();
        let mut graph = Graph::default();
        graph.add(root.join("a.ae"));
        let place = format!("{}/", root.display());
        let text = graph.text(false).replace(&place, "");
        assert_eq!(
            text,
            "a.ae -> b.ae (circular)\na.ae -> math\na.ae -> modules/c.ae\nb.ae -> a.ae (circular)\n"
        );
        assert_eq!(graph.complaints.len(), 1);
        assert!(graph.text(true).contains("[color=red]"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
