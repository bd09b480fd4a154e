//! Each lint on programs that deserve it and on programs that do not.
#![forbid(unsafe_code)]

use aether_lint::{LINTS, Prelude, Program};
use aether_parser::{ParseOptions, parse};
use aether_resolve::resolve;
use aether_source::SourceFile;

struct Names;

impl Prelude for Names {
    fn has(&self, name: &str) -> bool {
        self.names().contains(&name)
    }

    fn is_module(&self, name: &str) -> bool {
        name == "fs"
    }

    fn names(&self) -> Vec<&str> {
        vec!["println", "len", "args", "range", "make_weak", "upgrade_weak"]
    }

    fn arity(&self, name: &str) -> Option<(usize, Option<usize>)> {
        match name {
            "len" => Some((1, Some(1))),
            "range" => Some((1, Some(3))),
            "println" => Some((0, None)),
            _ => None,
        }
    }

    fn parameters(&self, _: &str) -> Vec<&str> {
        vec!["value"]
    }
}

/// The findings of a program: line, code, message.
fn findings(text: &str) -> Vec<(u32, &'static str, String)> {
    let file = SourceFile::new(None, text.to_owned());
    let parsed = parse(&file, ParseOptions::default());
    assert!(parsed.diagnostics.is_empty(), "{text}: {:?}", parsed.diagnostics);
    let resolution = resolve(&parsed.ast, true);
    Program::new(&file, &parsed.ast, &resolution, &Names)
        .lints()
        .into_iter()
        .map(|found| (file.line(found.span.start), found.code, found.message))
        .collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    findings(text).into_iter().map(|(_, code, _)| code).collect()
}

/// What a program becomes when its fixes are applied.
fn fixed(text: &str) -> String {
    let file = SourceFile::new(None, text.to_owned());
    let parsed = parse(&file, ParseOptions::default());
    let resolution = resolve(&parsed.ast, true);
    let mut out = text.to_owned();
    let mut edits: Vec<_> = Program::new(&file, &parsed.ast, &resolution, &Names)
        .lints()
        .into_iter()
        .flat_map(|found| found.fix)
        .collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    for edit in edits {
        out.replace_range(edit.span.range(), &edit.text);
    }
    out
}

