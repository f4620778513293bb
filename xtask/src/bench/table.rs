//! The table of ratios, in Markdown, ready to go into a page.

use super::measure::{Limit, Sides};
use super::rows::{Agreement, Row};
use std::fmt::Write;

const HEAD: &str = "\
| work | PyTorch | nemesis | faster | wanted | PyTorch's peak | nemesis' peak | results differ by |
|---|--:|--:|--:|---|--:|--:|--:|
";

/// The table, how it was measured, and the machine's limit if it was asked for.
pub(super) fn render(rows: &[Row], sides: &Sides) -> String {
    let mut text = body(rows);
    let (runs, threads) = (sides.runs, sides.threads);
    let runs = if runs == 1 { "One run".to_owned() } else { format!("Medians of {runs} runs in turn") };
    let threads = if threads == 1 { "one thread".to_owned() } else { format!("{threads} threads") };
    let _ = writeln!(text, "\n{runs}, {threads} on each side; {}.", sides.machine);
    text + &limits(rows)
}

fn body(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        let ours = median(&row.ours.seconds);
        let theirs = row.theirs.as_ref().map(|side| median(&side.seconds));
        let their_peak = row.theirs.as_ref().map_or(f64::NAN, |side| median(&side.memory));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.work,
            theirs.map_or(ABSENT.to_owned(), time),
            time(ours),
            theirs.map_or(ABSENT.to_owned(), |theirs| format!("{:.1}×", theirs / ours)),
            row.wanted,
            memory(their_peak),
            memory(median(&row.ours.memory)),
            agreement(row),
        );
    }
    text
}

fn limits(rows: &[Row]) -> String {
    let mut text = String::new();
    for (row, limit) in rows.iter().filter_map(|row| row.limit.map(|limit| (row, limit))) {
        let Limit { operations_per_second, seconds } = limit;
        let _ = writeln!(
            text,
            "{}: at {:.0} GFLOP/s, the rate of matrix products, its operations take {}, and it takes {:.2}× that.",
            row.work,
            operations_per_second / 1e9,
            time(seconds),
            median(&row.ours.seconds) / seconds
        );
    }
    text
}

const ABSENT: &str = "–";

fn agreement(row: &Row) -> String {
    let warning = if row.agree() { "" } else { " (too much)" };
    match row.agreement {
        Agreement::Losses(difference) => format!("{difference:.1e}{warning}"),
        Agreement::Pixels(true) => "nothing".to_owned(),
        Agreement::Pixels(false) => format!("some pixels{warning}"),
        Agreement::Nothing => ABSENT.to_owned(),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.1} µs", s * 1e6),
        s => format!("{:.0} ns", s * 1e9),
    }
}

fn memory(bytes: f64) -> String {
    if bytes.is_nan() { ABSENT.to_owned() } else { format!("{:.2} GB", bytes / 1e9) }
}

/// The median; not a number if there are none.
fn median(numbers: &[f64]) -> f64 {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(f64::total_cmp);
    // Of an even number, the two in the middle.
    let middle = |at: usize| numbers.get(at).copied().unwrap_or(f64::NAN);
    f64::midpoint(middle(numbers.len().saturating_sub(1) / 2), middle(numbers.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::super::rows::Side;
    use super::*;

    fn side(seconds: &[f64], memory: &[f64]) -> Side {
        Side { seconds: seconds.to_vec(), memory: memory.to_vec() }
    }

    #[test]
    fn medians_and_ratios() {
        assert!((median(&[1.0, 4.0, 2.0, 9.0]) - 3.0).abs() < 1e-12 && median(&[]).is_nan());
        let text = Row {
            work: "text tower".to_owned(),
            wanted: "≥ 15×",
            theirs: Some(side(&[10.0, 12.0, 11.0], &[4e9; 3])),
            ours: side(&[0.5, 9.0, 0.4], &[1e9; 3]),
            agreement: Agreement::Losses(3.2e-7),
            limit: Some(Limit { operations_per_second: 2e11, seconds: 0.25 }),
        };
        let other = Row { agreement: Agreement::Losses(2e-4), limit: None, ..text.clone() };
        let alone = Row {
            work: "plugin".to_owned(),
            wanted: "≤ 1 µs",
            theirs: None,
            ours: side(&[7.7e-8], &[]),
            agreement: Agreement::Nothing,
            limit: None,
        };
        let rows = [text, other, alone];
        insta::assert_snapshot!(body(&rows), @r"
        | work | PyTorch | nemesis | faster | wanted | PyTorch's peak | nemesis' peak | results differ by |
        |---|--:|--:|--:|---|--:|--:|--:|
        | text tower | 11.00 s | 500.0 ms | 22.0× | ≥ 15× | 4.00 GB | 1.00 GB | 3.2e-7 |
        | text tower | 11.00 s | 500.0 ms | 22.0× | ≥ 15× | 4.00 GB | 1.00 GB | 2.0e-4 (too much) |
        | plugin | – | 77 ns | – | ≤ 1 µs | – | – | – |
        ");
        insta::assert_snapshot!(limits(&rows), @"text tower: at 200 GFLOP/s, the rate of matrix products, its operations take 250.0 ms, and it takes 2.00× that.");
    }
}
