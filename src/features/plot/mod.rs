//! A picture of one utterance's features: time in seconds across, frequency in Hz upwards.

mod colour;
mod png;
mod svg;

use std::io::Write;
use std::path::Path;

use ndarray::{Array2, ArrayView2, s};

use super::mel::mel_scale;
use super::recipe::{Kind, Recipe};
use super::{Error, put_in_place, temporary_beside};
use colour::Rgb;

/// Width of the panels, pixels; a longer utterance has several frames to a pixel.
const WIDTH: usize = 960;
/// Height of all panels together, pixels.
const HEIGHT: usize = 400;
/// Around the panels, pixels: room for axes, title and colour bar.
const LEFT: usize = 72;
const RIGHT: usize = 104;
const TOP: usize = 40;
const BOTTOM: usize = 48;
/// Between two panels, pixels.
const GAP: usize = 14;
/// Height of a letter, pixels.
const LETTER: usize = 12;

/// A picture as shapes, in pixels from the upper left corner; drawn as SVG or PNG.
#[derive(Debug)]
struct Figure {
    width: usize,
    height: usize,
    heatmaps: Vec<Heatmap>,
    lines: Vec<Line>,
    labels: Vec<Label>,
}

/// A matrix of colours, stretched over a rectangle.
#[derive(Debug)]
struct Heatmap {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    columns: usize,
    /// Row by row from the top.
    cells: Vec<Rgb>,
}

/// A horizontal or vertical line, one pixel wide.
#[derive(Debug)]
struct Line {
    x: usize,
    y: usize,
    dx: usize,
    dy: usize,
}

/// Words; `y` is the middle of the letters.
#[derive(Debug)]
struct Label {
    x: usize,
    y: usize,
    anchor: Anchor,
    text: String,
}

/// Which part of a label stands at its `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Anchor {
    Start,
    Middle,
    End,
}

/// Draws features `[T, D]` that `recipe` made, as SVG or PNG by the ending of `out`, with `title` above.
///
/// Deltas get a panel each below the static features. Frames that were stacked without overlap stand
/// side by side again. Colours go from the 1st to the 99th percentile of a panel.
///
/// # Errors
/// No frames, an ending that is neither, or a file that cannot be written.
pub fn plot(
    features: ArrayView2<f32>,
    recipe: &Recipe,
    title: &str,
    out: &Path,
) -> Result<(), Error> {
    let draw = match out.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => svg::draw,
        Some("png") => png::draw,
        _ => return Err(Error::PlotEnding { path: out.into() }),
    };
    if features.is_empty() {
        return Err(Error::TooShort {
            samples: 0,
            needed: recipe.min_samples(),
        });
    }
    let bytes = draw(&figure(features, recipe, title));
    let mut file = temporary_beside(out)?;
    file.write_all(&bytes).map_err(|source| Error::Io {
        path: out.into(),
        source,
    })?;
    put_in_place(file, out)
}

/// One panel: features of one kind, `[T, bins]`, the lowest bin first.
struct Panel {
    name: &'static str,
    values: Array2<f32>,
    /// Position, in bins from below, and text of each tick of the vertical axis.
    ticks: Vec<(f32, String)>,
}

fn figure(features: ArrayView2<f32>, recipe: &Recipe, title: &str) -> Figure {
    let (frames, seconds_per_frame) = unstacked(features, recipe);
    let panels = panels(&frames, recipe);
    let mut figure = Figure {
        width: LEFT + WIDTH + RIGHT,
        height: TOP + HEIGHT + BOTTOM,
        heatmaps: Vec::new(),
        lines: Vec::new(),
        labels: vec![Label {
            x: LEFT,
            y: TOP / 2,
            anchor: Anchor::Start,
            text: fitted(title),
        }],
    };
    let height = (HEIGHT - GAP * (panels.len() - 1)) / panels.len();
    for (i, panel) in panels.iter().enumerate() {
        figure.add_panel(panel, TOP + i * (height + GAP), height);
    }
    let bottom = TOP + (panels.len() - 1) * (height + GAP) + height;
    figure.add_time_axis(frames.nrows() as f64 * seconds_per_frame, bottom);
    figure
}

