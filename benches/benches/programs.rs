//! What single operations cost, per repetition.

use aether_benches::{SNIPPETS, load};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn programs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("programs");
    group.sample_size(20);
    for snippet in SNIPPETS {
        let (mut engine, run) = load(snippet);
        group.throughput(Throughput::Elements(u64::from(snippet.repeats)));
        group.bench_function(snippet.name, |bencher| {
            bencher.iter(|| engine.call_value(black_box(&run), (i64::from(snippet.repeats),)));
        });
    }
    group.finish();
}

criterion_group!(benches, programs);
criterion_main!(benches);
