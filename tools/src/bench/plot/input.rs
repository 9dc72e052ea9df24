//! What other commands have written, as curves.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::bench::times::PERCENTILES;

/// Points of a curve between two marks of its axis, a factor of ten apart.
const POINTS_A_DECADE: u32 = 20;
/// Factors of ten that a curve covers.
const DECADES: u32 = 5;

/// The contents of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Input {
    /// Latencies: quantiles and seconds, by what they are of.
    pub(super) curves: Vec<(String, Vec<(f64, f64)>)>,
    /// Records a second by the number of partitions, in order.
    pub(super) partitions: Vec<(u32, f64)>,
}

impl Input {
    /// Reads rows or a log of histograms.
    ///
    /// # Errors
    /// With what it is not.
    pub(super) fn parse(text: &str) -> Result<Input, String> {
        match text.trim_start().chars().next() {
            Some('{') => Input::of_rows(text),
            Some('#' | 'T' | '"') => Input::of_log(text),
            _ => Err("neither JSON nor a log of histograms".into()),
        }
    }

    fn of_rows(text: &str) -> Result<Input, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rows = json["rows"].as_array().ok_or("it has no rows")?;
        let mut input = Input::default();
        for row in rows {
            let (Some(id), Some(value)) = (row["id"].as_str(), row["value"].as_f64()) else {
                continue;
            };
            let Some((name, figure)) = id.rsplit_once('.') else { continue };
            let count = name.strip_prefix("partitions").and_then(|count| count.parse().ok());
            match (figure, count) {
                ("rate", Some(count)) => input.partitions.push((count, value)),
                _ => input.add_percentile(name, figure, value),
            }
        }
        // Two points are no curve.
        input.curves.retain(|(_, curve)| curve.len() > 2);
        input.partitions.sort_by_key(|&(count, _)| count);
        Ok(input)
    }

    fn add_percentile(&mut self, name: &str, figure: &str, value: f64) {
        let Some((_, quantile)) = PERCENTILES.iter().find(|(known, _)| *known == figure) else {
            return;
        };
        match self.curves.iter_mut().find(|(known, _)| known == name) {
            Some((_, curve)) => curve.push((*quantile, value)),
            None => self.curves.push((name.to_owned(), vec![(*quantile, value)])),
        }
    }

    /// Several histograms of one tag are those of its rounds.
    fn of_log(text: &str) -> Result<Input, String> {
        let mut all: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
        let mut deserializer = Deserializer::new();
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            let entry = entry.map_err(|error| format!("a bad line: {error:?}"))?;
            let LogEntry::Interval(interval) = entry else { continue };
            let tag = interval.tag().map_or("", |tag| tag.as_str()).to_owned();
            let bytes = BASE64_STANDARD.decode(interval.encoded_histogram());
            let bytes = bytes.map_err(|error| error.to_string())?;
            let histogram = deserializer.deserialize(&mut &bytes[..]);
            let histogram: Histogram<u64> = histogram.map_err(|error| format!("{error:?}"))?;
            match all.get_mut(&tag) {
                Some(known) => known.add(&histogram).map_err(|error| format!("{error:?}"))?,
                None => drop(all.insert(tag, histogram)),
            }
        }
        let curves = all.iter().map(|(tag, histogram)| (tag.clone(), curve(histogram))).collect();
        Ok(Input { curves, partitions: Vec::new() })
    }
}

/// As far as there are records to tell one point from the next.
fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let steps = 0..=DECADES * POINTS_A_DECADE;
    let beyond = steps.map(|step| 10_f64.powf(f64::from(step) / f64::from(POINTS_A_DECADE)));
    let told = beyond.take_while(|beyond| *beyond <= histogram.len() as f64);
    let quantiles = told.map(|beyond| 1.0 - 1.0 / beyond);
    quantiles.map(|q| (q, histogram.value_at_quantile(q) as f64 / 1e9)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::report::HdrLog;
    use crate::bench::times::Times;

    #[test]
    fn rows_are_curves_and_points() {
        let rows = r#"{"rows": [{"id": "a.p50", "value": 1.0}, {"id": "a.p99", "value": 2.0},
            {"id": "a.max", "value": 3.0}, {"id": "b.p50", "value": 1.0}, {"id": "c", "value": 1},
            {"id": "partitions100.rate", "value": 7}, {"id": "partitions10.rate", "value": 8}]}"#;
        let input = Input::parse(rows).unwrap();
        assert_eq!(input.curves, [("a".to_owned(), vec![(0.5, 1.0), (0.99, 2.0), (1.0, 3.0)])]);
        assert_eq!(input.partitions, [(10, 8.0), (100, 7.0)]);
    }

    #[test]
    fn histograms_of_one_tag_are_one_curve() {
        let mut log = HdrLog::default();
        for ms in [1, 3] {
            let mut times = Times::new();
            times.add_many(Duration::from_millis(ms), 500);
            log.add("paced", &times);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        log.write(file.path()).unwrap();
        let input = Input::parse(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
        let [(tag, curve)] = &input.curves[..] else { panic!("{input:?}") };
        assert_eq!(tag, "paced");
        let ms: Vec<u64> = curve.iter().map(|point| (point.1 * 1e3).round() as u64).collect();
        assert_eq!((ms[0], ms[ms.len() - 1]), (1, 3));
        let last = curve[curve.len() - 1].0;
        assert!((0.998..=0.9991).contains(&last), "1,000 records tell no more: {last}");
    }

    #[test]
    fn noise_is_told() {
        for noise in ["", "noise", "{", "{}", "#x\nTag=a,1,2,3,####\n"] {
            assert!(Input::parse(noise).is_err(), "{noise:?}");
        }
    }
}