/// A title that does not run out of the picture.
fn fitted(title: &str) -> String {
    const LETTERS: usize = (WIDTH + RIGHT) / (LETTER * 2 / 3) - 2;
    match title.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}...", &title[..end.saturating_sub(3)]),
        None => title.to_owned(),
    }
}

/// The frames before stacking and the seconds between two, where stacking lost none of the order.
fn unstacked(features: ArrayView2<f32>, recipe: &Recipe) -> (Array2<f32>, f64) {
    let stacking = recipe.stacking;
    let seconds = recipe.seconds_per_frame();
    let (frames, dim) = (features.nrows() * stacking.frames, recipe.frame_dim());
    if stacking.frames == stacking.skip && features.len() == frames * dim {
        let values = features.iter().copied().collect();
        if let Ok(frames) = Array2::from_shape_vec((frames, dim), values) {
            return (frames, seconds / stacking.skip as f64);
        }
    }
    (features.to_owned(), seconds)
}

fn panels(frames: &Array2<f32>, recipe: &Recipe) -> Vec<Panel> {
    let dim = recipe.static_dim();
    if frames.ncols() != recipe.frame_dim() {
        let ticks = (0..frames.ncols())
            .step_by(dim)
            .map(|d| (d as f32, d.to_string()))
            .collect();
        return vec![Panel {
            name: "dimension",
            values: frames.clone(),
            ticks,
        }];
    }
    ["Hz", "delta", "delta-delta", "delta^3"]
        .into_iter()
        .take(recipe.deltas.order + 1)
        .enumerate()
        .map(|(order, name)| Panel {
            name,
            values: frames
                .slice(s![.., order * dim..(order + 1) * dim])
                .to_owned(),
            ticks: frequency_ticks(recipe),
        })
        .collect()
}

/// Round frequencies and the bins where they lie.
fn frequency_ticks(recipe: &Recipe) -> Vec<(f32, String)> {
    let nyquist = recipe.sample_rate() as f32 / 2.0;
    // Energy before the bins moves them up by one.
    let first = f32::from(u8::from(recipe.energy.append && !recipe.energy.last));
    let mut ticks: Vec<(f32, String)> = match (recipe.kind, &recipe.mel) {
        (Kind::Fbank, Some(mel)) => {
            let (low, high) = (mel_scale(mel.low_hz), mel_scale(recipe.high_hz(mel)));
            let step = (high - low) / (mel.bins + 1) as f32;
            [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0]
                .into_iter()
                .map(|hz: f32| ((mel_scale(hz) - low) / step - 1.0, hz))
                .filter(|(bin, _)| (0.0..mel.bins as f32).contains(bin))
                .map(|(bin, hz)| (first + bin, format!("{hz}")))
                .collect()
        }
        _ => {
            let hz_per_bin = recipe.sample_rate() as f32 / recipe.fft_length() as f32;
            let step = if nyquist > 10_000.0 { 4000.0 } else { 1000.0 };
            (0..)
                .map(|i| i as f32 * step)
                .take_while(|&hz| hz <= nyquist)
                .map(|hz| (first + hz / hz_per_bin, format!("{hz}")))
                .collect()
        }
    };
    if recipe.energy.append {
        let bin = if recipe.energy.last {
            recipe.static_dim() - 1
        } else {
            0
        };
        ticks.retain(|(tick, _)| (tick - bin as f32).abs() > 2.5);
        ticks.push((bin as f32, "energy".to_owned()));
    }
    ticks
}

