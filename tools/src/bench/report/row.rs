//! A result beside its limit.

use serde_json::{Value, json};

use crate::bench::times::{PERCENTILES, Times};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
    BytesPerSecond,
    RecordsPerSecond,
    TripsPerSecond,
    /// Seconds of a processor for 10^9 bytes.
    SecondsPerGb,
    /// Seconds of a processor for 10^6 records.
    SecondsPerMillion,
    CallsPerRecord,
    Fraction,
}

impl Unit {
    /// As JSON calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "s",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes/s",
            Unit::RecordsPerSecond => "records/s",
            Unit::TripsPerSecond => "trips/s",
            Unit::SecondsPerGb => "s/GB",
            Unit::SecondsPerMillion => "s/million records",
            Unit::CallsPerRecord => "calls/record",
            Unit::Fraction => "fraction",
        }
    }
}

/// One run's value, and the limit that was measured beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) value: f64,
    pub(crate) limit: Option<f64>,
}

impl Sample {
    /// Beside a limit.
    pub(crate) fn beside(value: f64, limit: f64) -> Sample {
        Sample { value, limit: Some(limit) }
    }

    /// Where nothing limits it.
    pub(crate) fn alone(value: f64) -> Sample {
        Sample { value, limit: None }
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// None if it could not be measured; then `note` says why.
    pub(crate) value: Option<f64>,
    pub(crate) unit: Unit,
    pub(crate) limit: Option<f64>,
    /// The median of the runs' ratios, each within one run.
    pub(crate) ratio: Option<f64>,
    pub(crate) median_of: usize,
    /// The largest value less the smallest, as a share of the median; none of a single run.
    pub(crate) spread: Option<f64>,
    /// A remark for whoever reads the table.
    pub(crate) note: String,
}

impl Row {
    /// The medians of some runs.
    pub(crate) fn new(id: impl Into<String>, unit: Unit, samples: &[Sample]) -> Row {
        let values: Vec<f64> = samples.iter().map(|sample| sample.value).collect();
        let limits: Vec<f64> = samples.iter().filter_map(|sample| sample.limit).collect();
        let with_limit = |sample: &Sample| sample.limit.map(|limit| sample.value / limit);
        let ratios: Vec<f64> = samples.iter().filter_map(with_limit).collect();
        let value = median(&values);
        let (least, most) = values
            .iter()
            .fold((f64::MAX, f64::MIN), |(least, most), value| (value.min(least), value.max(most)));
        let spread = (samples.len() > 1 && value != Some(0.0))
            .then(|| value.map(|value| (most - least) / value));
        Row {
            id: id.into(),
            value,
            unit,
            limit: median(&limits),
            ratio: median(&ratios),
            median_of: samples.len(),
            spread: spread.flatten(),
            note: String::new(),
        }
    }

    /// A row that can't be measured here, and why.
    pub(crate) fn absent(id: impl Into<String>, unit: Unit, why: impl Into<String>) -> Row {
        Row { note: why.into(), ..Row::new(id, unit, &[]) }
    }

    /// The same with a remark.
    pub(crate) fn with_note(self, note: impl Into<String>) -> Row {
        Row { note: note.into(), ..self }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut row = json!({
            "id": self.id,
            "value": self.value,
            "unit": self.unit.name(),
            "limit": self.limit,
            "ratio": self.ratio,
            "median_of": self.median_of,
            "spread": self.spread,
        });
        if self.value.is_none() {
            row["reason"] = json!(self.note);
        }
        row
    }
}

/// The middle value, or the mean of the two in the middle; none of none.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        len if len % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Samples of several runs, by the row that they belong to, in the order of their first one.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Collected>);

#[derive(Debug)]
struct Collected {
    id: String,
    unit: Unit,
    samples: Vec<Sample>,
    note: String,
}

impl Rows {
    /// None yet.
    pub(crate) fn new() -> Rows {
        Rows::default()
    }

