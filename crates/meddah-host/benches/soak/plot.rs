//! The soak as an SVG picture: memory and open files above, times to the first token below.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Row;
use crate::load::ms;

const SIZE: (u32, u32) = (900, 640);
const TEXT: (&str, i32) = ("sans-serif", 15);

/// A line: its name, its colour, and what of a row it shows.
type Line = (&'static str, RGBColor, fn(&Row) -> f64);
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// # Errors
/// There is nothing to draw, or the file cannot be written.
pub fn draw(rows: &[Row], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut picture = String::new();
    {
        let area = SVGBackend::with_string(&mut picture, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (upper, lower) = area.split_vertically(SIZE.1 / 2);
        lines(
            &upper,
            rows,
            "Memory in MB, and open files",
            [
                ("memory", BLUE, |row| row.host.memory as f64 / 1e6),
                ("open files", RGBColor(120, 120, 120), |row| row.host.files as f64),
            ],
        )?;
        lines(
            &lower,
            rows,
            "Until the first token, in ms",
            [("half of the requests", BLUE, |row| ms(row.p50)), ("99 of 100", RED, |row| ms(row.p99))],
        )?;
        area.present()?;
    }
    std::fs::write(file, picture)?;
    Ok(())
}

fn lines(
    area: &Area<'_>,
    rows: &[Row],
    title: &str,
    lines: [Line; 2],
) -> Result<(), Box<dyn std::error::Error>> {
    let minute = |row: &Row| row.at.as_secs_f64() / 60.0;
    let end = rows.last().map(minute).ok_or("no rows")?;
    let most = lines.iter().flat_map(|(_, _, of)| rows.iter().map(of)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..end, 0.0..most * 1.15)?;
    chart.configure_mesh().light_line_style(WHITE).label_style(TEXT).x_desc("minutes").draw()?;
    for (name, colour, of) in lines {
        chart
            .draw_series(LineSeries::new(
                rows.iter().map(|row| (minute(row), of(row))),
                colour.stroke_width(2),
            ))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .label_font(TEXT)
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(())
}