impl Figure {
    fn add_panel(&mut self, panel: &Panel, y: usize, height: usize) {
        let (frames, bins) = panel.values.dim();
        let columns = frames.min(WIDTH);
        let picture = columns_of(&panel.values, columns);
        let (low, high) = percentiles(&panel.values);
        let cells = (0..bins)
            .rev()
            .flat_map(|bin| (0..columns).map(move |column| (column, bin)))
            .map(|cell| colour::of((picture[cell] - low) / (high - low)))
            .collect();
        self.heatmaps.push(Heatmap {
            x: LEFT,
            y,
            width: WIDTH,
            height,
            columns,
            cells,
        });
        self.frame(LEFT, y, WIDTH, height);
        // Ticks that would overlap the one before are left out.
        let mut free = f32::INFINITY;
        let mut ticks = panel.ticks.clone();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (bin, text) in ticks {
            let middle = (y + height) as f32 - (bin + 0.5) * height as f32 / bins as f32;
            if middle < y as f32 || middle > free {
                continue;
            }
            free = middle - LETTER as f32;
            let middle = middle.round() as usize;
            self.lines.push(Line {
                x: LEFT - 5,
                y: middle,
                dx: 5,
                dy: 0,
            });
            self.labels.push(Label {
                x: LEFT - 8,
                y: middle,
                anchor: Anchor::End,
                text,
            });
        }
        let name = panel.name.to_owned();
        self.labels.push(Label {
            x: LEFT + 6,
            y: y + LETTER,
            anchor: Anchor::Start,
            text: name,
        });
        self.add_colour_bar(y, height, low, high);
    }

    fn add_colour_bar(&mut self, y: usize, height: usize, low: f32, high: f32) {
        const STEPS: usize = 64;
        let x = LEFT + WIDTH + 12;
        let cells = (0..STEPS)
            .rev()
            .map(|i| colour::of(i as f32 / (STEPS - 1) as f32))
            .collect();
        self.heatmaps.push(Heatmap {
            x,
            y,
            width: 12,
            height,
            columns: 1,
            cells,
        });
        self.frame(x, y, 12, height);
        for (y, value) in [(y + LETTER / 2, high), (y + height - LETTER / 2, low)] {
            let text = format!("{value:.1}");
            self.labels.push(Label {
                x: x + 18,
                y,
                anchor: Anchor::Start,
                text,
            });
        }
    }

    fn add_time_axis(&mut self, seconds: f64, y: usize) {
        // The finest of 1, 2, 5 · 10^k that leaves at most ten ticks.
        let step = (-3..6)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)))
            .find(|step| seconds / step <= 10.0)
            .unwrap_or(seconds);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        for i in 0..=(seconds / step) as usize {
            let x = LEFT + (i as f64 * step / seconds * WIDTH as f64).round() as usize;
            self.lines.push(Line { x, y, dx: 0, dy: 5 });
            let text = format!("{:.decimals$}", i as f64 * step);
            self.labels.push(Label {
                x,
                y: y + 14,
                anchor: Anchor::Middle,
                text,
            });
        }
        let (x, text) = (LEFT + WIDTH / 2, "time, s".to_owned());
        self.labels.push(Label {
            x,
            y: y + 34,
            anchor: Anchor::Middle,
            text,
        });
    }

    fn frame(&mut self, x: usize, y: usize, width: usize, height: usize) {
        self.lines.extend([
            Line {
                x,
                y,
                dx: width,
                dy: 0,
            },
            Line {
                x,
                y: y + height,
                dx: width,
                dy: 0,
            },
            Line {
                x,
                y,
                dx: 0,
                dy: height,
            },
            Line {
                x: x + width,
                y,
                dx: 0,
                dy: height,
            },
        ]);
    }
}

/// `[T, bins]` → `[columns, bins]`: the mean of the frames of each column.
fn columns_of(values: &Array2<f32>, columns: usize) -> Array2<f32> {
    let frames = values.nrows();
    Array2::from_shape_fn((columns, values.ncols()), |(column, bin)| {
        let (start, end) = (column * frames / columns, (column + 1) * frames / columns);
        values.slice(s![start..end, bin]).sum() / (end - start) as f32
    })
}

/// 1st and 99th percentile, never equal.
fn percentiles(values: &Array2<f32>) -> (f32, f32) {
    let mut sorted: Vec<f32> = values.iter().copied().collect();
    sorted.sort_by(f32::total_cmp);
    let at = |share: f32| sorted[((sorted.len() - 1) as f32 * share) as usize];
    let (low, high) = (at(0.01), at(0.99));
    if high > low {
        (low, high)
    } else {
        (low, low + 1.0)
    }
}

#[cfg(test)]
mod tests;
