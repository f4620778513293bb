//! A canvas as PDF: one page of paths, without a date, so that equal figures are equal bytes.

use crate::canvas::{Canvas, Ink, Point, Segment, Shape, Stroke};
use crate::colour::on_paper;
use crate::font;
use pdf_writer::types::LineJoinStyle;
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, TextStr};

/// The canvas as a PDF file.
pub fn pdf(canvas: &Canvas) -> Vec<u8> {
    let [catalog, pages, page, content, info] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut sheet = Sheet { content: Content::new(), height: canvas.height, opacities: Vec::new() };
    canvas.shapes.iter().for_each(|shape| sheet.shape(shape));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut written = pdf.page(page);
    written.media_box(Rect::new(0.0, 0.0, canvas.width as f32, canvas.height as f32)).parent(pages).contents(content);
    let mut resources = written.resources();
    let mut states = resources.ext_g_states();
    for (number, opacity) in sheet.opacities.iter().enumerate() {
        states
            .insert(Name(name(number).as_bytes()))
            .start::<pdf_writer::writers::ExtGraphicsState<'_>>()
            .non_stroking_alpha(*opacity);
    }
    states.finish();
    resources.finish();
    written.finish();
    pdf.stream(content, &sheet.content.finish());
    pdf.document_info(info).title(TextStr(&canvas.title));
    pdf.finish()
}

struct Sheet {
    content: Content,
    height: f64,
    /// The opacities of areas, each once.
    opacities: Vec<f32>,
}

fn name(opacity: usize) -> String {
    format!("a{opacity}")
}

impl Sheet {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Path { segments, fill, stroke } => self.path(segments, *fill, stroke.as_ref()),
            Shape::Text { place, text, size, anchor, upwards, ink } => {
                self.path(&font::outlines(*place, text, *size, *anchor, *upwards), Some((*ink, 1.0)), None);
            }
            Shape::Group { shapes, .. } => shapes.iter().for_each(|shape| self.shape(shape)),
        }
    }

    fn path(&mut self, segments: &[Segment], fill: Option<(Ink, f64)>, stroke: Option<&Stroke>) {
        let height = self.height;
        // PDF counts upwards. Numbers are rounded as in SVG.
        let to =
            |Point { x, y }: Point| ((x * 100.0).round() as f32 / 100.0, ((height - y) * 100.0).round() as f32 / 100.0);
        self.content.save_state();
        if let Some((ink, opacity)) = fill {
            let [r, g, b] = colour(ink);
            self.content.set_fill_rgb(r, g, b);
            if opacity < 1.0 {
                let opacity = opacity as f32;
                let known = self.opacities.iter().position(|known| (known - opacity).abs() < 1e-6);
                let number = known.unwrap_or_else(|| {
                    self.opacities.push(opacity);
                    self.opacities.len() - 1
                });
                self.content.set_parameters(Name(name(number).as_bytes()));
            }
        }
        if let Some(Stroke { ink, width, dashes }) = stroke {
            let [r, g, b] = colour(*ink);
            self.content.set_stroke_rgb(r, g, b).set_line_width(*width as f32).set_line_join(LineJoinStyle::RoundJoin);
            self.content.set_dash_pattern(dashes.iter().map(|dash| *dash as f32), 0.0);
        }
        for segment in segments {
            match segment {
                Segment::Move(point) => {
                    let (x, y) = to(*point);
                    self.content.move_to(x, y);
                }
                Segment::Line(point) => {
                    let (x, y) = to(*point);
                    self.content.line_to(x, y);
                }
                Segment::Curve(one, two, end) => {
                    let [(a, b), (c, d), (x, y)] = [one, two, end].map(|point| to(*point));
                    self.content.cubic_to(a, b, c, d, x, y);
                }
                Segment::Close => {
                    self.content.close_path();
                }
            }
        }
        match (fill.is_some(), stroke.is_some()) {
            (true, true) => self.content.fill_nonzero_and_stroke(),
            (true, false) => self.content.fill_nonzero(),
            (false, true) => self.content.stroke(),
            (false, false) => self.content.end_path(),
        };
        self.content.restore_state();
    }
}

fn colour(ink: Ink) -> [f32; 3] {
    on_paper(ink).map(|part| f32::from(part) / 255.0)
}
