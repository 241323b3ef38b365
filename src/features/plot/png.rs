//! A figure as PNG.

use font8x8::UnicodeFonts;

use super::colour::Rgb;
use super::{Anchor, Figure, Heatmap, Label};

/// Pixels of one letter's cell across.
const LETTER_WIDTH: usize = 8;

/// The file's bytes.
pub(super) fn draw(figure: &Figure) -> Vec<u8> {
    let mut canvas = Canvas {
        width: figure.width,
        pixels: vec![[255, 255, 255]; figure.width * figure.height],
    };
    for map in &figure.heatmaps {
        canvas.heatmap(map);
    }
    for line in &figure.lines {
        for y in line.y..=line.y + line.dy {
            for x in line.x..=line.x + line.dx {
                canvas.set(x, y, [0, 0, 0]);
            }
        }
    }
    for label in &figure.labels {
        canvas.label(label);
    }
    encode(canvas.width, &canvas.pixels)
}

/// A PNG of rows of `width` colours.
pub(super) fn encode(width: usize, pixels: &[Rgb]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, width as u32, (pixels.len() / width) as u32);
    encoder.set_color(::png::ColorType::Rgb);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels.as_flattened()))
        .expect("rows of equal length can be encoded into memory");
    bytes
}

struct Canvas {
    width: usize,
    pixels: Vec<Rgb>,
}

impl Canvas {
    fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = colour;
        }
    }

    fn heatmap(&mut self, map: &Heatmap) {
        let rows = map.cells.len() / map.columns;
        for y in 0..map.height {
            let row = y * rows / map.height;
            for x in 0..map.width {
                let column = x * map.columns / map.width;
                self.set(map.x + x, map.y + y, map.cells[row * map.columns + column]);
            }
        }
    }

    /// Letters of the public-domain font8x8, on white; what it lacks becomes a question mark.
    fn label(&mut self, label: &Label) {
        let width = LETTER_WIDTH * label.text.chars().count();
        let left = match label.anchor {
            Anchor::Start => label.x,
            Anchor::Middle => label.x.saturating_sub(width / 2),
            Anchor::End => label.x.saturating_sub(width),
        };
        let top = label.y.saturating_sub(4);
        for y in top.saturating_sub(1)..top + 9 {
            for x in left.saturating_sub(1)..left + width {
                self.set(x, y, [255, 255, 255]);
            }
        }
        for (i, letter) in label.text.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS
                .get(letter)
                .or_else(|| font8x8::LATIN_FONTS.get(letter))
                .or_else(|| font8x8::BASIC_FONTS.get('?'));
            for (y, row) in glyph.into_iter().flatten().enumerate() {
                for x in (0..8).filter(|x| row >> x & 1 == 1) {
                    self.set(left + i * LETTER_WIDTH + x, top + y, [0, 0, 0]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_holds_its_pixels() {
        let pixels = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(encode(2, &pixels)))
            .read_info()
            .unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((info.width, info.height), (2, 2));
        assert_eq!(bytes, pixels.as_flattened());
    }
}
