//! Tables for people: columns that line up, numbers to the right.

/// Appends a table, a line a row, `heads` first.
pub(super) fn push<const N: usize>(text: &mut String, heads: [&str; N], rows: &[[String; N]]) {
    let heads = heads.map(str::to_owned);
    let width =
        |column: usize| rows.iter().chain([&heads]).map(|row| row[column].len()).max().unwrap_or(0);
    let is_number = |cell: &str| cell == "-" || cell.parse::<i64>().is_ok();
    let right = |column: usize| rows.iter().all(|row| is_number(&row[column]));
    for row in [&heads].into_iter().chain(rows) {
        let cells = row.iter().enumerate().map(|(column, cell)| match right(column) {
            true => format!("{cell:>0$}", width(column)),
            false => format!("{cell:<0$}", width(column)),
        });
        *text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let rows = [["a".into(), "7".into(), "x".into()], ["bcd".into(), "-".into(), "yz".into()]];
        let mut text = String::new();
        super::push(&mut text, ["name", "lag", "by"], &rows);
        assert_eq!(text, "name  lag  by\na       7  x\nbcd     -  yz\n");
    }
}
