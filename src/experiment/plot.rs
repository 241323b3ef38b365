//! Curves as inline SVG, for the pages of runs and studies.

use std::fmt::Write as _;

/// The style of every page.
pub const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin-top:2rem}.dim{color:#6b6b70}
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
th{border-bottom:1px solid #c8c8cc;font-weight:600}svg text{font:12px system-ui,sans-serif;fill:#4a4a4f}
.s{background:#ffe08a}.d{color:#b3261e;text-decoration:line-through}.i{color:#1a6e2e;text-decoration:underline}
pre{background:#f5f5f7;padding:.8rem;overflow-x:auto}";

/// What a logarithmic axis shows instead of anything smaller.
const LEAST: f64 = 1e-30;

/// A named series of points.
pub struct Curve {
    /// What the legend calls it.
    pub name: String,
    /// `(x, y)`, x rising.
    pub points: Vec<(f64, f64)>,
}

/// What a plot is of.
pub struct Axes<'a> {
    /// Over the plot: what y is.
    pub title: &'a str,
    /// Under the plot: what x is.
    pub x: &'a str,
    /// Whether both axes are logarithmic; the others are linear, and y begins at 0.
    pub logarithmic: bool,
}

impl<'a> Axes<'a> {
    /// Something that changes from epoch to epoch.
    pub fn over_epochs(title: &'a str) -> Self {
        Self {
            title,
            x: "epoch",
            logarithmic: false,
        }
    }
}

/// Draws curves as an inline SVG.
pub fn plot(page: &mut String, axes: &Axes, curves: &[Curve]) {
    const COLOURS: [&str; 4] = ["#0a5fb4", "#c2410c", "#2e7d32", "#7b1fa2"];
    let (width, height, left, bottom, top) = (640.0, 240.0, 52.0, 34.0, 26.0);
    let scale = |value: f64| match axes.logarithmic {
        true => value.max(LEAST).log10(),
        false => value,
    };
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let (Some(first), Some(last)) = (
        points().map(|p| p.0).reduce(f64::min),
        points().map(|p| p.0).reduce(f64::max),
    ) else {
        return;
    };
    let heights = || points().map(|p| scale(p.1));
    let (lowest, highest) = match axes.logarithmic {
        true => (
            heights().fold(f64::INFINITY, f64::min).floor(),
            heights().fold(f64::NEG_INFINITY, f64::max).ceil(),
        ),
        false => (0.0, heights().fold(0.0, f64::max)),
    };
    let span = (highest - lowest).max(1e-9);
    let right = width - 110.0;
    let wide = (scale(last) - scale(first)).max(1e-9);
    let x = |value: f64| left + (scale(value) - scale(first)) / wide * (right - left);
    let y = |scaled: f64| height - bottom - (scaled - lowest) / span * (height - bottom - top);
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {width} {height}\" width={width} role=img aria-label=\"{0}\"><text x={left} y=14 font-weight=600>{0}</text>",
        escape(axes.title)
    );
    for step in 0..=4 {
        let value = lowest + span * f64::from(step) / 4.0;
        let _ = write!(
            page,
            "<line x1={left} x2={right} y1={0:.1} y2={0:.1} stroke=#e4e4e8 /><text x={1} y={2:.1} text-anchor=end>{3}</text>",
            y(value),
            left - 6.0,
            y(value) + 4.0,
            match axes.logarithmic {
                true => format!("{:.0e}", 10f64.powf(value)),
                false => short(value),
            }
        );
    }
    let middle = match axes.logarithmic {
        true => (first * last).sqrt().round(),
        false => ((first + last) / 2.0).round(),
    };
    for value in [first, middle, last] {
        let _ = write!(
            page,
            "<text x={:.1} y={} text-anchor=middle>{value}</text>",
            x(value),
            height - 14.0
        );
    }
    let _ = write!(
        page,
        "<text x={right} y={} text-anchor=end>{}</text>",
        height - 3.0,
        escape(axes.x)
    );
    for (index, curve) in curves
        .iter()
        .filter(|curve| !curve.points.is_empty())
        .enumerate()
    {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = curve
            .points
            .iter()
            .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(scale(*value))))
            .collect();
        let _ = write!(
            page,
            "<polyline fill=none stroke={colour} stroke-width=1.8 points=\"{}\" /><rect x={2} y={3} width=10 height=10 fill={colour} /><text x={4} y={5}>{1}</text>",
            path.join(" "),
            escape(&curve.name),
            right + 10.0,
            top + 18.0 * index as f64,
            right + 26.0,
            top + 9.0 + 18.0 * index as f64
        );
    }
    page.push_str("</svg>");
}

fn short(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
