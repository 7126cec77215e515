//! A line as a picture: loudness above, and below it when the mouth takes which shape.
//!
//! For whoever makes a face: it shows at one look whether lips and sound belong together.

use std::io::Write;
use std::time::Duration;

use meddah_speech::visemes::{Envelope, Viseme, VisemeMark, visemes};
use meddah_speech::{Mark, Pcm};

/// How far apart seconds are, pixels.
const SECOND_PX: usize = 300;
/// A longer line is cut off.
const WIDTH_PX_MAX: usize = 20_000;
/// Left of it are the names of the shapes.
const NAMES_PX: usize = 24;
const ENVELOPE_PX: usize = 90;
const ROW_PX: usize = 12;
/// A line every tenth of a second, a darker one every second.
const TENTHS: usize = 10;

const PAPER: [u8; 3] = [255, 255, 255];
const TENTH: [u8; 3] = [235, 235, 235];
const WHOLE: [u8; 3] = [180, 180, 180];
const INK: [u8; 3] = [40, 40, 40];
const LOUD: [u8; 3] = [120, 120, 120];
const SHAPE: [u8; 3] = [30, 90, 180];
/// A closed mouth is no shape to look at.
const CLOSED: [u8; 3] = [200, 200, 210];

/// A picture under way.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, height, pixels: PAPER.repeat(width * height) }
    }

    /// Fills a rectangle; what is outside of the picture is left out.
    fn fill(&mut self, (left, right): (usize, usize), (top, bottom): (usize, usize), colour: [u8; 3]) {
        for y in top..bottom.min(self.height) {
            for x in left..right.min(self.width) {
                let place = (y * self.width + x) * 3;
                self.pixels[place..place + 3].copy_from_slice(&colour);
            }
        }
    }

    fn write(&mut self, text: &str, left: usize, top: usize) {
        for (place, letter) in text.chars().enumerate() {
            for (y, row) in glyph(letter).into_iter().enumerate() {
                for x in (0..GLYPH_PX).filter(|x| row & (1 << (GLYPH_PX - 1 - x)) != 0) {
                    let left = left + place * (GLYPH_PX + 1) + x;
                    self.fill((left, left + 1), (top + y, top + y + 1), INK);
                }
            }
        }
    }
}

/// Draws a line and writes it as PNG.
pub fn draw(pcm: &Pcm, marks: &[Mark], file: impl Write) -> Result<(), png::EncodingError> {
    let length = (pcm.duration().as_secs_f64() * SECOND_PX as f64).ceil() as usize;
    let width = (NAMES_PX + length + 1).min(WIDTH_PX_MAX);
    let mut canvas = Canvas::new(width, ENVELOPE_PX + Viseme::ALL.len() * ROW_PX + 1);
    for (tenth, x) in (NAMES_PX..width).step_by(SECOND_PX / TENTHS).enumerate() {
        let colour = if tenth % TENTHS == 0 { WHOLE } else { TENTH };
        let height = canvas.height;
        canvas.fill((x, x + 1), (0, height), colour);
    }
    envelope(&mut canvas, &Envelope::of(pcm));
    for (row, viseme) in Viseme::ALL.into_iter().enumerate() {
        canvas.write(viseme.name(), 2, ENVELOPE_PX + row * ROW_PX + 4);
    }
    for mark in visemes(marks) {
        shape(&mut canvas, &mark);
    }
    let mut encoder = png::Encoder::new(
        file,
        u32::try_from(canvas.width).unwrap_or(1),
        u32::try_from(canvas.height).unwrap_or(1),
    );
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()
}

fn x_of(at: Duration) -> usize {
    NAMES_PX + (at.as_secs_f64() * SECOND_PX as f64).round() as usize
}

