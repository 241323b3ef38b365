//! `report.html`: a run on one page that needs nothing else.

use std::fmt::Write as _;
use std::path::Path;

use super::plot::{Axes, Curve, STYLE, escape, plot};
use super::{Error, Results};
use crate::score::{Costs, ErrorCounts, Operation, align};
use crate::train::{EpochRecord, write_whole};

/// Utterances shown with their alignment, the worst first.
const WORST: usize = 25;

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
    // A network that is measured as it starts has no curves.
    if results.steps > 0 {
        training(&mut page, &read("train/metrics.jsonl")?);
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

/// The curves of a training, from its `metrics.jsonl`.
fn training(page: &mut String, metrics: &str) {
    let epochs: Vec<EpochRecord> = metrics
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    page.push_str("<h2>Training</h2>");
    let curve = |name: &str, of: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let points = epochs.iter().filter_map(|e| Some((e.epoch as f64, of(e)?)));
        Curve {
            name: name.to_owned(),
            points: points.filter(|(_, y)| y.is_finite()).collect(),
        }
    };
    plot(
        page,
        &Axes::over_epochs("loss, nats a frame"),
        &[
            curve("train", &|e| Some(e.train_loss)),
            curve("dev", &|e| Some(e.dev_loss)),
        ],
    );
    let rate = |key: &'static str| move |e: &EpochRecord| e.figures.get(key).map(|r| 100.0 * r);
    plot(
        page,
        &Axes::over_epochs("dev, best path, per cent"),
        &[
            curve("CER", &rate("cer")),
            curve("PER", &rate("per")),
            curve("WER", &rate("wer")),
            curve("blank frames", &rate("blank_fraction")),
        ],
    );
    plot(
        page,
        &Axes::over_epochs("gradient norm before clipping"),
        &[curve("norm", &|e| Some(e.gradient_norm))],
    );
    if let Some(sample) = epochs.last().and_then(|epoch| epoch.sample.as_ref()) {
        let _ = write!(
            page,
            "<p>A dev utterance, reference | recognised: <em>{}</em></p>",
            escape(sample)
        );
    }
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
