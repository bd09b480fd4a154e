//! Tokens of each kind, messages, and what holds for every text.

use aether_lexer::{TokenFlags, TokenKind as T, dump, int_value, lex, string_text};
use aether_source::SourceFile;
use proptest::prelude::*;

fn file(text: &str) -> SourceFile {
    SourceFile::new(None, text.into())
}

/// Kinds and texts of the tokens that are not trivia.
fn tokens(text: &str) -> Vec<(T, String)> {
    let file = file(text);
    let lexed = lex(&file);
    assert_eq!(lexed.diagnostics, [], "{text}");
    lexed
        .iter()
        .filter(|(token, _)| !token.kind.is_trivia())
        .map(|(token, span)| (token.kind, file.slice(span).to_owned()))
        .collect()
}

#[track_caller]
fn check(text: &str, kinds: &[T]) {
    let found: Vec<T> = tokens(text).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(found, kinds, "{text}");
}

#[track_caller]
fn check_error(text: &str, expected: &[&str]) {
    let lexed = lex(&file(text));
    let messages: Vec<&str> = lexed
        .diagnostics
        .iter()
        .map(|found| found.message.as_str())
        .collect();
    assert_eq!(messages, expected, "{text}");
}

#[test]
fn numbers_take_the_longest_match() {
    check("42", &[T::Int]);
    check("1.5 1e9 2.5e-3 1E+2", &[T::Float; 4]);
    check("0xFF 0b1010 0o17 1_000_000", &[T::Int; 4]);
    check("1.foo", &[T::Int, T::Dot, T::Ident]);
    check("0..10", &[T::Int, T::DotDot, T::Int]);
    check("1.5.foo", &[T::Float, T::Dot, T::Ident]);
    check("a.5", &[T::Ident, T::Dot, T::Int]);
    check(
        "1..=2...3",
        &[T::Int, T::DotDotEqual, T::Int, T::Ellipsis, T::Int],
    );
}

#[test]
fn words_are_reserved_only_whole() {
    check(
        "if iff If ifé _if if_ é",
        &[T::If, T::Ident, T::Ident, T::Ident, T::Ident, T::Ident, T::Ident],
    );
    check("self main args _ const loop", &[T::Ident; 6]);
    for word in "as async await break catch continue debugger else enum false finally fn for from if import in let match null return struct throw true try while".split(' ') {
        let found = tokens(word);
        assert_eq!(found.len(), 1);
        assert!(found[0].0.is_keyword(), "{word}");
    }
}

#[test]
fn every_sign_is_a_token_and_the_longest_wins() {
    let signs = "( ) [ ] { } , . ... : => + - * / % ** = += -= *= /= == != < <= > >= << >> & | ^ ~ && || ! ? ?? ?. ; .. ..= -> %= **= &= |= ^= <<= >>= &&= ||= ??=";
    for sign in signs.split(' ') {
        let found = tokens(sign);
        assert_eq!(found.len(), 1, "{sign}");
        assert_eq!(found[0].1, sign);
    }
    check(
        "a?.b a??b a?b",
        &[
            T::Ident,
            T::QuestionDot,
            T::Ident,
            T::Ident,
            T::Coalesce,
            T::Ident,
            T::Ident,
            T::Question,
            T::Ident,
        ],
    );
    check("***", &[T::StarStar, T::Star]);
    check("===", &[T::Equal, T::Assign]);
}

#[test]
fn strings_are_one_token_without_placeholders() {
    check(
        r#""a" 'b' "c\"d" 'e\'f' """g""h""" """""" "" "$" "\${x}""#,
        &[
            T::String,
            T::String,
            T::String,
            T::String,
            T::TripleString,
            T::TripleString,
            T::String,
            T::String,
            T::String,
        ],
    );
    check("\"a\nb\"", &[T::String]);
}

#[test]
fn strings_with_placeholders_are_pieces() {
    let found = tokens(r#""a${ {b: "}"} }c${1}""#);
    let kinds: Vec<T> = found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [
            T::StringStart,
            T::StringText,
            T::InterpolationStart,
            T::LeftBrace,
            T::Ident,
            T::Colon,
            T::String,
            T::RightBrace,
            T::InterpolationEnd,
            T::StringText,
            T::InterpolationStart,
            T::Int,
            T::InterpolationEnd,
            T::StringEnd
        ]
    );
    check(
        "'${\"${x}\"}'",
        &[
            T::StringStart,
            T::InterpolationStart,
            T::StringStart,
            T::InterpolationStart,
            T::Ident,
            T::InterpolationEnd,
            T::StringEnd,
            T::InterpolationEnd,
            T::StringEnd,
        ],
    );
}