#[test]
fn unused_bindings_are_told() {
    assert_eq!(codes("fn f() { let a = 1 }"), ["W0101"]);
    assert_eq!(codes("fn f() { fn g() { } }"), ["W0101"]);
    assert_eq!(codes("fn f() { let a = 1\n a = 2 }"), ["W0101"]);
    assert_eq!(codes("fn f() { let [a, b] = [1, 2]\n return b }"), ["W0101"]);
    // What is read, a parameter, a loop's variable, a global, a name that says so.
    for text in [
        "fn f() { let a = 1\n return a }",
        "fn f() { let a = 1\n a += 1 }",
        "fn f(a) { for x in [1] { } }",
        "fn f() { for k, v in {} { } }",
        "let a = 1",
        "fn f() { let _a = 1 }",
        "fn f() { let a = 1\n return () => a }",
        "fn f() { struct P { x }\n return P { x: 1 } }",
        "fn f() { try { f() } catch (e) { } }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
    assert_eq!(fixed("fn f() { let a = 1 }"), "fn f() { let _a = 1 }");
    assert_eq!(fixed("fn f() { let a: int = 1 }"), "fn f() { let _a: int = 1 }");
    // The fix would meet another name, or leave an assignment behind.
    for text in [
        "fn f(_a) { let a = 1 }",
        "fn f() { let a = 1\n a = 2 }",
        "fn f() { let {a} = {}\n }",
    ] {
        assert_eq!(fixed(text), text);
    }
}

#[test]
fn unused_imports_are_told() {
    assert_eq!(codes("import math"), ["W0102"]);
    assert_eq!(codes("from math import a, b\nprintln(a)"), ["W0102"]);
    assert_eq!(codes("fn f() { import math as m }"), ["W0102"]);
    for text in [
        "import math\nprintln(math.pi)",
        "import m\nfn f(x) { match x { m.A => 1 } }",
        "import m\nfn f(x: m) { }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn code_that_is_never_reached_is_told() {
    for text in [
        "fn f() { return 1\n println(2) }",
        "fn f() { throw 1\n println(2) }",
        "loop { break\n println(2) }",
        "fn f(a) { if (a) { return 1 } else { throw 2 }\n println(2) }",
    ] {
        assert_eq!(codes(text), ["W0103"], "{text}");
    }
    for text in [
        "fn f(a) { if (a) { return 1 }\n println(2) }",
        "fn g() { return\n yield }",
        "fn f() { return g()\n fn g() { } }",
    ] {
        assert!(!codes(text).contains(&"W0103"), "{text}");
    }
    let choice = "fn f(a) { return if (a) { 1 } else { 2 } }";
    assert!(
        help_of(choice).contains("return condition ? a : b"),
        "{}",
        help_of(choice)
    );
    let behind = "fn f(a) { return\n if (a) { f(1) } }";
    assert!(help_of(behind).starts_with("remove it"), "{}", help_of(behind));
}

/// The help of a program's first finding.
fn help_of(text: &str) -> String {
    let file = SourceFile::new(None, text.to_owned());
    let parsed = parse(&file, ParseOptions::default());
    let resolution = resolve(&parsed.ast, true);
    let found = Program::new(&file, &parsed.ast, &resolution, &Names).lints();
    found
        .into_iter()
        .find_map(|finding| finding.help)
        .unwrap_or_default()
}

#[test]
fn calls_of_hidden_built_ins_are_told() {
    assert_eq!(codes("fn f(a) { let len = 3\n return len(a) }"), ["W0104"]);
    for text in [
        "fn f(a) { let len = 3\n return len + a }",
        "fn f(len) { return len(1) }",
        "fn f(a) { let len = x => 1\n return len(a) }",
        "fn f(a) { let len = 3\n len = a\n return len(a) }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn conditions_that_never_change_are_told() {
    for text in [
        "if (true) { }",
        "while (false) { }",
        "println(0 ? 1 : 2)",
        "println([x for x in args if null])",
    ] {
        assert_eq!(codes(text), ["W0105"], "{text}");
    }
    for text in ["while (true) { }", "if (args) { }", "while (1) { break }"] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn operators_that_group_otherwise_than_they_look_are_told() {
    let found = findings("fn f(flags) { return flags & 2 == 0 }");
    assert_eq!(found[0].1, "W0106");
    assert_eq!(codes("fn f(a, b) { return a == 1 | b }"), ["W0106"]);
    for text in [
        "fn f(a) { return (a & 2) == 0 }",
        "fn f(a) { return a & (2 == 0) }",
        "fn f(a) { return a & 2 }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn matches_that_leave_out_variants_are_told() {
    let with = |body: &str| format!("enum E {{ A, B, C(x) }}\nfn f(e) {{ {body} }}");
    let found = findings(&with("match e { E.A => 1, E.B => 2 }"));
    assert_eq!((found[0].1, found[0].2.as_str()), ("W0107", "no arm for E.C"));
    assert_eq!(codes(&with("return match e { E.A => 1 }")), ["W0107"]);
    assert_eq!(codes(&with("return match e { E.A | E.B => 1 }")), ["W0107"]);
    for body in [
        "match e { E.A => 1 }",
        "return match e { E.A => 1, E.B => 2, E.C(_) => 3 }",
        "return match e { E.A => 1, _ => 2 }",
        "return match e { E.A => 1, other => other }",
        "return match e { E.A => 1, 5 => 2 }",
    ] {
        assert_eq!(codes(&with(body)), [""; 0], "{body}");
    }
    // An enum that is declared twice, or elsewhere, tells nothing.
    assert_eq!(codes("fn f(e) { return match e { E.A => 1 } }"), [""; 0]);
}

#[test]
fn patterns_that_take_anything_are_told() {
    let with = |arms: &str| format!("enum E {{ A, B(x), small }}\nfn f(e) {{ return match e {{ {arms} }} }}");
    let found = findings(&with("A => 1, E.B(x) => x"));
    assert_eq!(
        found,
        [(2, "W0114", "'A' matches anything here and names it".to_owned())]
    );
    for arms in [
        "E.B(A) => 1, _ => 2",
        "[A, 1] => 1, _ => 2",
        "{k: A} => 1, _ => 2",
        "E.small | A => 1",
        "A if e == 1 => 1, _ => 2",
        "A as x => x",
    ] {
        assert_eq!(codes(&with(arms)), ["W0114"], "{arms}");
    }
    for arms in [
        "_ => 1, 2 => 3",
        "x => x, 2 => 3",
        "1 | _ => 1, 2 => 3, 4 => 5",
        "x as y => y, 2 => 3",
    ] {
        assert_eq!(codes(&with(arms)), ["W0103"], "{arms}");
    }
    for arms in [
        "x if x == 1 => x, 2 => 3",
        "[x] => x, 2 => 3",
        "small => 1",
        "{A} => A, _ => 1",
        "E.A => 1, E.B(_) => 2, E.small => 3",
        "1 => 1, _ => 2",
    ] {
        assert_eq!(codes(&with(arms)), [""; 0], "{arms}");
    }
}

#[test]
fn keys_and_fields_are_compared() {
    assert_eq!(codes("println({\"a\": 1, \"a\": 2})"), ["W0108"]);
    assert_eq!(codes("println({1: 1, 1: 2, true: 3})"), ["W0108"]);
    assert_eq!(codes("println({\"1\": 1, 1: 2})"), [""; 0]);
    let found = findings("struct P { width, height }\nprintln(P { widht: 1, height: 2 })");
    assert_eq!(
        (found[0].1, found[0].2.as_str()),
        ("W0113", "P declares no field 'widht'")
    );
    for text in [
        "struct P { width }\nprintln(P { width: 1, wide: 2 })",
        "struct P { width }\nprintln(P { color: 1 })",
        "println(Q { widht: 1 })",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn calls_are_held_against_their_functions() {
    assert_eq!(codes("fn f(a, b) { return a + b }\nf(1, 2, 3)"), ["W0109"]);
    assert_eq!(codes("len()"), ["W0109"]);
    assert_eq!(codes("len(1, 2)"), ["W0109"]);
    for text in [
        "fn f(a, b) { return a + b }\nf(1)",
        "fn f(...a) { return a }\nf(1, 2, 3)",
        "fn f(a) { return a }\nf(...args, 1, 2)",
        "fn f(a) { return a }\nf = println\nf(1, 2)",
        "fn len(a, b) { return a + b }\nlen(1, 2)",
        "len = println\nlen(1, 2)",
        "println(1, 2, 3)",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn promises_that_nothing_awaits_are_told() {
    let text = "async fn save(x) { return x }\nfn main() { save(1)\n println(2) }";
    assert_eq!(codes(text), ["W0110"]);
    assert!(fixed(text).contains("{ await save(1)"));
    for text in [
        "async fn save(x) { return x }\nfn main() { await save(1) }",
        "async fn save(x) { return x }\nfn main() { let p = save(1)\n return p }",
        "async fn save(x) { return x }\nsave(1)",
        "async fn save(x) { return x }\nfn f(k) { return match k { 1 => save(1), _ => save(2) } }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn structures_that_hold_themselves_are_told() {
    let cyclic = [
        "struct N { me }\nfn f() { let n = N { me: null }\n n.me = n\n return n }",
        "fn f() { let a = []\n a.push(a)\n return a }",
        "fn f() { let d = {}\n d[\"me\"] = d\n return d }",
        "struct Tree { items, parent\n fn add(self, child) { self.items.push(child)\n child.parent = self } }",
        "struct N { v, parent }\nfn f(top) { let n = N { v: 1, parent: top }\n top.items.push(n) }",
        "fn f(a, b) { a.next = b\n b.prev = a }",
    ];
    for text in cyclic {
        assert_eq!(codes(text), ["W0111"], "{text}");
    }
    let help = {
        let file = SourceFile::new(None, cyclic[3].to_owned());
        let parsed = parse(&file, ParseOptions::default());
        let resolution = resolve(&parsed.ast, true);
        Program::new(&file, &parsed.ast, &resolution, &Names).lints()[0]
            .help
            .clone()
            .unwrap()
    };
    assert_eq!(
        help,
        "write child.parent = make_weak(self), and upgrade_weak(child.parent) where it is read"
    );
    for text in [
        "fn f(a, b) { a.next = b\n b.prev = make_weak(a) }",
        "fn f(a, b) { a.next = b\n b.prev = a\n b.prev = null }",
        "fn f(a, b) { a.next = b }\nfn g(a, b) { b.prev = a }",
        "fn f(a) { let b = 1\n a.next = b\n return b }",
        "fn f(a) { a.push(a.length) }",
        "fn f(a, b) { a.next = b\n b = 1\n b.prev = a }",
        "fn f(a, b) { a.push(b)\n b.push(a)\n a.pop()\n b.pop() }",
    ] {
        assert!(!codes(text).contains(&"W0111"), "{text}");
    }
}

#[test]
fn functions_stored_on_what_they_capture_are_told() {
    let text = "fn f(button) { button.on_click = () => button.draw() }";
    assert_eq!(codes(text), ["W0112"]);
    assert_eq!(
        codes("struct B { cb\n fn m(self) { self.cb = fn() { return self.cb } } }"),
        ["W0112"]
    );
    for text in [
        "fn f(button, other) { button.on_click = () => other.draw() }",
        "fn f(button) { let weak = make_weak(button)\n button.on_click = () => upgrade_weak(weak)?.draw() }",
        "fn f(button) { button.on_click = () => button.draw()\n button.on_click = null }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
}

#[test]
fn comments_allow_findings() {
    for text in [
        "fn f() { let a = 1 } // aether: allow(W0101)",
        "// aether: allow(unused-binding)\nfn f() { let a = 1 }",
        "// aether: allow(W0105, unused-binding)\nfn f() { let a = 1 }",
    ] {
        assert_eq!(codes(text), [""; 0], "{text}");
    }
    assert_eq!(codes("// aether: allow(W0105)\nfn f() { let a = 1 }"), ["W0101"]);
    assert_eq!(
        codes("// aether: allow(W0101)\n\nfn f() { let a = 1 }"),
        ["W0101"]
    );
}

#[test]
fn undefined_names_have_their_statements_line_and_a_hint() {
    let text = "fn f(items) {\n    println(\n        lenght,\n        itms\n    )\n    total = nil\n    fs.exists(total)\n}";
    let file = SourceFile::new(None, text.to_owned());
    let parsed = parse(&file, ParseOptions::default());
    let resolution = resolve(&parsed.ast, true);
    let found: Vec<(u32, String, Option<String>)> = Program::new(&file, &parsed.ast, &resolution, &Names)
        .undefined_names()
        .into_iter()
        .map(|(line, found)| (line, found.message, found.help))
        .collect();
    let told = |line, name: &str, help: Option<&str>| {
        (
            line,
            format!("undefined variable '{name}'"),
            help.map(str::to_owned),
        )
    };
    assert_eq!(
        found,
        [
            told(2, "lenght", None),
            told(2, "itms", Some("did you mean 'items'?")),
            told(6, "total", Some("a variable is declared with let total = …")),
            told(6, "nil", Some("the missing value is written null")),
            told(
                7,
                "fs",
                Some("'fs' is a module of the library; write import fs first")
            ),
            told(7, "total", None),
        ]
    );
}

#[test]
fn codes_and_names_of_lints_are_unique() {
    for (at, lint) in LINTS.iter().enumerate() {
        assert!(
            LINTS[at + 1..]
                .iter()
                .all(|other| other.code > lint.code && other.name != lint.name)
        );
    }
}
