//! The curve of a plan as an SVG picture: how long the first word takes, by players at once on one machine.

use std::path::Path;
use std::time::Duration;

use plotters::prelude::*;

use super::PlanError;
use super::machines::{CurvePoint, Plan};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 540);
const TEXT: (&str, i32) = ("sans-serif", 15);
/// The vertical axis goes this far beyond the target, since times explode when a machine is full.
const TARGETS_SHOWN: f64 = 4.0;

type Percentile = (&'static str, RGBColor, fn(&CurvePoint) -> Duration);

/// Draws it to a file, which is replaced if it exists.
///
/// # Errors
/// The file cannot be written.
pub fn plot(plan: &Plan, path: &Path) -> Result<(), PlanError> {
    let mut picture = String::new();
    let failed = |reason: String| PlanError::Plot { path: path.display().to_string(), reason };
    draw(plan, &mut picture).map_err(|error| failed(error.to_string()))?;
    std::fs::write(path, picture).map_err(|error| failed(error.to_string()))
}

fn draw(plan: &Plan, picture: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let target = plan.input.target.first_token_ms as f64 / 1e3;
    let players_max = plan.curve.last().map_or(1, |point| point.players.max(1));
    let area = SVGBackend::with_string(picture, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Until the first word, by players at once on one machine", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0..players_max, 0.0..target * TARGETS_SHOWN)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style(TEXT)
        .axis_desc_style(TEXT)
        .x_desc("players at once")
        .y_desc("seconds; longer ones are drawn at the top")
        .draw()?;
    let percentiles: [Percentile; 3] = [
        ("half of the requests", BLUE, |point| point.first_token.p50),
        ("95 of 100", RGBColor(200, 120, 0), |point| point.first_token.p95),
        ("99 of 100", RED, |point| point.first_token.p99),
    ];
    for (name, colour, of) in percentiles {
        let line = plan.curve.iter().map(|point| (point.players, of(point).as_secs_f64()));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .draw_series(LineSeries::new([(0, target), (players_max, target)], BLACK.stroke_width(1)))?
        .label("target for 95 of 100")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], BLACK.stroke_width(1)));
    chart
        .configure_series_labels()
        .label_font(TEXT)
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    drop(chart);
    area.present()?;
    Ok(())
}