    /// Adds what one run gave for a row.
    pub(crate) fn add(&mut self, id: impl Into<String>, unit: Unit, sample: Sample) {
        let id = id.into();
        match self.0.iter_mut().find(|row| row.id == id) {
            Some(row) => row.samples.push(sample),
            None => self.0.push(Collected { id, unit, samples: vec![sample], note: String::new() }),
        }
    }

    /// Adds a row that can't be measured here, and why.
    pub(crate) fn add_absent(&mut self, id: &str, unit: Unit, why: String) {
        self.0.push(Collected { id: id.to_owned(), unit, samples: Vec::new(), note: why });
    }

    /// Whether there is such a row.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|row| row.id == id)
    }

    /// Adds another's rows.
    pub(crate) fn append(&mut self, mut other: Rows) {
        self.0.append(&mut other.0);
    }

    /// The rows whose ids do not begin with `prefix`.
    pub(crate) fn without(mut self, prefix: &str) -> Rows {
        self.0.retain(|row| !row.id.starts_with(prefix));
        self
    }

    /// Adds the percentiles of one run, as `ID.p50` and so on; `limit` gives each one's.
    pub(crate) fn add_percentiles(
        &mut self,
        id: &str,
        times: &Times,
        limit: impl Fn(f64) -> Option<f64>,
    ) {
        for (name, quantile) in PERCENTILES {
            let sample = Sample { value: times.at(*quantile), limit: limit(*quantile) };
            self.add(format!("{id}.{name}"), Unit::Seconds, sample);
        }
    }

    /// Says something about a row that was added to.
    pub(crate) fn note(&mut self, id: &str, note: impl Into<String>) {
        if let Some(row) = self.0.iter_mut().find(|row| row.id == id) {
            row.note = note.into();
        }
    }

    /// The rows.
    pub(crate) fn finish(self) -> Vec<Row> {
        let row = |row: Collected| Row::new(row.id, row.unit, &row.samples).with_note(row.note);
        self.0.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_has_the_medians_and_the_ratio_is_of_one_run() {
        let samples = [(10.0, 100.0), (30.0, 40.0), (20.0, 50.0)];
        let samples = samples.map(|(value, limit)| Sample::beside(value, limit));
        let row = Row::new("produce1k", Unit::BytesPerSecond, &samples);
        assert_eq!((row.value, row.limit, row.ratio), (Some(20.0), Some(50.0), Some(0.4)));
        assert_eq!((row.median_of, row.spread), (3, Some(1.0)));
        let even = Row::new("even", Unit::Seconds, &[Sample::alone(1.0), Sample::alone(4.0)]);
        assert_eq!((even.value, even.limit, even.ratio), (Some(2.5), None, None));
    }

    #[test]
    fn json_has_every_field_and_says_why_where_there_is_no_value() {
        let row = Row::new("append1.p50", Unit::Seconds, &[Sample::beside(3e-4, 2e-4)]);
        let expected = json!({
            "id": "append1.p50", "value": 3e-4, "unit": "s", "limit": 2e-4,
            "ratio": 3e-4 / 2e-4, "median_of": 1, "spread": null,
        });
        assert_eq!(row.to_json(), expected);
        let absent = Row::absent("slowdisk", Unit::BytesPerSecond, "no cgroup").to_json();
        assert_eq!(absent["value"], Value::Null);
        assert_eq!((&absent["reason"], &absent["median_of"]), (&json!("no cgroup"), &json!(0)));
    }

    #[test]
    fn percentiles_of_several_runs_are_rows_of_their_own() {
        let mut rows = Rows::new();
        for ms in [1, 2, 3] {
            let mut times = Times::new();
            times.add(Duration::from_millis(ms));
            rows.add_percentiles("produce", &times, |_| None);
        }
        rows.note("produce.p99", "remarkable");
        let rows = rows.finish();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let wanted = ["p50", "p90", "p99", "p999", "p9999", "max"].map(|p| format!("produce.{p}"));
        assert_eq!(ids, wanted);
        let p99 = &rows[2];
        assert_eq!((p99.median_of, p99.note.as_str()), (3, "remarkable"));
        assert!(p99.value.is_some_and(|value| (value - 0.002).abs() < 1e-5), "{p99:?}");
    }
}
