//! `report.html`: a run on one page that needs nothing else.

use std::fmt::Write as _;
use std::path::Path;

use super::{Error, Results};
use crate::score::{Costs, ErrorCounts, Operation, align};
use crate::train::{EpochRecord, write_whole};

/// Utterances shown with their alignment, the worst first.
const WORST: usize = 25;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c1c1e}
h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.1rem;margin-top:2rem}.dim{color:#6b6b70}
table{border-collapse:collapse}td,th{padding:.2rem .9rem .2rem 0;text-align:left;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
th{border-bottom:1px solid #c8c8cc;font-weight:600}svg text{font:12px system-ui,sans-serif;fill:#4a4a4f}
.s{background:#ffe08a}.d{color:#b3261e;text-decoration:line-through}.i{color:#1a6e2e;text-decoration:underline}
pre{background:#f5f5f7;padding:.8rem;overflow-x:auto}";

/// Writes `report.html` of the run in `dir` from what is there: `results.json`, `config.toml`, the
/// metrics of the training and the decoded sets.
///
/// # Errors
/// [`Error::File`] when a part of the run is missing or the report cannot be written.
pub fn write_report(dir: &Path) -> Result<(), Error> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    };
    let results = Results::read(&dir.join("results.json"))?;
    let epochs: Vec<EpochRecord> = read("train/metrics.jsonl")?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();

    let mut page = String::new();
    let title = escape(&results.name);
    let _ = write!(
        page,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title} · hearken</title><style>{STYLE}</style><h1>{title}</h1><p class=dim>{} · hearken {} · seed {} · {} · {} parameters · {} steps</p><pre>{}</pre>",
        results.date,
        results.version,
        results.seed,
        escape(&results.path),
        results.parameters,
        results.steps,
        escape(&results.command)
    );
    page.push_str("<h2>Figures</h2>");
    figures(&mut page, &results);
    page.push_str("<h2>Training</h2>");
    let curve = |name: &str, of: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let points = epochs.iter().filter_map(|e| Some((e.epoch as f64, of(e)?)));
        Curve {
            name: name.to_owned(),
            points: points.filter(|(_, y)| y.is_finite()).collect(),
        }
    };
    plot(
        &mut page,
        "loss, nats a frame",
        &[
            curve("train", &|e| Some(e.train_loss)),
            curve("dev", &|e| Some(e.dev_loss)),
        ],
    );
    let rate = |key: &'static str| move |e: &EpochRecord| e.figures.get(key).map(|r| 100.0 * r);
    plot(
        &mut page,
        "dev, best path, per cent",
        &[
            curve("CER", &rate("cer")),
            curve("PER", &rate("per")),
            curve("WER", &rate("wer")),
            curve("blank frames", &rate("blank_fraction")),
        ],
    );
    plot(
        &mut page,
        "gradient norm before clipping",
        &[curve("norm", &|e| Some(e.gradient_norm))],
    );
    if let Some(sample) = epochs.last().and_then(|epoch| epoch.sample.as_ref()) {
        let _ = write!(
            page,
            "<p>A dev utterance, reference | recognised: <em>{}</em></p>",
            escape(sample)
        );
    }
    page.push_str(
        "<h2>Data</h2><table><tr><th>training set<th class=n>utterances<th class=n>hours</tr>",
    );
    for set in &results.train {
        let _ = write!(
            page,
            "<tr><td>{}<td class=n>{}<td class=n>{:.2}</tr>",
            escape(&set.name),
            set.utterances,
            set.hours
        );
    }
    page.push_str("</table>");
    for set in &results.sets {
        let _ = write!(page, "<h2>Worst of {}</h2>", escape(&set.name));
        let reference = read(&format!("decode/{}.ref.txt", set.name))?;
        let hypothesis = read(&format!("decode/{}.hyp.txt", set.name))?;
        worst(&mut page, &reference, &hypothesis);
    }
    let _ = write!(
        page,
        "<h2>Configuration</h2><pre>{}</pre>",
        escape(&read("config.toml")?)
    );
    page.push_str("</html>\n");
    Ok(write_whole(&dir.join("report.html"), page.as_bytes())?)
}

fn figures(page: &mut String, results: &Results) {
    page.push_str("<table><tr><th>set<th>decoder<th class=n>utterances<th>rate<th class=n>%<th class=n>of<th class=n>sub<th class=n>del<th class=n>ins</tr>");
    for set in &results.sets {
        for (name, rate) in &set.rates {
            let _ = write!(
                page,
                "<tr><td>{} ({})<td>{}<td class=n>{}<td>{}<td class=n>{:.2}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}</tr>",
                escape(&set.name),
                set.role,
                escape(&set.decoder),
                set.utterances,
                name.to_uppercase(),
                100.0 * rate.rate,
                rate.reference,
                rate.substitutions,
                rate.deletions,
                rate.insertions
            );
        }
    }
    page.push_str("</table>");
}

/// A named series of points.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws curves over epochs as an inline SVG.
fn plot(page: &mut String, title: &str, curves: &[Curve]) {
    const COLOURS: [&str; 4] = ["#0a5fb4", "#c2410c", "#2e7d32", "#7b1fa2"];
    let (width, height, left, bottom, top) = (640.0, 240.0, 52.0, 34.0, 26.0);
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let Some(last) = points().map(|p| p.0).reduce(f64::max) else {
        return;
    };
    let highest = points().map(|p| p.1).fold(0.0, f64::max).max(1e-9);
    let right = width - 110.0;
    let x = |value: f64| left + (value - 1.0) / (last - 1.0).max(1.0) * (right - left);
    let y = |value: f64| height - bottom - value / highest * (height - bottom - top);
    let _ = write!(
        page,
        "<svg viewBox=\"0 0 {width} {height}\" width={width} role=img aria-label=\"{0}\"><text x={left} y=14 font-weight=600>{0}</text>",
        escape(title)
    );
    for step in 0..=4 {
        let value = highest * f64::from(step) / 4.0;
        let _ = write!(
            page,
            "<line x1={left} x2={right} y1={0:.1} y2={0:.1} stroke=#e4e4e8 /><text x={1} y={2:.1} text-anchor=end>{3}</text>",
            y(value),
            left - 6.0,
            y(value) + 4.0,
            short(value)
        );
    }
    for epoch in [1.0, ((1.0 + last) / 2.0).round(), last] {
        let _ = write!(
            page,
            "<text x={:.1} y={} text-anchor=middle>{epoch}</text>",
            x(epoch),
            height - 14.0
        );
    }
    let _ = write!(
        page,
        "<text x={right} y={} text-anchor=end>epoch</text>",
        height - 3.0
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
            .map(|(epoch, value)| format!("{:.1},{:.1}", x(*epoch), y(*value)))
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

/// The alignments of the utterances with the most word errors.
fn worst(page: &mut String, references: &str, hypotheses: &str) {
    let split = |line: &str| -> (String, Vec<String>) {
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap_or_default(), words.collect())
    };
    let mut rows: Vec<(u64, String, Vec<String>, Vec<String>)> = references
        .lines()
        .zip(hypotheses.lines())
        .map(|(reference, hypothesis)| {
            let (id, reference) = split(reference);
            let hypothesis = split(hypothesis).1;
            let errors = ErrorCounts::of(&reference, &hypothesis, Costs::Levenshtein).errors();
            (errors, id, reference, hypothesis)
        })
        .collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    page.push_str("<p class=dim><span class=s>substituted</span> (reference → recognised), <span class=d>deleted</span>, <span class=i>inserted</span></p><table><tr><th class=n>errors<th>utterance<th>alignment</tr>");
    for (errors, id, reference, hypothesis) in rows.iter().take(WORST).filter(|row| row.0 > 0) {
        let _ = write!(page, "<tr><td class=n>{errors}<td>{}<td>", escape(id));
        let alignment = align(reference, hypothesis, Costs::Levenshtein);
        for (operation, word, found) in alignment.pairs(reference, hypothesis) {
            let word = escape(word.map_or("", |w| w));
            let found = escape(found.map_or("", |w| w));
            let _ = match operation {
                Operation::Correct => write!(page, "{word} "),
                Operation::Substitution => write!(page, "<span class=s>{word}→{found}</span> "),
                Operation::Deletion => write!(page, "<span class=d>{word}</span> "),
                Operation::Insertion => write!(page, "<span class=i>{found}</span> "),
            };
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
