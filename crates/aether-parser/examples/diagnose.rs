//! Prints what the parser says of a file, or with `--bench N` how fast it reads N megabytes of generated source.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use aether_parser::{ParseOptions, parse};
use aether_source::SourceFile;

const SAMPLE: &str = r#"
// Account number %N: a comment of ordinary length.
struct Account%N {
    owner, balance
    fn deposit(self, n) { self.balance += n }
    fn summary(self) { return "${self.owner}: ${self.balance}" }
}

fn process%N(items, factor) {
    let total = 0
    for item in items {
        if (item.price > 100 && item.count != 0) {
            total += item.price * item.count - factor ** 2
        } else if (item.price == null) {
            continue
        } else {
            total = total + compute(item.name, item["key"][0], [1, 2, 3])
        }
    }
    match total {
        0 => println("nothing at all"),
        1 | 2 => { return total }
        _ => println("total: " + total)
    }
    return {"total": total, "items": items.map(fn(x) { return x.price ?? 0 })}
}
"#;

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next().unwrap_or_default();
    if first == "--bench" {
        let megabytes: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(5);
        bench(megabytes);
        return;
    }
    let text = std::fs::read_to_string(&first).unwrap_or(first);
    let file = SourceFile::new(None, text);
    for found in parse(&file, ParseOptions::default()).diagnostics {
        println!(
            "{} {} [{}..{}]",
            found.code, found.message, found.span.start, found.span.end
        );
        for label in found.labels {
            println!("    {} {}", file.line(label.span.start), label.text);
        }
        if let Some(help) = found.help {
            println!("    help: {help}");
        }
    }
}

fn bench(megabytes: usize) {
    let mut text = String::new();
    let mut n = 0;
    while text.len() < megabytes << 20 {
        text.push_str(&SAMPLE.replace("%N", &n.to_string()));
        n += 1;
    }
    let file = SourceFile::new(None, text);
    let size = file.text().len() as f64 / 1e6;
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        let lexed = aether_lexer::lex(&file);
        let lexing = start.elapsed().as_secs_f64();
        let parsed = aether_parser::parse_tokens(&file, &lexed, ParseOptions::default());
        let all = start.elapsed().as_secs_f64();
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics.first());
        best = (best.0.min(lexing), best.1.min(all));
    }
    println!(
        "lex {:.1} MB/s, lex and parse {:.1} MB/s",
        size / best.0,
        size / best.1
    );
}
