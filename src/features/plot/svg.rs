//! A figure as SVG: the heat maps as embedded PNGs, axes and words as shapes.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Anchor, Figure, LETTER, png};

/// The document's bytes.
pub(super) fn draw(figure: &Figure) -> Vec<u8> {
    let mut out = String::new();
    let (width, height) = (figure.width, figure.height);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{LETTER}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for map in &figure.heatmaps {
        let picture = STANDARD.encode(png::encode(map.columns, &map.cells));
        let _ = writeln!(
            out,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
             image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" \
             href=\"data:image/png;base64,{picture}\"/>",
            map.x, map.y, map.width, map.height
        );
    }
    for line in &figure.lines {
        let _ = writeln!(
            out,
            "<path d=\"M{}.5 {}.5h{}v{}\" stroke=\"black\" fill=\"none\"/>",
            line.x, line.y, line.dx, line.dy
        );
    }
    for label in &figure.labels {
        let anchor = match label.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\" dy=\".35em\" \
             paint-order=\"stroke\" stroke=\"white\" stroke-width=\"3\">{}</text>",
            label.x,
            label.y,
            escaped(&label.text)
        );
    }
    out.push_str("</svg>\n");
    out.into_bytes()
}

/// Text as XML wants it; control characters, which XML has no way to write, are left out.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .fold(String::new(), |mut out, c| {
            match c {
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '&' => out.push_str("&amp;"),
                c => out.push(c),
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_become_markup() {
        assert_eq!(escaped("a<b & \"c\"\u{7}>"), "a&lt;b &amp; \"c\"&gt;");
    }
}
