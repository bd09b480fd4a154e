//! What holds for every text and every tree.

#[path = "support/random_tree.rs"]
mod random_tree;

use aether_ast::{Node, print, to_json};
use aether_parser::{Parse, ParseOptions, parse};
use aether_source::{SourceFile, Span};
use proptest::prelude::*;
use random_tree::tree;

const PROGRAMS: [&str; 3] = [
    include_str!("programs/inventory.ae"),
    include_str!("programs/syntax.ae"),
    include_str!("programs/text.ae"),
];

/// Parses and checks what holds for any text: spans nest, diagnostics are in order and inside the text.
fn checked(text: &str) -> Parse {
    let file = SourceFile::new(None, text.to_owned());
    let parsed = parse(&file, ParseOptions::default());
    let whole = Span::new(0, text.len() as u32);
    assert!(
        parsed.diagnostics.is_sorted_by_key(|found| found.span.start),
        "{text:?}"
    );
    for found in &parsed.diagnostics {
        assert!(whole.contains(found.span), "{text:?} {found:?}");
        assert!(
            text.is_char_boundary(found.span.start as usize),
            "{text:?} {found:?}"
        );
        assert!(
            text.is_char_boundary(found.span.end as usize),
            "{text:?} {found:?}"
        );
    }
    let ast = &parsed.ast;
    for &statement in ast.root() {
        assert!(whole.contains(ast.span(statement)));
    }
    let mut previous = 0;
    for &statement in ast.root() {
        assert!(ast.span(statement).start >= previous, "{text:?}");
        previous = ast.span(statement).end;
    }
    let mut stack = ast.root().to_vec();
    let mut has_error = false;
    while let Some(id) = stack.pop() {
        has_error |= ast.node(id) == Node::Error;
        ast.for_each_child(id, |child| {
            assert!(
                ast.span(id).contains(ast.span(child)),
                "{text:?}: {:?} {:?} does not hold {:?} {:?}",
                ast.node(id),
                ast.span(id),
                ast.node(child),
                ast.span(child)
            );
            stack.push(child);
        });
    }
    assert!(
        !has_error || !parsed.diagnostics.is_empty(),
        "an error node without a diagnostic: {text:?}"
    );
    parsed
}

#[test]
fn programs_parse_and_print_to_the_same_tree() {
    for program in PROGRAMS {
        let parsed = checked(program);
        assert_eq!(parsed.diagnostics, []);
        let printed = print(&parsed.ast);
        let again = checked(&printed);
        assert_eq!(again.diagnostics, [], "{printed}");
        assert_eq!(to_json(&again.ast), to_json(&parsed.ast), "{printed}");
    }
}

#[test]
fn every_prefix_and_every_gap_of_a_program_parses() {
    for program in PROGRAMS {
        for (at, _) in program.char_indices() {
            checked(&program[..at]);
            checked(&program[at..]);
        }
        let bounds: Vec<usize> = program.char_indices().map(|(at, _)| at).collect();
        for pair in bounds.windows(2) {
            let without = format!("{}{}", &program[..pair[0]], &program[pair[1]..]);
            checked(&without);
        }
    }
}

/// Pieces that make interesting texts when thrown together.
const PIECES: [&str; 96] = [
    " ",
    "\n",
    "\r\n",
    "// c\n",
    "/* c */",
    "/*",
    "x",
    "y",
    "self",
    "_",
    "é",
    "1",
    "2.5",
    "1e9",
    "0x",
    "9223372036854775808",
    "\"a\"",
    "\"",
    "'",
    "\"\"\"",
    "\"${",
    "}",
    "}\"",
    "\\",
    "\\u{41}",
    "$",
    "as",
    "async",
    "await",
    "break",
    "catch",
    "continue",
    "debugger",
    "else",
    "enum",
    "false",
    "finally",
    "fn",
    "for",
    "from",
    "if",
    "import",
    "in",
    "let",
    "match",
    "null",
    "return",
    "struct",
    "throw",
    "true",
    "try",
    "while",
    "(",
    ")",
    "[",
    "]",
    "{",
    ",",
    ".",
    "...",
    ":",
    ";",
    "=>",
    "+",
    "-",
    "*",
    "/",
    "**",
    "=",
    "+=",
    "==",
    "!=",
    "<",
    "<<",
    ">>=",
    "&",
    "&&",
    "|",
    "||",
    "^",
    "~",
    "!",
    "?",
    "??",
    "?.",
    "..",
    "->",
    "const",
    "loop",
    "var",
    "function",
    "elif",
    "class",
    "@",
    "“",
    "do",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_parses(text in "\\PC*|[\\x00-\\x7f]*") {
        checked(&text);
    }

    #[test]
    fn any_pieces_parse(picks in prop::collection::vec(0..PIECES.len(), 0..60), spaced in any::<bool>()) {
        let text: Vec<&str> = picks.iter().map(|&pick| PIECES[pick]).collect();
        checked(&text.join(if spaced { " " } else { "" }));
    }

    #[test]
    fn a_program_with_a_piece_put_in_parses(which in 0..PROGRAMS.len(), at in any::<prop::sample::Index>(), piece in 0..PIECES.len()) {
        let program = PROGRAMS[which];
        let bounds: Vec<usize> = program.char_indices().map(|(at, _)| at).collect();
        let at = bounds[at.index(bounds.len())];
        checked(&format!("{}{}{}", &program[..at], PIECES[piece], &program[at..]));
    }

    #[test]
    fn a_random_tree_prints_and_parses_to_itself(choices in prop::collection::vec(any::<u8>(), 0..300)) {
        let ast = tree(&choices);
        let printed = print(&ast);
        let parsed = checked(&printed);
        prop_assert_eq!(&parsed.diagnostics, &[], "{}", printed);
        prop_assert_eq!(to_json(&parsed.ast), to_json(&ast), "{}", printed);
        // Printing what was parsed changes nothing more.
        prop_assert_eq!(print(&parsed.ast), printed);
    }
}
