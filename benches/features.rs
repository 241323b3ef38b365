//! Filterbank extraction on one thread: how many times faster than real time.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hearken::audio::Waveform;
use hearken::features::{Extractor, Recipe};

/// Ten seconds of noise with the level changes of speech.
fn waveform(sample_rate: u32) -> Waveform {
    let mut state = 1u32;
    let samples = (0..10 * sample_rate)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 8) as f32 / (1 << 24) as f32 - 0.5;
            noise * (0.5 + 0.5 * (i as f32 / 2000.0).sin())
        })
        .collect();
    Waveform {
        samples,
        sample_rate,
    }
}

fn extract(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("features");
    group
        .measurement_time(Duration::from_secs(3))
        .warm_up_time(Duration::from_millis(500));
    for name in Recipe::built_in() {
        let recipe = Recipe::named(name).unwrap();
        let waveform = waveform(recipe.sample_rate());
        // Without normalisation over the training set, whose statistics are not here.
        let recipe = Recipe {
            normalisation: Default::default(),
            ..recipe
        };
        let mut extractor = Extractor::new(&recipe).unwrap();
        group.throughput(Throughput::Elements(
            recipe.output_frames(waveform.samples.len()) as u64,
        ));
        group.bench_function(name, |bencher| {
            bencher.iter(|| extractor.compute(&waveform).unwrap())
        });
    }
    group.finish();
}

criterion_group!(benches, extract);
criterion_main!(benches);
