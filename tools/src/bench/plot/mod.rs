//! `bench plot`: results as a picture, of latency percentiles and of throughput over partitions.
//!
//! It takes what the other commands have written: rows as JSON, and logs of histograms, of which
//! the curves are whole. Both charts have logarithmic axes: a percentile is placed by how many
//! records lie beyond it, so that the tail, which is what matters, gets its room.

mod chart;
mod input;

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{BenchError, Result, Tried};
use super::report::Unit;
use chart::{Axis, Chart, Tick, to_svg};
use input::Input;

/// Percentiles that are marked, by how many of ten records lie within them.
const PERCENTILE_TICKS: &[(f64, &str)] = &[
    (0.0, "0 %"),
    (0.5, "50 %"),
    (0.9, "90 %"),
    (0.99, "99 %"),
    (0.999, "99.9 %"),
    (0.9999, "99.99 %"),
    (0.99999, "99.999 %"),
];

/// What to draw.
#[derive(Clone, Debug)]
pub struct Options {
    /// Results: JSON and logs of histograms.
    pub files: Vec<PathBuf>,
    /// Where the picture goes.
    pub out: PathBuf,
}

/// Draws.
///
/// # Errors
/// When a file can't be read, or nothing in them can be drawn.
pub fn run(options: &Options) -> Result<()> {
    let mut inputs = Vec::new();
    for path in &options.files {
        let text = fs::read_to_string(path).tried(|| format!("cannot read {}", path.display()))?;
        let parsed = Input::parse(&text);
        inputs.push(parsed.map_err(|why| {
            BenchError::Usage(format!("{} is no result of a benchmark: {why}", path.display()))
        })?);
    }
    let named: Vec<(String, Input)> =
        options.files.iter().map(|path| name(path)).zip(inputs).collect();
    let svg = draw(&named).ok_or_else(|| {
        BenchError::Usage("nothing to draw: no percentiles, and no rates over partitions".into())
    })?;
    fs::write(&options.out, svg).tried(|| format!("cannot write {}", options.out.display()))
}

fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    stem.to_string_lossy().into_owned()
}

fn draw(inputs: &[(String, Input)]) -> Option<String> {
    let charts: Vec<Chart> =
        [latencies(inputs), throughput(inputs)].into_iter().flatten().collect();
    (!charts.is_empty()).then(|| to_svg(&charts))
}

fn latencies(inputs: &[(String, Input)]) -> Option<Chart> {
    let mut series = Vec::new();
    for (name, input) in inputs {
        for (label, curve) in &input.curves {
            let points = curve.iter().map(|&(quantile, s)| (beyond(quantile), s)).collect();
            series.push((label_of(inputs, name, label), points));
        }
    }
    let tick =
        |&(quantile, label): &(f64, &str)| Tick { at: beyond(quantile), label: label.into() };
    let x = Axis {
        label: "share of records within".into(),
        ticks: PERCENTILE_TICKS.iter().map(tick).collect(),
    };
    let y = Axis::decades("latency", values(&series)?, Unit::Seconds);
    Some(Chart { title: "Latency".into(), x, y, series })
}

fn throughput(inputs: &[(String, Input)]) -> Option<Chart> {
    let mut series = Vec::new();
    for (name, input) in inputs.iter().filter(|(_, input)| !input.partitions.is_empty()) {
        let point = |&(count, rate): &(u32, f64)| (f64::from(count), rate);
        series.push((name.clone(), input.partitions.iter().map(point).collect::<Vec<_>>()));
    }
    let mut counts: Vec<u32> =
        inputs.iter().flat_map(|(_, input)| &input.partitions).map(|&(count, _)| count).collect();
    counts.sort_unstable();
    counts.dedup();
    let tick = |&count: &u32| Tick { at: f64::from(count), label: count.to_string() };
    let x = Axis { label: "partitions".into(), ticks: counts.iter().map(tick).collect() };
    let y = Axis::decades("records a second", values(&series)?, Unit::RecordsPerSecond);
    Some(Chart { title: "Throughput over partitions".into(), x, y, series })
}

/// How many records there are for one that lies beyond a quantile; the largest stands where the
/// last mark is.
fn beyond(quantile: f64) -> f64 {
    1.0 / (1.0 - quantile).max(1e-5)
}

/// The least and the most of all values; none without any.
fn values(series: &[(String, Vec<(f64, f64)>)]) -> Option<(f64, f64)> {
    let values = series.iter().flat_map(|(_, points)| points).map(|point| point.1);
    let positive = values.filter(|value| *value > 0.0);
    positive.fold(None, |range: Option<(f64, f64)>, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((least.min(value), most.max(value)))
    })
}

/// Where there are several files, a curve says which it is of.
fn label_of(inputs: &[(String, Input)], name: &str, label: &str) -> String {
    match inputs.len() {
        1 => label.to_owned(),
        _ => format!("{name}: {label}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = r#"{"machine": {}, "rows": [
        {"id": "produce.p50", "value": 0.0003}, {"id": "produce.p99", "value": 0.002},
        {"id": "produce.p999", "value": 0.01}, {"id": "produce.rate", "value": 5e5},
        {"id": "partitions1.rate", "value": 50000}, {"id": "partitions1000.rate", "value": 40000},
        {"id": "slowdisk", "value": null}]}"#;

    #[test]
    fn a_picture_has_both_charts_and_is_well_formed() {
        let input = Input::parse(ROWS).unwrap();
        let svg = draw(&[("a<b".into(), input)]).unwrap();
        for wanted in ["<svg ", "Latency", "99.9 %", "Throughput over partitions", "1000", "a&lt;b"]
        {
            assert!(svg.contains(wanted), "no {wanted} in {svg}");
        }
        assert_eq!(svg.matches("<polyline").count(), 2);
        // Each text opens and closes, and nothing but numbers stands in places.
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn files_without_anything_to_draw_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, out) = (folder.path().join("rows.json"), folder.path().join("plot.svg"));
        let try_it = |text: &str| {
            fs::write(&file, text).unwrap();
            run(&Options { files: vec![file.clone()], out: out.clone() })
        };
        let empty = try_it(r#"{"machine": {}, "rows": []}"#).unwrap_err();
        assert!(empty.to_string().starts_with("nothing to draw"), "{empty}");
        let noise = try_it("noise").unwrap_err();
        assert!(noise.to_string().contains("is no result of a benchmark"), "{noise}");
        assert!(!out.exists());
        try_it(ROWS).unwrap();
        assert!(out.exists());
    }
}