fn envelope(canvas: &mut Canvas, envelope: &Envelope) {
    for (place, level) in (0..).zip(&envelope.levels) {
        let (left, right) = (x_of(envelope.step * place), x_of(envelope.step * (place + 1)));
        let top = ((1.0 - level) * ENVELOPE_PX as f32) as usize;
        canvas.fill((left, right), (top, ENVELOPE_PX), LOUD);
    }
}

/// As high as the mouth gets there.
fn shape(canvas: &mut Canvas, mark: &VisemeMark) {
    let row = Viseme::ALL.iter().position(|viseme| *viseme == mark.viseme).unwrap_or_default();
    let bottom = ENVELOPE_PX + (row + 1) * ROW_PX;
    let height = (mark.weight * (ROW_PX - 1) as f32).ceil() as usize;
    let colour = if mark.viseme == Viseme::Sil { CLOSED } else { SHAPE };
    canvas.fill((x_of(mark.at), x_of(mark.at + mark.duration)), (bottom - height, bottom), colour);
}

const GLYPH_PX: usize = 3;

/// The letters of the names of shapes, in rows of three bits.
fn glyph(letter: char) -> [u8; 5] {
    match letter {
        'a' => [0b000, 0b110, 0b011, 0b101, 0b111],
        'C' => [0b111, 0b100, 0b100, 0b100, 0b111],
        'D' => [0b110, 0b101, 0b101, 0b101, 0b110],
        'E' => [0b111, 0b100, 0b110, 0b100, 0b111],
        'F' => [0b111, 0b100, 0b110, 0b100, 0b100],
        'H' => [0b101, 0b101, 0b111, 0b101, 0b101],
        'h' => [0b100, 0b100, 0b110, 0b101, 0b101],
        'i' => [0b010, 0b000, 0b010, 0b010, 0b010],
        'k' => [0b100, 0b101, 0b110, 0b110, 0b101],
        'l' => [0b010, 0b010, 0b010, 0b010, 0b010],
        'n' => [0b000, 0b000, 0b110, 0b101, 0b101],
        'o' => [0b000, 0b000, 0b111, 0b101, 0b111],
        'P' => [0b111, 0b101, 0b111, 0b100, 0b100],
        'R' => [0b110, 0b101, 0b110, 0b101, 0b101],
        'S' => [0b111, 0b100, 0b111, 0b001, 0b111],
        's' => [0b000, 0b011, 0b010, 0b001, 0b011],
        'T' => [0b111, 0b010, 0b010, 0b010, 0b010],
        'u' => [0b000, 0b000, 0b101, 0b101, 0b111],
        _ => [0; 5],
    }
}

#[cfg(test)]
mod tests {
    use meddah_speech::MarkKind;

    use super::*;

    #[test]
    fn a_picture_is_as_wide_as_the_line_is_long_and_shows_its_shapes() {
        let pcm = Pcm { sample_rate_hz: 1000, samples: vec![0.5; 2000] };
        let mark = |ms, ipa: &str| Mark {
            at: Duration::from_millis(ms),
            duration: Duration::from_millis(1000),
            kind: MarkKind::Phoneme(ipa.into()),
        };
        let mut file = Vec::new();
        draw(&pcm, &[mark(0, "m"), mark(1000, "ɑː")], &mut file).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (24 + 600 + 1, 90 + 15 * 12 + 1));
        let at = |x: usize, row: usize| {
            let place = ((ENVELOPE_PX + row * ROW_PX + ROW_PX - 2) * info.width as usize + x) * 3;
            [pixels[place], pixels[place + 1], pixels[place + 2]]
        };
        // The second row is that of closed lips, the eleventh that of a wide open mouth.
        assert_eq!((at(100, 1), at(500, 1)), (SHAPE, PAPER));
        assert_eq!((at(100, 10), at(500, 10)), (PAPER, SHAPE));
    }

    #[test]
    fn every_letter_of_a_name_can_be_written() {
        let mut letters = Viseme::ALL.iter().flat_map(|viseme| viseme.name().chars());
        assert!(letters.all(|letter| glyph(letter) != [0; 5]));
    }
}
