//! `highlight FILE`: the source as HTML, each token in a `span` whose class says what it is.
//!
//! Uses the lexer alone. Its tokens cover every byte, so the text of the page is the text of the file, broken or not.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use aether_lexer::{TokenKind, lex};
use aether_source::SourceFile;

const HEAD: &str = "<!doctype html>
<meta charset=\"utf-8\">
<style>
.comment { color: #6a737d } .keyword { color: #d73a49 } .string { color: #032f62 } .number { color: #005cc5 }
.type { color: #6f42c1 } .error { background: #ffdce0 }
</style>
<pre>";

/// The class of a token, if it has one.
fn class(kind: TokenKind, text: &str) -> Option<&'static str> {
    match kind {
        TokenKind::LineComment | TokenKind::BlockComment | TokenKind::Shebang => Some("comment"),
        TokenKind::Int | TokenKind::Float => Some("number"),
        TokenKind::String
        | TokenKind::TripleString
        | TokenKind::StringStart
        | TokenKind::StringText
        | TokenKind::FormatSpec
        | TokenKind::StringEnd => Some("string"),
        // Structs and enums begin with a capital letter by custom.
        TokenKind::Ident if text.starts_with(char::is_uppercase) => Some("type"),
        kind if kind.is_error() => Some("error"),
        kind if kind.is_keyword() => Some("keyword"),
        _ => None,
    }
}

fn escape(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            _ => into.push(character),
        }
    }
}

fn page(file: &SourceFile) -> String {
    let mut page = HEAD.to_owned();
    for (token, span) in lex(file).iter() {
        let text = file.slice(span);
        let class = class(token.kind, text);
        if let Some(class) = class {
            page.push_str(&["<span class=\"", class, "\">"].concat());
        }
        escape(text, &mut page);
        if class.is_some() {
            page.push_str("</span>");
        }
    }
    page.push_str("</pre>\n");
    page
}

#[expect(clippy::print_stdout, reason = "the page is the tool's output")]
fn run() -> Result<(), String> {
    let path = std::env::args().nth(1).ok_or("usage: highlight FILE")?;
    print!("{}", page(&example_tools::read(&path)?));
    Ok(())
}

fn main() -> ExitCode {
    example_tools::report(run())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_classified_and_text_is_kept() {
        let page = page(&SourceFile::new(
            None,
            "let p = Point { x: 1 } // <&>\n\"a${b}\" 'c".to_owned(),
        ));
        let body = page.strip_prefix(HEAD).unwrap_or_default();
        assert_eq!(
            body,
            "<span class=\"keyword\">let</span> p = <span class=\"type\">Point</span> { x: <span class=\"number\">1</span> } \
             <span class=\"comment\">// &lt;&amp;&gt;</span>\n<span class=\"string\">\"</span><span class=\"string\">a</span>${b}<span class=\"string\">\"</span> <span class=\"error\">'c</span></pre>\n"
        );
    }
}