#[test]
fn a_colon_outside_of_brackets_begins_a_format() {
    let formats = |text: &str| -> Vec<String> {
        let found = tokens(text).into_iter();
        let formats = found.filter(|(kind, _)| *kind == T::FormatSpec);
        formats.map(|(_, text)| text).collect()
    };
    assert_eq!(formats(r#""${a:>5} ${b ? c : d} ${e[1:2]} ${f}""#), [":>5"]);
    assert_eq!(
        formats(r#""${a ? b ? c : d : e:x} ${ {k: v}:{<3 }""#),
        [":x", ":{<3 "]
    );
    assert_eq!(formats(r#""${"${a:1}":2}" x ? y : z"#), [":1", ":2"]);
    assert_eq!(formats(r#""${a?.b ?? c:d}""#), [":d"]);
    assert_eq!(formats(r#"{k: 1} "${(a:b)}""#), [""; 0]);
}

#[test]
fn newlines_are_remembered() {
    let source = file("a b\nc // x\nd /* \n */ e \"x\ny\" f\r\ng");
    let lexed = lex(&source);
    let first: Vec<&str> = lexed
        .iter()
        .filter(|(token, _)| token.flags.has(TokenFlags::NEWLINE_BEFORE))
        .map(|(_, span)| source.slice(span))
        .collect();
    assert_eq!(first, ["c", "d", "e", "g"]);
}

#[test]
fn mark_and_shebang_are_trivia_at_the_start_only() {
    check("\u{feff}#!/usr/bin/aether\nx", &[T::Ident]);
    check("#!x", &[]);
    check_error("x\n#!y", &["Unexpected character '#' at line 2, column 1"]);
}

#[test]
fn messages_name_line_and_column() {
    check_error("let x = @", &["Unexpected character '@' at line 1, column 9"]);
    check_error("é §", &["Unexpected character '§' at line 1, column 3"]);
    check_error("\n  \"abc", &["Unterminated string at line 2, column 3"]);
    check_error("'abc\\'", &["Unterminated string at line 1, column 1"]);
    check_error("\"\"\"abc\"\"", &["Unterminated string at line 1, column 1"]);
    check_error("\"a ${ \"b ${ 'c", &["Unterminated string at line 1, column 1"]);
    check_error("\"a ${ x }", &["Unterminated string at line 1, column 1"]);
    check_error("x /* y", &["Unterminated block comment at line 1, column 3"]);
    check_error("/*/", &["Unterminated block comment at line 1, column 1"]);
    check_error(
        "9223372036854775809",
        &["Invalid number '9223372036854775809' at line 1, column 1"],
    );
    check_error("-9223372036854775808", &[]);
    check_error("1e999", &["Invalid number '1e999' at line 1, column 1"]);
    check_error(
        "0x1g 12ab 1_ 1__0 0b2 1.5x",
        &[
            "Invalid number '0x1g' at line 1, column 1",
            "Invalid number '12ab' at line 1, column 6",
            "Invalid number '1_' at line 1, column 11",
            "Invalid number '1__0' at line 1, column 14",
            "Invalid number '0b2' at line 1, column 19",
            "Invalid number '1.5x' at line 1, column 23",
        ],
    );
    check_error(
        r#""\u{110000}" "\u{d800}" "\u{}" "\u{1234567}" "\u{zz}" "\u41""#,
        &[
            r"Invalid escape '\u{110000}' at line 1, column 2",
            r"Invalid escape '\u{d800}' at line 1, column 15",
            r"Invalid escape '\u{}' at line 1, column 26",
            r"Invalid escape '\u{1234567}' at line 1, column 33",
            r"Invalid escape '\u{zz}' at line 1, column 47",
        ],
    );
}

#[test]
fn literals_have_values() {
    assert_eq!(int_value("1_000"), Some(1000));
    assert_eq!(int_value("0xff"), Some(255));
    assert_eq!(int_value("9223372036854775807"), Some(i64::MAX));
    assert_eq!(int_value("9223372036854775808"), Some(i64::MIN));
    assert_eq!(int_value("9223372036854775809"), None);
    assert_eq!(int_value("0x10000000000000000"), None);
    assert_eq!(string_text(T::String, r#""\q\'\n\u{1F600}\\""#), "q'\n😀\\");
    assert_eq!(string_text(T::TripleString, "\"\"\"\r\na\\n\"\"\""), "a\\n");
    assert_eq!(string_text(T::StringText, "\\${a}"), "${a}");
}

#[test]
fn a_text_beyond_the_limit_is_one_error() {
    let file = file(&" ".repeat(aether_lexer::MAX_SOURCE_BYTES + 1));
    let lexed = lex(&file);
    assert_eq!(lexed.tokens.len(), 1);
    assert_eq!(lexed.diagnostics.len(), 1);
    assert!(lexed.diagnostics[0].message.starts_with("Source too large"));
}

#[test]
fn the_dump_has_a_line_a_token() {
    let file = file("let x\n= \"a\"");
    assert_eq!(
        dump(&lex(&file), &file),
        "1:1 Let \"let\"\n1:4 Blank \" \"\n1:5 Ident \"x\"\n1:6 Newline \"\\n\"\n2:1 ^ Assign \"=\"\n2:2 Blank \" \"\n2:3 String \"\\\"a\\\"\"\n2:6 EndOfFile\n"
    );
}

/// Deep and long inputs take constant stack and linear time.
#[test]
fn long_tokens_and_deep_placeholders_are_fine() {
    let work = || {
        for piece in [
            "x", " ", "1", "\"", "'", "\"${", "//", "/*", "}", "\\", "\"\"\"", "é", "@", "\"${}", "0x", "1_",
            "$",
        ] {
            lex(&file(&piece.repeat(300_000)));
        }
    };
    std::thread::Builder::new()
        .stack_size(128 << 10)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tokens_cover_any_text_exactly(text in "\\PC*|[\\x00-\\x7f]*|(\"|'|\\$\\{|\\}|\\{|\\\\|a|é|\n| |/|\\*|1|\\.|_)*") {
        let source = file(&text);
        let lexed = lex(&source);
        let mut end = 0;
        for (token, span) in lexed.iter() {
            prop_assert_eq!(span.start, end, "{:?}", token);
            prop_assert!(span.end > span.start, "{:?} is empty", token);
            prop_assert!(text.is_char_boundary(span.end as usize));
            end = span.end;
        }
        prop_assert_eq!(end as usize, text.len());
        prop_assert!(lexed.diagnostics.is_sorted_by_key(|found| found.span.start));
    }
}
