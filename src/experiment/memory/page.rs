//! The study on a page.

use std::fmt::Write as _;

use super::study::{Point, Study, StudyResults};
use crate::experiment::plot::{Axes, Curve, STYLE, escape, plot};

/// The page: both plots, and their numbers.
pub fn page(study: &Study, results: &StudyResults) -> String {
    let title = escape(&study.name);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title} · hearken</title><style>{STYLE}</style><h1>{title}</h1><p class=dim>{} · hearken {} · seed {} · {}</p><p>{}</p><pre>{}</pre>",
        results.date,
        results.version,
        study.seed,
        escape(&results.path),
        escape(&study.about),
        escape(&results.command)
    );
    let curves = |value: &dyn Fn(&Point) -> f64| -> Vec<Curve> {
        let of_cell = |cell| results.points.iter().filter(move |p| p.cell == cell);
        study
            .compare
            .iter()
            .map(|&cell| Curve {
                name: format!("{cell:?}"),
                points: of_cell(cell)
                    .map(|point| (point.distance as f64, value(point)))
                    .collect(),
            })
            .collect()
    };
    let x = "steps between symbol and question";
    plot(
        &mut page,
        &Axes {
            title: "recalled after training, per cent",
            x,
            logarithmic: false,
        },
        &curves(&|point| 100.0 * point.accuracy),
    );
    plot(
        &mut page,
        &Axes {
            title: "gradient that reaches the symbol, before training",
            x,
            logarithmic: true,
        },
        &curves(&|point| point.gradient),
    );
    page.push_str(
        "<table><tr><th>cell<th class=n>steps<th class=n>recalled, %<th class=n>gradient</tr>",
    );
    for point in &results.points {
        let _ = write!(
            page,
            "<tr><td>{:?}<td class=n>{}<td class=n>{:.1}<td class=n>{:.1e}</tr>",
            point.cell,
            point.distance,
            100.0 * point.accuracy,
            point.gradient
        );
    }
    page.push_str("</table></html>\n");
    page
}
