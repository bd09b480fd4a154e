//! The tree as `aether ast` writes it. The tests stand here since they need a parser to make the trees.

use aether_ast::{Ast, dump, print, to_json};
use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;

fn tree(text: &str) -> Ast {
    parse(&SourceFile::new(None, text.into()), ParseOptions::default()).ast
}

#[test]
fn the_tree_is_indented_by_two() {
    assert_eq!(
        dump(&tree("fn main() {\n    let a = 1\n}\n")),
        "Program\n  Function \"main\" []\n    Block\n      Let \"a\"\n        Integer 1\n"
    );
    assert_eq!(
        dump(&tree("x += (a.b)(\"q\\n\", -1)[1:]")),
        "Program\n  CompoundAssign \"+\"\n    Identifier \"x\"\n    Slice no-end\n      Call\n        Member \"b\"\n          Identifier \"a\"\n        String \"q\\n\"\n        Unary \"-\"\n          Integer 1\n      Integer 1\n"
    );
    assert_eq!(
        dump(&tree("struct P { x, y\n async fn m(a, b) {} }")),
        "Program\n  Struct \"P\" [x, y]\n    Function async \"m\" [a, b]\n      Block\n"
    );
}

#[test]
fn json_keys_are_sorted() {
    assert_eq!(
        to_json(&tree("let a = f(1)")),
        r#"{
  "statements": [
    {
      "name": "a",
      "type": "Let",
      "value": {
        "args": [
          {
            "type": "Integer",
            "value": 1
          }
        ],
        "callee": {
          "name": "f",
          "type": "Identifier"
        },
        "type": "Call"
      }
    }
  ],
  "type": "Program"
}
"#
    );
    assert_eq!(
        to_json(&tree("")),
        "{\n  \"statements\": [],\n  \"type\": \"Program\"\n}\n"
    );
}

#[test]
fn long_chains_are_written_without_recursion() {
    let write = || {
        for text in [
            format!("x = 1{}", " + 1".repeat(100_000)),
            format!("if (a) {{ }}{}", " else if (b) { }".repeat(100_000)),
        ] {
            let tree = tree(&text);
            assert!(dump(&tree).len() > text.len());
            assert!(to_json(&tree).len() > text.len());
            assert!(print(&tree).len() + 10 > text.len());
        }
    };
    std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(write)
        .unwrap()
        .join()
        .unwrap();
}
