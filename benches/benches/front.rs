//! Bytes per second of the front end, and the cost of a new engine.

use aether::parts::{lexer, parser};
use aether::{Engine, SourceFile};
use aether_benches::source;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn front(criterion: &mut Criterion) {
    let file = SourceFile::new(Some("large.ae".to_owned()), source(1 << 20));
    let mut group = criterion.benchmark_group("front");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(file.text().len() as u64));
    group.bench_function("lex", |bencher| bencher.iter(|| lexer::lex(black_box(&file))));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| parser::parse(black_box(&file), parser::ParseOptions::default()));
    });
    group.finish();
    criterion.bench_function("engine", |bencher| {
        bencher.iter(|| Engine::new().map(Engine::shut_down));
    });
}

criterion_group!(benches, front);
criterion_main!(benches);
