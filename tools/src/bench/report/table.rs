//! Rows as people read them.

use std::io::{self, Write};

use super::row::{Row, Unit};

/// Prints rows as a table, with a remark behind those that have one.
///
/// # Errors
/// When `out` takes nothing.
pub(crate) fn print(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0).max(2);
    writeln!(
        out,
        "{:width$} {:>14} {:>14} {:>7} {:>7} {:>3}",
        "id", "value", "limit", "ratio", "spread", "of"
    )?;
    for row in rows {
        let value = row.value.map_or("-".into(), |value| human(value, row.unit));
        let limit = row.limit.map_or("-".into(), |limit| human(limit, row.unit));
        let ratio = row.ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"));
        let spread = row.spread.map_or("-".into(), |spread| format!("{:.0} %", spread * 100.0));
        let line = format!(
            "{:width$} {value:>14} {limit:>14} {ratio:>7} {spread:>7} {:>3}  {}",
            row.id, row.median_of, row.note
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A value with a unit that fits it.
pub(crate) fn human(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value < 1e-3 => format!("{:.1} µs", value * 1e6),
        Unit::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
        Unit::Seconds => format!("{value:.2} s"),
        Unit::Bytes if value < 1e5 => format!("{value:.0} bytes"),
        Unit::Bytes => format!("{:.1} MB", value / 1e6),
        Unit::BytesPerSecond if value >= 1e10 => format!("{:.1} GB/s", value / 1e9),
        Unit::BytesPerSecond => format!("{:.0} MB/s", value / 1e6),
        Unit::RecordsPerSecond if value >= 1e6 => format!("{:.2} million/s", value / 1e6),
        Unit::RecordsPerSecond => format!("{value:.0} /s"),
        Unit::TripsPerSecond => format!("{value:.0} trips/s"),
        Unit::SecondsPerGb => format!("{value:.2} s/GB"),
        Unit::SecondsPerMillion => format!("{value:.2} s/million"),
        Unit::CallsPerRecord => format!("{value:.3} calls"),
        Unit::Fraction => format!("{:.0} %", value * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Sample;
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let rows = [
            Row::new("append1.p50", Unit::Seconds, &[Sample::beside(3.1e-4, 2e-4)]),
            Row::absent("slowdisk", Unit::BytesPerSecond, "no cgroup to hold the disk with"),
        ];
        let mut out = Vec::new();
        print(&rows, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "\
id                   value          limit   ratio  spread  of
append1.p50       310.0 µs       200.0 µs    1.55       -   1
slowdisk                 -              -       -       -   0  no cgroup to hold the disk with
";
        assert_eq!(text, expected);
    }

    #[test]
    fn values_have_units_that_fit() {
        for (value, unit, expected) in [
            (0.0123, Unit::Seconds, "12.30 ms"),
            (2.5, Unit::Seconds, "2.50 s"),
            (4096.0, Unit::Bytes, "4096 bytes"),
            (1.5e8, Unit::Bytes, "150.0 MB"),
            (1.234e9, Unit::BytesPerSecond, "1234 MB/s"),
            (2.05e10, Unit::BytesPerSecond, "20.5 GB/s"),
            (5.2e6, Unit::RecordsPerSecond, "5.20 million/s"),
            (0.42, Unit::Fraction, "42 %"),
        ] {
            assert_eq!(human(value, unit), expected);
        }
    }
}
