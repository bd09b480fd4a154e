//! Depth, length and time: nothing overflows the stack, nothing takes more than linear time.

use std::time::{Duration, Instant};

use aether_parser::{Parse, ParseOptions, parse};
use aether_source::SourceFile;

/// Generous for a debug build on a busy machine; anything quadratic takes minutes.
const TIME_BOUND: Duration = Duration::from_secs(5);

/// Parses on a thread with a small stack.
fn probe(text: String) -> Parse {
    let start = Instant::now();
    let parsed = std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(move || parse(&SourceFile::new(None, text), ParseOptions::default()))
        .expect("a thread starts")
        .join()
        .expect("parsing does not panic");
    let took = start.elapsed();
    assert!(took < TIME_BOUND, "took {took:?}");
    parsed
}

fn messages(parsed: &Parse) -> Vec<&str> {
    parsed
        .diagnostics
        .iter()
        .map(|found| found.message.as_str())
        .collect()
}

const DEEP: usize = 100_000;

#[test]
fn deep_nesting_is_one_error() {
    let nests: &[(&str, &str, &str)] = &[
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("f(", "1", ")"),
        ("a[", "1", "]"),
        ("[{1: ", "1", "}]"),
        ("A {x: ", "1", "}"),
        ("{ ", "1", " }"),
        ("if (a) { ", "1", " }"),
        ("if (a) ", "1", ""),
        ("while (a) ", "1", ""),
        ("for a in ", "b", " c"),
        ("-", "1", ""),
        ("!", "1", ""),
        ("~-", "1", ""),
        ("await ", "1", ""),
        ("2 ** ", "1", ""),
        ("a ? b : ", "c", ""),
        ("a ? ", "b", " : c"),
        ("fn() { ", "1", " }"),
        ("fn f() { ", "1", " }"),
        ("struct A { fn f() { ", "1", " } }"),
        ("match a { b => ", "1", " }"),
        ("try { ", "1", " } finally { }"),
        ("\"${", "1", "}\""),
        ("a ?? (", "1", ")"),
        ("return fn() { ", "1", " }"),
        ("if (a) b else { ", "1", " }"),
    ];
    for (open, middle, close) in nests {
        for closed in [true, false] {
            let mut text = format!("let z = 1\n{}{middle}", open.repeat(DEEP));
            if closed {
                text.push_str(&close.repeat(DEEP));
            }
            let parsed = probe(text);
            let found = messages(&parsed);
            let deep = found
                .iter()
                .filter(|text| text.starts_with("Nesting too deep (limit 1000) at line 2"));
            // An unclosed string is an error of its own, and a broken head reports itself before.
            assert_eq!(
                deep.count(),
                usize::from(*open != "for a in "),
                "{open:?} {:?}",
                &found[..found.len().min(3)]
            );
            assert!(found.len() <= 3, "{open:?} closed {closed}: {:?}", &found[..4]);
        }
    }
}

#[test]
fn nesting_up_to_the_limit_parses() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("-", ""),
        ("2 ** ", ""),
        ("{ ", " }"),
        ("fn() { ", " }"),
        ("if (a) ", ""),
    ] {
        let most = 998;
        let text = format!("{}1{}", open.repeat(most), close.repeat(most));
        let start = if open == "fn() { " { "x = " } else { "" };
        let parsed = probe(format!("{start}{text}"));
        assert_eq!(messages(&parsed), Vec::<&str>::new(), "{open}");
    }
    let options = ParseOptions { max_nesting: 10 };
    let file = SourceFile::new(None, format!("{}1{}", "(".repeat(11), ")".repeat(11)));
    assert_eq!(
        messages(&parse(&file, options)),
        ["Nesting too deep (limit 10) at line 1"]
    );
}

#[test]
fn long_chains_parse() {
    let chains: &[(&str, &str)] = &[
        ("x = 1", " + 1"),
        ("x = a", " && b"),
        ("x = a", " ?? b"),
        ("a", ".b"),
        ("a", "(1)"),
        ("a", "[1]"),
        ("a", "?.b(1)[2].c"),
        ("if (a) { }", " else if (b) { }"),
        ("if (a) 1", " else if (b) 2"),
        ("x = [1", ", 1"),
        ("let a = 1", " let b = 2"),
        ("x = -1", " - -1"),
        ("x = 1 ** 2", " + 1 ** 2"),
        ("x = (a ? b : c)", " + (a ? b : c)"),
        ("let s = \"\"", " + \"${1}\""),
    ];
    for (start, link) in chains {
        let mut text = format!("{start}{}", link.repeat(200_000));
        if start.contains('[') && link.contains(',') {
            text.push(']');
        }
        let parsed = probe(text);
        assert_eq!(messages(&parsed), Vec::<&str>::new(), "{start}{link}");
    }
}

#[test]
fn every_one_of_many_errors_is_reported() {
    for (line, count) in [
        ("let = 1\n", 1),
        ("let x = (1 + 2\n", 1),
        ("fn f(a b) { return 1 + }\n", 2),
        ("foo(1 2)\n", 1),
        ("if x { a }\n", 1),
        ("x = @\n", 1),
        ("}\n", 1),
        ("let x = )\n", 1),
        ("\"${}\"\n", 1),
        ("break\n", 1),
        ("struct A { x: 5 }\n", 1),
        ("match x { 1: 2 }\n", 1),
        ("var x = 1\n", 1),
        ("let y = (1, 2)\n", 1),
    ] {
        let lines = 10_000;
        let parsed = probe(line.repeat(lines) + "let z = 1");
        assert_eq!(parsed.diagnostics.len(), lines * count, "{line}");
        assert!(parsed.diagnostics.is_sorted_by_key(|found| found.span.start));
    }
}

/// Time for `2n` must not be far more than twice the time for `n`.
#[test]
fn time_is_linear() {
    let time = |text: &str| {
        let file = SourceFile::new(None, text.to_owned());
        (0..3)
            .map(|_| {
                let start = Instant::now();
                let _ = parse(
                    &file,
                    ParseOptions {
                        max_nesting: u32::MAX,
                    },
                );
                start.elapsed()
            })
            .min()
            .unwrap_or_default()
    };
    for piece in [
        "(",
        "[",
        "{",
        "f(",
        "fn f() {",
        "{a: ",
        "-",
        "a ? ",
        "\"${",
        "\"",
        "'",
        "/*",
        "}",
        ")",
        "(]",
        "if (",
        "match a {",
        "struct a {",
        "let ",
        "a b = ",
        "=> ",
        "\\u{",
        "var x = 1;",
        "else {",
    ] {
        // Below the depth where the unlimited recursion itself would be the matter.
        let small = time(&piece.repeat(2_000)).max(Duration::from_millis(5));
        let large = time(&piece.repeat(16_000));
        assert!(large < small * 32, "{piece:?}: {small:?} then {large:?}");
    }
}

#[test]
fn operators_that_nest_are_counted_once() {
    let lines = "let y = x == 0 ? 1 : -x ** 2\n".repeat(5000);
    let sum = format!("println({})\n", vec!["-x ** 2"; 3000].join(" + "));
    let nested = format!("println({}5{})\n", "(x == 0 ? ".repeat(400), " : 2)".repeat(400));
    for text in [lines, sum, nested] {
        let file = SourceFile::new(None, format!("let x = 0\n{text}"));
        let parse = parse(&file, ParseOptions::default());
        assert_eq!(
            parse.diagnostics.first().map(|found| found.message.as_str()),
            None
        );
    }
}
