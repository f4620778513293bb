//! A canvas as SVG.

use crate::canvas::{Anchor, Canvas, Ink, Point, Segment, Shape, Stroke};
use crate::colour::{SERIES, on_paper};
use crate::font;
use std::fmt::Write as _;

/// What text becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Outlines, on white paper: a file that looks the same everywhere.
    Outlined,
    /// Text, in colours that a page sets: `currentColor`, and the variables `--grid`, `--paper` and `--series-0`, ….
    Live,
}

/// The canvas as an SVG document, or as an element of a page.
pub fn svg(canvas: &Canvas, letters: Letters) -> String {
    let Canvas { title, width, height, shapes } = canvas;
    let (w, h) = (number(*width), number(*height));
    let mut writer = Writer { text: String::new(), letters };
    let size = match letters {
        Letters::Outlined => format!(" width=\"{w}pt\" height=\"{h}pt\""),
        Letters::Live => String::new(),
    };
    let title = escape(title);
    let _ = writeln!(
        writer.text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\"{size} viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{title}\">"
    );
    if letters == Letters::Outlined {
        let _ = write!(writer.text, "<title>{title}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n");
    }
    for shape in shapes {
        writer.shape(shape);
    }
    writer.text.push_str("</svg>\n");
    writer.text
}

struct Writer {
    text: String,
    letters: Letters,
}

impl Writer {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Path { segments, fill, stroke } => self.path(segments, *fill, stroke.as_ref()),
            Shape::Text { place, text, size, anchor, upwards, ink } if self.letters == Letters::Outlined => {
                self.path(&font::outlines(*place, text, *size, *anchor, *upwards), Some((*ink, 1.0)), None);
            }
            Shape::Text { place, text, size, anchor, upwards, ink } => {
                let (x, y) = (number(place.x), number(place.y));
                let turn = if *upwards { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
                let anchor = match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let (size, colour, text) = (number(*size), self.colour(*ink), escape(text));
                let _ = writeln!(
                    self.text,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{turn} fill=\"{colour}\">{text}</text>"
                );
            }
            Shape::Group { data, title, shapes } => {
                self.text.push_str("<g");
                if self.letters == Letters::Live {
                    for (name, value) in data {
                        let _ = write!(self.text, " data-{name}=\"{}\"", escape(value));
                    }
                }
                self.text.push_str(">\n");
                if !title.is_empty() && self.letters == Letters::Live {
                    let _ = writeln!(self.text, "<title>{}</title>", escape(title));
                }
                for shape in shapes {
                    self.shape(shape);
                }
                self.text.push_str("</g>\n");
            }
        }
    }

    fn path(&mut self, segments: &[Segment], fill: Option<(Ink, f64)>, stroke: Option<&Stroke>) {
        let mut attributes = match fill {
            None => " fill=\"none\"".to_owned(),
            Some((ink, opacity)) => {
                let opacity =
                    if opacity < 1.0 { format!(" fill-opacity=\"{}\"", number(opacity)) } else { String::new() };
                format!(" fill=\"{}\"{opacity}", self.colour(ink))
            }
        };
        if let Some(Stroke { ink, width, dashes }) = stroke {
            let _ = write!(attributes, " stroke=\"{}\" stroke-width=\"{}\"", self.colour(*ink), number(*width));
            attributes.push_str(" stroke-linejoin=\"round\"");
            if !dashes.is_empty() {
                let dashes: Vec<String> = dashes.iter().copied().map(number).collect();
                let _ = write!(attributes, " stroke-dasharray=\"{}\"", dashes.join(" "));
            }
        }
        let _ = writeln!(self.text, "<path d=\"{}\"{attributes}/>", path_data(segments));
    }

    fn colour(&self, ink: Ink) -> String {
        match (self.letters, ink) {
            (Letters::Live, Ink::Text) => "currentColor".to_owned(),
            (Letters::Live, Ink::Grid) => "var(--grid)".to_owned(),
            (Letters::Live, Ink::Paper) => "var(--paper)".to_owned(),
            (Letters::Live, Ink::Series(series)) => format!("var(--series-{})", series % SERIES.len()),
            _ => {
                let [r, g, b] = on_paper(ink);
                format!("#{r:02x}{g:02x}{b:02x}")
            }
        }
    }
}

fn path_data(segments: &[Segment]) -> String {
    let mut data = String::new();
    let point = |Point { x, y }: Point| format!("{} {}", number(x), number(y));
    for segment in segments {
        let _ = match segment {
            Segment::Move(to) => write!(data, "M{}", point(*to)),
            Segment::Line(to) => write!(data, "L{}", point(*to)),
            Segment::Curve(one, two, to) => write!(data, "C{} {} {}", point(*one), point(*two), point(*to)),
            Segment::Close => write!(data, "Z"),
        };
    }
    data
}

/// A number with two decimals at most.
pub(crate) fn number(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text as XML and HTML hold it, between tags and in attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
