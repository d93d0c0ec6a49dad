//! The miss-ratio curves as an SVG, told apart by dashes and marks so that they read in black and white too.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::curve::{Axis, Picture};
use crate::failure::Failure;

/// Pixels of the picture without its legend.
const WIDTH: usize = 720;
const HEIGHT: usize = 560;
const FONT: &str = "sans-serif";
const TITLE_SIZE: u32 = 22;
const TEXT_SIZE: u32 = 15;

/// Pixels of a line's sample in the legend, from one entry to the next, and above the first one.
const SAMPLE_WIDTH: i32 = 48;
const LEGEND_STEP: usize = 26;
const LEGEND_TOP: usize = 72;
/// Pixels that a character of the legend takes at most, and that are left free beside it.
const CHAR_WIDTH: usize = 9;
const LEGEND_MARGINS: usize = 100;

/// Pixels from a mark's middle to its edge.
const MARK: i32 = 5;

/// Dark enough to read when printed in grey.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 90, 160),
    RGBColor(180, 50, 0),
    RGBColor(0, 110, 70),
    RGBColor(130, 40, 130),
    RGBColor(110, 80, 0),
];

/// Pixels of a dash and of the gap after it; without a gap the line is whole.
const DASHES: [(u32, u32); 5] = [(1, 0), (12, 5), (3, 4), (22, 6), (7, 9)];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Draws the curves into a file.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(file: &Path, axis: Axis, picture: &Picture) -> Result<(), Failure> {
    let mut svg = String::new();
    draw(&mut svg, axis, picture)
        .map_err(|error| Failure::Work(format!("the plot cannot be drawn: {error}")))?;
    std::fs::write(file, svg)
        .map_err(|error| Failure::Work(format!("{} cannot be written: {error}", file.display())))
}

fn draw(svg: &mut String, axis: Axis, picture: &Picture) -> Drawn {
    let curves = &picture.curves;
    let longest = curves.iter().map(|curve| curve.name.chars().count()).max().unwrap_or_default();
    let legend_width = longest * CHAR_WIDTH + LEGEND_MARGINS;
    let height = HEIGHT.max(LEGEND_TOP + LEGEND_STEP * (curves.len() + 1));
    let size = (u32::try_from(WIDTH + legend_width)?, u32::try_from(height)?);
    let area: Area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let (from, to) = axis.range(curves);
    let text = (FONT, TEXT_SIZE).into_font();
    let sizes = (from..to).log_scale().with_key_points(axis.ticks(from, to));
    let mut chart = ChartBuilder::on(&area)
        .caption(&picture.title, (FONT, TITLE_SIZE))
        .margin(16)
        .margin_right(u32::try_from(legend_width)?)
        .x_label_area_size(56)
        .y_label_area_size(64)
        .build_cartesian_2d(sizes, 0.0..100.0)?;
    chart
        .configure_mesh()
        .x_desc(axis.words())
        .y_desc("miss ratio by objects, %")
        .x_label_formatter(&|&x| axis.label(x))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .y_labels(11)
        .axis_desc_style(text.clone())
        .label_style(text.clone())
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    let left = i32::try_from(WIDTH)? + 20;
    for (index, curve) in curves.iter().enumerate() {
        let look = Look::of(index);
        let points: Vec<(i32, i32)> =
            curve.points.iter().map(|&(size, ratio)| chart.backend_coord(&(size, ratio * 100.0))).collect();
        look.draw(&area, &points)?;
        let middle = i32::try_from(LEGEND_TOP + LEGEND_STEP * index)?;
        look.draw(&area, &[(left, middle), (left + SAMPLE_WIDTH, middle)])?;
        let words = (left + SAMPLE_WIDTH + 12, middle - i32::try_from(TEXT_SIZE)? / 2);
        area.draw(&Text::new(curve.name.clone(), words, text.clone()))?;
    }
    area.present()?;
    Ok(())
}

/// How one curve is told from the others.
struct Look {
    style: ShapeStyle,
    dash: (u32, u32),
    mark: usize,
}

impl Look {
    fn of(index: usize) -> Look {
        Look {
            style: COLOURS[index % COLOURS.len()].stroke_width(2),
            dash: DASHES[index % DASHES.len()],
            mark: index,
        }
    }

    /// A line through points of the picture, with a mark at each.
    fn draw(&self, area: &Area<'_>, points: &[(i32, i32)]) -> Drawn {
        match self.dash {
            (_, 0) => area.draw(&PathElement::new(points.to_vec(), self.style))?,
            (dash, gap) => {
                area.draw(&DashedPathElement::new(points.iter().copied(), dash, gap, self.style))?
            }
        }
        for &at in points {
            self.draw_mark(area, at)?;
        }
        Ok(())
    }

    fn draw_mark(&self, area: &Area<'_>, at: (i32, i32)) -> Drawn {
        let (x, y) = at;
        let white = WHITE.filled();
        let square = [(x - MARK, y - MARK), (x + MARK, y + MARK)];
        let diamond = vec![(x, y - MARK - 2), (x + MARK + 2, y), (x, y + MARK + 2), (x - MARK - 2, y)];
        match self.mark % 6 {
            0 => area.draw(&Circle::new(at, MARK, self.style.filled()))?,
            1 => {
                area.draw(&Rectangle::new(square, white))?;
                area.draw(&Rectangle::new(square, self.style))?;
            }
            2 => area.draw(&TriangleMarker::new(at, MARK + 2, self.style.filled()))?,
            3 => {
                area.draw(&Circle::new(at, MARK, white))?;
                area.draw(&Circle::new(at, MARK, self.style))?;
            }
            4 => area.draw(&Cross::new(at, MARK, self.style))?,
            _ => area.draw(&Polygon::new(diamond, self.style.filled()))?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::curve::Curve;

    #[test]
    fn a_drawing_has_its_words_as_text_and_a_mark_for_every_point() {
        let curves = vec![
            Curve { name: "one".into(), points: vec![(1.0, 0.8), (10.0, 0.5)] },
            Curve { name: "four & more".into(), points: vec![(5.0, 0.4)] },
        ];
        let mut svg = String::new();
        draw(&mut svg, Axis::Percent, &Picture { title: "A title".into(), curves }).unwrap();
        for words in ["A title", "miss ratio by objects, %", "four &amp; more", "\n10\n"] {
            assert!(svg.contains(words), "{words} is missing from\n{svg}");
        }
        // The first curve's mark: two points, and two at the ends of its sample.
        assert_eq!(svg.matches("<circle").count(), 4);
    }
}
