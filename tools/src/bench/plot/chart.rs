//! Charts with two logarithmic axes, as SVG.
//!
//! ```text
//! title
//! |            .--'    plot: lines over a grid of marks
//! |_______.---'______
//!   marks, label
//! -- one   -- two      legend
//! ```

use std::fmt::Write;

use crate::bench::report::{Unit, human};

/// Width of a chart, and of its plot within it, in pixels.
const WIDTH: f64 = 640.0;
const PLOT: (f64, f64) = (90.0, 610.0);
/// Height of a plot.
const PLOT_HEIGHT: f64 = 300.0;
/// Above the plot: the title. Below: marks and label.
const TITLE_HEIGHT: f64 = 40.0;
const AXIS_HEIGHT: f64 = 50.0;
/// A line of the legend.
const LEGEND_HEIGHT: f64 = 18.0;
/// Colours that people with any kind of sight can tell apart.
const COLOURS: &[&str] =
    &["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
/// Of those that have a colour for the second time, and for the third.
const DASHES: &[&str] = &["none", "7 3", "2 2"];
/// Where the name of the upright axis begins.
const LABEL_X: f64 = 8.0;

/// A chart. Everything in it is positive.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

/// A logarithmic axis, from its first mark to its last.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: String,
    pub(super) ticks: Vec<Tick>,
}

/// A mark.
#[derive(Clone, Debug)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl Axis {
    /// With a mark for each power of ten around a range.
    pub(super) fn decades(label: &str, (least, most): (f64, f64), unit: Unit) -> Axis {
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        let tick = |power: i32| {
            let at = 10_f64.powi(power);
            Tick { at, label: human(at, unit) }
        };
        Axis { label: label.into(), ticks: (first..=last.max(first + 1)).map(tick).collect() }
    }

    /// Where a value lies, from 0 to 1; what lies outside is drawn at the edge.
    fn place(&self, value: f64) -> f64 {
        let (Some(first), Some(last)) = (self.ticks.first(), self.ticks.last()) else { return 0.0 };
        let span = last.at.log10() - first.at.log10();
        let along = value.log10() - first.at.log10();
        // A single mark has everything on it.
        if span > 0.0 { (along / span).clamp(0.0, 1.0) } else { 0.5 }
    }
}

impl Chart {
    fn height(&self) -> f64 {
        let legend = LEGEND_HEIGHT * self.series.len() as f64;
        TITLE_HEIGHT + PLOT_HEIGHT + AXIS_HEIGHT + legend + LEGEND_HEIGHT
    }

    fn x_at(&self, value: f64) -> f64 {
        PLOT.0 + self.x.place(value) * (PLOT.1 - PLOT.0)
    }

    fn y_at(&self, top: f64, value: f64) -> f64 {
        top + TITLE_HEIGHT + (1.0 - self.y.place(value)) * PLOT_HEIGHT
    }

    fn draw(&self, top: f64, out: &mut String) {
        text(out, (WIDTH / 2.0, top + 25.0), "middle", 16, &self.title);
        let (upper, lower) = (top + TITLE_HEIGHT, top + TITLE_HEIGHT + PLOT_HEIGHT);
        for tick in &self.x.ticks {
            let x = self.x_at(tick.at);
            line(out, (x, upper), (x, lower), "#ddd");
            text(out, (x, lower + 16.0), "middle", 11, &tick.label);
        }
        for tick in &self.y.ticks {
            let y = self.y_at(top, tick.at);
            line(out, (PLOT.0, y), (PLOT.1, y), "#ddd");
            text(out, (PLOT.0 - 6.0, y + 4.0), "end", 11, &tick.label);
        }
        text(out, ((PLOT.0 + PLOT.1) / 2.0, lower + 36.0), "middle", 12, &self.x.label);
        text(out, (LABEL_X, upper - 8.0), "start", 12, &self.y.label);
        self.draw_series(top, lower + AXIS_HEIGHT, out);
    }

    fn draw_series(&self, top: f64, legend: f64, out: &mut String) {
        for (i, (label, points)) in self.series.iter().enumerate() {
            let colour = COLOURS[i % COLOURS.len()];
            let dashes = DASHES[i / COLOURS.len() % DASHES.len()];
            let place = |&(x, y): &(f64, f64)| (self.x_at(x), self.y_at(top, y));
            let places: Vec<(f64, f64)> =
                points.iter().filter(|(x, y)| *x > 0.0 && *y > 0.0).map(place).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            put(
                out,
                format_args!(
                    "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
                     stroke-dasharray=\"{dashes}\" points=\"{}\"/>\n",
                    path.join(" ")
                ),
            );
            // Few points were measured one by one, and are shown so.
            for (x, y) in places.iter().filter(|_| places.len() < 10) {
                put(
                    out,
                    format_args!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"
                    ),
                );
            }
            let y = legend + LEGEND_HEIGHT * (i as f64 + 0.5);
            put(
                out,
                format_args!(
                    "<line x1=\"{0}\" y1=\"{y:.1}\" x2=\"{1}\" y2=\"{y:.1}\" stroke=\"{colour}\" \
                 stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>\n",
                    PLOT.0,
                    PLOT.0 + 24.0
                ),
            );
            text(out, (PLOT.0 + 30.0, y + 4.0), "start", 12, label);
        }
    }
}

/// One below the other.
pub(super) fn to_svg(charts: &[Chart]) -> String {
    let height: f64 = charts.iter().map(Chart::height).sum();
    let mut out = String::new();
    put(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        ),
    );
    let mut top = 0.0;
    for chart in charts {
        chart.draw(top, &mut out);
        top += chart.height();
    }
    out.push_str("</svg>\n");
    out
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    put(
        out,
        format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\n",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, size: u32, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(
        out,
        format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{text}\
         </text>\n"
        ),
    );
}

fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = out.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_places_powers_of_ten_evenly() {
        let axis = Axis::decades("latency", (3e-4, 0.02), Unit::Seconds);
        let labels: Vec<&str> = axis.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["100.0 µs", "1.00 ms", "10.00 ms", "100.00 ms"]);
        for (value, place) in [(1e-4, 0.0), (1e-3, 1.0 / 3.0), (0.1, 1.0), (1e-9, 0.0), (9.0, 1.0)]
        {
            assert!((axis.place(value) - place).abs() < 1e-9, "{value}");
        }
        let single =
            Axis { label: String::new(), ticks: vec![Tick { at: 7.0, label: "7".into() }] };
        assert_eq!(single.place(7.0), 0.5);
    }
}
