//! What came of a benchmark: rows, as a table for people and as JSON for programs.

mod hdr;
mod machine;
mod row;
mod table;

pub(crate) use hdr::HdrLog;
pub(crate) use machine::machine;
pub(crate) use row::{Row, Rows, Sample, Unit, median};
pub(crate) use table::{human, print};

use serde_json::{Value, json};

/// `{"machine": {...}, "rows": [...]}`.
pub(crate) fn to_json(machine: &Value, rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
    json!({ "machine": machine, "rows": rows })
}
