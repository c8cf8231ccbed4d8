//! Measures the wall time of the request path, to compare two builds on one machine.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use path::{NAMES, Workload};

fn time(criterion: &mut Criterion) {
    for &name in NAMES {
        let workload = Workload::new(name);
        criterion.bench_function(name, |bencher| {
            bencher.iter_batched(
                || workload.request(),
                |request| workload.answer(request),
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group!(benches, time);
criterion_main!(benches);
