//! The tree of each production, written in short form: `(op a b)`, one statement after the other.

use aether_ast::{Ast, Node, NodeId};
use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;

/// The tree in short form. Recursion suits the small trees of these tests.
fn short(ast: &Ast, id: NodeId) -> String {
    let each = |list: &[NodeId]| {
        list.iter()
            .map(|&id| short(ast, id))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match ast.node(id) {
        Node::Null => "null".into(),
        Node::Bool(value) => value.to_string(),
        Node::Int(value) => value.to_string(),
        Node::Float(value) => format!("{value:?}"),
        Node::Str(text) => format!("{:?}", ast.text(text)),
        Node::Name(name) | Node::Ident(name) => ast.text(name).into(),
        Node::Wildcard => "_".into(),
        Node::ExprStmt(value) | Node::LiteralPattern(value) => short(ast, value),
        Node::Unary { op, operand } => format!("({} {})", op.as_str(), short(ast, operand)),
        Node::Binary { op, lhs, rhs } => format!("({} {} {})", op.as_str(), short(ast, lhs), short(ast, rhs)),
        Node::Logical { op, lhs, rhs } => {
            format!("({} {} {})", op.as_str(), short(ast, lhs), short(ast, rhs))
        }
        Node::Member {
            object,
            name,
            optional,
        } => {
            format!(
                "({} {} {})",
                if optional { "?." } else { "." },
                short(ast, object),
                ast.text(name)
            )
        }
        Node::Call { callee, args } => format!("(call {} {})", short(ast, callee), each(ast.list(args))),
        node => {
            let kind = format!("{node:?}");
            let kind = kind.split([' ', '(']).next().unwrap_or_default().to_lowercase();
            let mut text = format!("({kind}");
            ast.for_each_child(id, |child| text.extend([" ", &short(ast, child)]));
            text.push(')');
            text
        }
    }
}

#[track_caller]
fn check(source: &str, expected: &str) {
    let file = SourceFile::new(None, source.into());
    let parsed = parse(&file, ParseOptions::default());
    assert_eq!(parsed.diagnostics, [], "{source}");
    let actual: Vec<String> = parsed
        .ast
        .root()
        .iter()
        .map(|&id| short(&parsed.ast, id))
        .collect();
    assert_eq!(actual.join("; "), expected, "{source}");
}

#[track_caller]
fn check_error(source: &str, expected: &str) {
    let file = SourceFile::new(None, source.into());
    let parsed = parse(&file, ParseOptions::default());
    let messages: Vec<&str> = parsed
        .diagnostics
        .iter()
        .map(|found| found.message.as_str())
        .collect();
    assert_eq!(messages, [expected], "{source}");
}

#[test]
fn precedence_follows_the_table() {
    check("1 + 2 * 3", "(+ 1 (* 2 3))");
    check("-2 ** 2", "(** (- 2) 2)");
    check("2 ** -1", "(** 2 (- 1))");
    check("2 ** 3 ** 2", "(** 2 (** 3 2))");
    check("6 & 3 == 3", "(& 6 (== 3 3))");
    check("1 + 2 << 3", "(<< (+ 1 2) 3)");
    check("a + b << c", "(<< (+ a b) c)");
    check("1 << 2 + 3", "(<< 1 (+ 2 3))");
    check("a && b | c", "(&& a (| b c))");
    check("a || b && c", "(|| a (&& b c))");
    check("a | b ^ c & d", "(| a (^ b (& c d)))");
    check("a < b == c > d", "(== (< a b) (> c d))");
    check("a - b - c", "(- (- a b) c)");
    check("a ?? b ?? c", "(?? (?? a b) c)");
    check("c ? a : b ?? d", "(?? (ternary c a b) d)");
    check("a ?? b ? c : d", "(?? a (ternary b c d))");
    check("a ? b : c ? d : e", "(ternary a b (ternary c d e))");
    check("a ? b ?? c : d", "(ternary a (?? b c) d)");
    check("!a == b", "(== (! a) b)");
    check("-a.b(c)", "(- (call (. a b) c))");
    check("await f() + 1", "(+ (await (call f )) 1)");
    check("~-!x", "(~ (- (! x)))");
    check("a * -b % c", "(% (* a (- b)) c)");
    check("a ** b * c", "(* (** a b) c)");
    check("-a ** -b", "(** (- a) (- b))");
}

#[test]
fn expressions_of_each_kind() {
    check("m[1][2]", "(index (index m 1) 2)");
    check("o.a.b", "(. (. o a) b)");
    check("f() f(1, 2)", "(call f ); (call f 1 2)");
    check("(o.m)(x)", "(call (group (. o m)) x)");
    check("a?.b(1)", "(call (?. a b) 1)");
    check(
        "a[1:2] a[:2] a[1:] a[:]",
        "(slice a 1 2); (slice a 2); (slice a 1); (slice a)",
    );
    check("a[b ? c : d : e]", "(slice a (ternary b c d) e)");
    check("[1, ...b, [],]", "(array 1 (spread b) (array))");
    check("x = {\"a\": 1, b: {},}", "(assign x (dict \"a\" 1 b (dict)))");
    check("P { x: 1, if: 2 }", "(structlit P x 1 if 2)");
    check("P {}", "(structlit P)");
    check("m.P { x: 1 }", "(structlit (. m P) x 1)");
    check("fn(a, b) { return a }", "(function a b (block (return a)))");
    check("async fn() {}", "(function (block))");
    check("o.if; o?.match", "(. o if); (?. o match)");
    check("1.foo", "(. 1 foo)");
    check(
        "1 2.5 1e9 2.5e-3 0xff 0b101 0o17 1_000",
        "1; 2.5; 1000000000.0; 0.0025; 255; 5; 15; 1000",
    );
    check("-9223372036854775808", "(- -9223372036854775808)");
    check("null true false", "null; true; false");
}

#[test]
fn strings_and_placeholders() {
    check(r#""a\n\q\$\u{41}" 'x"y'"#, r#""a\nq$A"; "x\"y""#);
    check("\"\"\"\na\n\"\"\" \"\"\"\"\"\"", "\"a\\n\"; \"\"");
    check(
        r#""hi ${user["name"]}!""#,
        r#"(interpolation "hi " (index user "name") "!")"#,
    );
    check(
        r#""${"${1 + 1} tags"}""#,
        r#"(interpolation (interpolation (+ 1 1) " tags"))"#,
    );
    check(
        r#""${ {1: "}"}[1] }""#,
        r#"(interpolation (index (dict 1 "}") 1))"#,
    );
    check(r#""\${x}" "a$b" "$""#, r#""${x}"; "a$b"; "$""#);
    check("\"${x /* } */ }\"", "(interpolation x)");
}

#[test]
fn newlines_separate_where_the_language_says() {
    check("let x = 5\n-3", "(let x (- 5 3))");
    check("f\n(1)", "f; (group 1)");
    check("a\n[1]", "a; (array 1)");
    check("a\n.b\n?.c", "(?. (. a b) c)");
    check("a\n? b\n: c", "(ternary a b c)");
    check("while (true) { break\nx }", "(while true (block (break) x))");
    check(
        "a: while (true) { break a\ncontinue a }",
        "(labelled a (while true (block (break a) (continue a))))",
    );
    check("fn f() { return\n1 }", "(functiondecl f (block (return) 1))");
    check(
        "fn f() { return (1) }",
        "(functiondecl f (block (return (group 1))))",
    );
    check("P\n{ x }", "P; (block x)");
    check("let d = {}  d", "(let d (dict)); d");
    check("f(\n1\n,\n2\n)", "(call f 1 2)");
    check("a;;b;", "a; b");
}

#[test]
fn struct_literals_and_blocks() {
    check(
        "for x in items { out: for y in x {} }",
        "(for x items (block (labelled out (for y x (block)))))",
    );
    check("for x in items {}", "(for x items (block))");
    check(
        "for x in (P { a: 1 }) {}",
        "(for x (group (structlit P a 1)) (block))",
    );
    check(
        "for x in f(P { a: 1 }) {}",
        "(for x (call f (structlit P a 1)) (block))",
    );
    check("match p { _ => 1 }", "(match p (arm _ 1))");
    check(
        "for x in fn() { return P {} }() {}",
        "(for x (call (function (block (return (structlit P)))) ) (block))",
    );
    check("if (a) b {}", "(if a (structlit b))");
    check(
        "a.b.c { d: 1 }".replace("{ d: 1 }", "\n{ d }").as_str(),
        "(. (. a b) c); (block d)",
    );
}

#[test]
fn statements_of_each_kind() {
    check(
        "x += 5 a[0] -= 1 o.p *= 2 x /= 3",
        "(compoundassign x 5); (compoundassign (index a 0) 1); (compoundassign (. o p) 2); (compoundassign x 3)",
    );
    check("(x) = 1", "(assign x 1)");
    check("if (a) b else if (c) d else e", "(if a b (if c d e))");
    check("if (a) if (b) c else d", "(if a (if b c d))");
    check("try {} finally {}", "(try (block) (block))");
    check("try {} catch {} ", "(try (block) (catch (block)))");
    check(
        "try {} catch (e) {} finally {}",
        "(try (block) (catch e (block)) (block))",
    );
    check("throw 1 debugger return", "(throw 1); (debugger); (return)");
    check("{ 42 }", "(block 42)");
    check(
        "let [a, b = 9, _, ...rest] = c",
        "(let (arraypattern a (defaultpattern b 9) _ (restpattern rest)) c)",
    );
    check(
        "let {x, port: p, t = 30, u: v = 1} = d",
        "(let (dictpattern (entrypattern x) (entrypattern port p) (entrypattern t 30) (entrypattern u v 1)) d)",
    );
    check(
        "let [] = a let {} = b",
        "(let (arraypattern) a); (let (dictpattern) b)",
    );
    check("import a import b as c", "(import a); (import b c)");
    check(
        "from m import a, b as c\nx",
        "(fromimport m (importitem a) (importitem b c)); x",
    );
    check(
        "from m import a,\nb\nx()",
        "(fromimport m (importitem a) (importitem b)); (call x )",
    );
    check(
        "struct A { x, y\n z if fn m(self) {} async fn n() {} }",
        "(struct A x y z if (functiondecl m self (block)) (functiondecl n (block)))",
    );
    check("struct A {}", "(struct A)");
    check(
        "enum E { A, B(x, y) C }",
        "(enum E (variant A) (variant B x y) (variant C))",
    );
    check("async fn f(a,) {}", "(functiondecl f a (block))");
    check("fn f(_, _) {}", "(functiondecl f _ _ (block))");
    check(
        "fn main() {} fn(x) {}",
        "(functiondecl main (block)); (function x (block))",
    );
}

#[test]
fn match_patterns_of_each_kind() {
    check(
        "match x { 1 | -2 => a, \"s\" => { b } E.V => c, E.W(a, _) => return, null => x = 1, n => throw n }",
        "(match x (arm (orpattern 1 (- 2)) a) (arm \"s\" (block b)) (arm (variantpattern) c) (arm (variantpattern a _) (return)) (arm null (assign x 1)) (arm n (throw n)))",
    );
    check("match a.b(1) { }", "(match (call (. a b) 1))");
    check("match x {\n1 => a\n2 => b\n}", "(match x (arm 1 a) (arm 2 b))");
}

#[test]
fn words_of_other_languages_stay_names_where_they_are_declared() {
    check(
        "let const = 1\nconst; x = 2",
        "(let const 1); const; (assign x 2)",
    );
    check(
        "fn f(yield) { yield; 1 }",
        "(functiondecl f yield (block yield 1))",
    );
    check("let x = loop + defer", "(let x (+ loop defer))");
    check("new = 1 var = 2", "(assign new 1); (assign var 2)");
}

#[test]
fn messages_have_the_form_that_the_language_gives_them() {
    check_error("let x = ", "Expected expression, found 'end of file' at line 1");
    check_error("\n\nlet 1 = 2", "Expected variable name, found '1' at line 3");
    check_error("f() = 1", "Invalid assignment target at line 1");
    check_error("\nbreak", "'break' outside loop at line 2");
    check_error("while (a) { continue b }", "Unknown label 'b' at line 1");
    check_error("fn f(a, a) {}", "Duplicate parameter name 'a' at line 1");
    check_error(
        "(1, 2)",
        "Tuples are not supported; use an array [a, b] at line 1",
    );
    check_error(
        "a: while (b) { fn() { break a } }",
        "'break' outside loop at line 1",
    );
    check_error(
        "x = 9223372036854775808",
        "Invalid number '9223372036854775808' at line 1, column 5",
    );
    check_error(
        "1 - 9223372036854775808",
        "Invalid number '9223372036854775808' at line 1, column 5",
    );
    check_error("a.1", "Expected property name, found '1' at line 1");
    check_error("fn f(1) {}", "Expected parameter name, found '1' at line 1");
    check_error("try {}", "Expected catch, found 'end of file' at line 1");
    check_error("[1", "Expected ], found 'end of file' at line 1");
    check_error("{", "Expected }, found 'end of file' at line 1");
    check_error("\"${}\"", "Expected expression, found '}' at line 1");
    check_error("\"${a b}\"", "Expected }, found 'b' at line 1");
    check_error("x = ~", "Expected expression, found 'end of file' at line 1");
}

#[test]
fn every_reserved_word_may_name_a_field() {
    for &(word, _) in aether_lexer::RESERVED_WORDS {
        let fields = format!("(struct S a {word} b)");
        for (before, after) in [("\n", "\n"), (", ", ", "), ("\n", ","), (", ", "\n")] {
            check(&format!("struct S {{ a{before}{word}{after}b }}"), &fields);
        }
        check(&format!("struct S {{ {word} }}"), &format!("(struct S {word})"));
        check(
            &format!("struct S {{\n{word}: int\n{word}_: int = 1\n}}"),
            &format!("(struct S {word} (defaultpattern {word}_ (function (block (return 1)))))"),
        );
        check(
            &format!("struct S {{\n{word} = 1\n}}"),
            &format!("(struct S (defaultpattern {word} (function (block (return 1)))))"),
        );
        check(
            &format!("S {{ {word}: 1 }}.{word}"),
            &format!("(. (structlit S {word} 1) {word})"),
        );
        let method = format!("struct S {{ {word},\nfn m() {{ }} }}");
        check(&method, &format!("(struct S {word} (functiondecl m (block)))"));
    }
    check(
        "struct S {\nfn\nfn\nm() { }\n}",
        "(struct S fn (functiondecl m (block)))",
    );
    check(
        "struct S {\nasync\nfn m() { }\n}",
        "(struct S (functiondecl m (block)))",
    );
}

/// What declares the name `W`, in every way in which a name can be declared.
const DECLARING: [&str; 40] = [
    "let W = 1",
    "let [a, W] = d",
    "let [W = 1] = d",
    "let [...W] = d",
    "let {W} = d",
    "let {a: W} = d",
    "let {W = 1} = d",
    "const W = 1",
    "const [W] = d",
    "const {a: W} = d",
    "for W in d { }",
    "for a, W in d { }",
    "for W, a in d { }",
    "for [W] in d { }",
    "for {W} in d { }",
    "[1 for W in d]",
    "({1: 2 for a, W in d})",
    "try { } catch (W) { }",
    "fn W() { }",
    "fn f(W) { }",
    "fn f(a = g(1), W = 2) { }",
    "fn f(...W) { }",
    "f = fn(W) { }",
    "f(W => 1)",
    "f((a, W = 1) => 1)",
    "match d { W => 1 }",
    "match d { W if true => 1 }",
    "match d { [W] => 1 }",
    "match d { {W} => 1 }",
    "match d { {a: [1, W]} => 1 }",
    "match d { S { a: W } => 1 }",
    "match d { E.A(W) => 1 }",
    "match d { 1 | W => 1 }",
    "match d { 1 as W => 1 }",
    "struct W { }",
    "enum W { }",
    "import W",
    "import m as W",
    "from m import a, W",
    "from m import a as W",
];

/// What has the word `W` in it and declares nothing of that name.
const MENTIONING: [&str; 15] = [
    "struct S { W }",
    "struct S { W: int = 1 }",
    "enum E { W }",
    "enum E { A(W) }",
    "let d = {\"W\": 1, W: 2}",
    "let {W: a} = d",
    "f(W = 1)",
    "f(a.W)",
    "S { W: 1 }",
    "match d { {W: 1} => 1 }",
    "match d { E.W => 1 }",
    "match d { a if W => 1 }",
    "match d { a if (W) => 1 }",
    "match d { a if b.c(W) => 1 }",
    "from m import W as a",
];

#[test]
fn a_word_is_a_keyword_unless_the_file_declares_it() {
    // In this function each word is a keyword, or calls itself.
    let using = |word: &str, text: &str| {
        let file = SourceFile::new(None, format!("fn g() {{ {word}(4) }}\n{text}"));
        let parsed = parse(&file, ParseOptions::default());
        assert_eq!(parsed.diagnostics, [], "{text}");
        short(&parsed.ast, parsed.ast.root()[0])
    };
    for text in DECLARING {
        let declaration = text.replace('W', "yield");
        assert_eq!(
            using("yield", &declaration),
            "(functiondecl g (block (call yield 4)))",
            "{declaration}"
        );
    }
    for text in MENTIONING {
        let mention = text.replace('W', "yield");
        assert_eq!(
            using("yield", &mention),
            "(functiondecl g (block (yield (group 4))))",
            "{mention}"
        );
    }
    check_error(
        "fn f() { defer g() }\nmatch 1 { defer => 1 }",
        "Expected ( after 'defer', found 'g' at line 1",
    );
    check_error(
        "const [loop] = [1]\nloop { f() }",
        "Expected ( after 'loop', found '{' at line 2",
    );
    check_error(
        "let {yield} = d\nprint yield",
        "Expected ( after 'print', found 'yield' at line 2",
    );
    check(
        "let {const} = d\nconst[0] = 1",
        "(let (dictpattern (entrypattern const)) d); (assign (index const 0) 1)",
    );
}

#[test]
fn bodies_are_statements() {
    check("if (a) defer b()", "(if a (defer (block (call b ))))");
    check("if (a) fn() { }", "(if a (function (block)))");
    check(
        "match a { 1 => async (x) => x }",
        "(match a (arm 1 (function x (block (return x)))))",
    );
    check(
        "if (a) const[0] = 1\nlet const = d",
        "(if a (assign (index const 0) 1)); (let const d)",
    );
    check(
        "if (a) { const b = 1 } else { c: loop { break c } }",
        "(if a (block (const b 1)) (block (labelled c (loop (block (break c))))))",
    );
}
