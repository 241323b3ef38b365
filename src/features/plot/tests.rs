use super::*;

fn tick(recipe: &Recipe, text: &str) -> f32 {
    let ticks = frequency_ticks(recipe);
    ticks
        .iter()
        .find(|(_, label)| label == text)
        .unwrap_or_else(|| panic!("{ticks:?}"))
        .0
}

#[test]
fn mel_ticks_stand_at_the_filter_of_that_frequency() {
    let recipe = Recipe::named("fbank80").unwrap();
    let bin = tick(&recipe, "1000").round() as usize;
    let filter = &recipe.filters().unwrap()[bin];
    let peak = filter
        .weights
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .unwrap()
        .0;
    let hz = (filter.first + peak) as f32 * 16000.0 / 512.0;
    assert!((hz - 1000.0).abs() < 40.0, "{hz}");
}

#[test]
fn spectrogram_ticks_are_linear() {
    let recipe = Recipe::named("spectrogram").unwrap();
    assert!((tick(&recipe, "4000") - 63.5).abs() < 1e-3);
}

#[test]
fn energy_is_the_lowest_row_of_a_delta_recipe() {
    let recipe = Recipe::named("fbank40-delta").unwrap();
    assert_eq!(tick(&recipe, "energy"), 0.0);
    let panels = panels(&Array2::zeros((5, 123)), &recipe);
    assert_eq!(panels.len(), 3);
    assert!(panels.iter().all(|panel| panel.values.dim() == (5, 41)));
}

#[test]
fn stacked_frames_stand_side_by_side_again() {
    let recipe = Recipe::named("fbank80-stack3").unwrap();
    let stacked = Array2::from_shape_fn((4, 240), |(t, d)| (t * 3 + d / 80) as f32);
    let (frames, seconds) = unstacked(stacked.view(), &recipe);
    assert_eq!(frames.dim(), (12, 80));
    assert!((seconds - 0.01).abs() < 1e-9);
    assert!(
        frames
            .outer_iter()
            .enumerate()
            .all(|(t, row)| row.iter().all(|&x| x == t as f32))
    );
}

#[test]
fn every_shape_lies_inside_the_picture() {
    for name in Recipe::built_in() {
        let recipe = Recipe::named(name).unwrap();
        for frames in [1, 7, 5000] {
            let features = Array2::from_shape_fn((frames, recipe.dim()), |(t, d)| (t + d) as f32);
            let figure = figure(features.view(), &recipe, &"long title ".repeat(40));
            for map in &figure.heatmaps {
                assert!(map.x + map.width <= figure.width && map.y + map.height <= figure.height);
                assert_eq!(map.cells.len() % map.columns, 0);
            }
            for line in &figure.lines {
                assert!(line.x + line.dx <= figure.width && line.y + line.dy <= figure.height);
            }
            for label in &figure.labels {
                let width = 8 * label.text.chars().count();
                let (left, right) = match label.anchor {
                    Anchor::Start => (label.x, label.x + width),
                    Anchor::Middle => (label.x - width / 2, label.x + width / 2),
                    Anchor::End => (
                        label.x.checked_sub(width).expect("left of the picture"),
                        label.x,
                    ),
                };
                assert!(left < right && right <= figure.width, "{label:?}");
                assert!(label.y < figure.height, "{label:?}");
            }
        }
    }
}

#[test]
fn only_svg_and_png_are_written() {
    let recipe = Recipe::named("fbank80").unwrap();
    let features = Array2::zeros((3, 80));
    let folder = tempfile::tempdir().unwrap();
    let error = plot(features.view(), &recipe, "t", &folder.path().join("x.jpg")).unwrap_err();
    assert!(error.to_string().contains(".svg or .png"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
