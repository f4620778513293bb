//! Lists as text: a line of headings, and a line for each picture.

use super::columns::{Columns, refuse_ignored_split};
use nemesis_core::dataset::{Picture, Pictures};
use nemesis_core::{Error, Result, files};
use std::collections::HashMap;
use std::path::Path;

/// Reads a list whose fields are apart by `delimiter`.
pub(super) fn read(file: &Path, images: &Path, label: Option<&str>, delimiter: u8) -> Result<Pictures> {
    let text = files::read_text(file)?;
    check_quotes(&text, char::from(delimiter)).map_err(|e| e.at(file))?;
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|e| malformed(file, &e))?.clone();
    let headings: Vec<&str> = headings.iter().collect();
    let mut columns = Columns::find(&headings, label).map_err(|e| e.at(file).line(1))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut all: Vec<Picture> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| malformed(file, &e))?;
        let line = row.position().map_or(0, |position| position.line() as usize);
        let place = |error: Error| error.at(file).line(line);
        let picture = columns.picture(&row.iter().collect::<Vec<_>>(), images).map_err(place)?;
        if let Some(first) = lines.insert(picture.path.clone(), line) {
            return Err(place(Error::new(format!("`{}` is on line {first} already", picture.path)))
                .expected("each picture once: it has one class and one split"));
        }
        all.push(picture);
        if !columns.has_split() {
            rows.push(row.iter().map(|field| field.trim().to_owned()).collect());
        }
    }
    if all.is_empty() {
        return Err(Error::new("the list names no picture").at(file));
    }
    let remark = refuse_ignored_split(&headings, &columns, &rows).map_err(|e| e.at(file).line(1))?;
    Ok(Pictures { all, remarks: remark.map(|remark| remark.at(file)).into_iter().collect() })
}

/// Refuses quotes by which the `csv` crate would take rows for part of a field: one that is not closed, or has a line break
/// before it is, and one that is closed before the field ends.
fn check_quotes(text: &str, delimiter: char) -> Result<()> {
    const HELP: &str =
        "a field in quotes has none inside but doubled ones (`\"\"`); take out a quote that stands for inches";
    let mut characters = text.trim_start_matches('\u{feff}').chars().peekable();
    let (mut line, mut at_start) = (1, true);
    while let Some(c) = characters.next() {
        if !(at_start && c == '"') {
            at_start = c == delimiter || c == '\n' || c == '\r';
            line += usize::from(c == '\n');
            continue;
        }
        loop {
            match characters.next() {
                Some('"') if characters.peek() == Some(&'"') => _ = characters.next(),
                Some('"') => break,
                Some('\n' | '\r') => {
                    return Err(Error::new("a field in quotes goes on behind the end of its line")
                        .line(line)
                        .expected("a closing quote")
                        .help(HELP));
                }
                Some(_) => {}
                None => return Err(Error::new("a quote is not closed").line(line).help(HELP)),
            }
        }
        if let Some(next) = characters.peek().filter(|next| ![delimiter, '\n', '\r'].contains(next)) {
            return Err(Error::new(format!("`{next}` stands behind a closing quote")).line(line).help(HELP));
        }
        at_start = false;
    }
    Ok(())
}

fn malformed(file: &Path, error: &csv::Error) -> Error {
    let line = error.position().map(|position| position.line() as usize);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("the line has {len} fields, and the first line {expected_len}")
        }
        _ => format!("the list cannot be read: {error}"),
    };
    let error = Error::new(what).at(file).help("put a field that holds the delimiter in double quotes");
    line.into_iter().fold(error, Error::line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_would_take_rows_for_a_field_are_refused() {
        let refused = |text: &str| check_quotes(text, ',').unwrap_err().to_string();
        insta::assert_snapshot!(refused("path,label,note\na.png,cat,\nb.png,cat,\"about 5 cm\nc.png,cat,\n"), @r#"
        a field in quotes goes on behind the end of its line
          expected: a closing quote
          help: a field in quotes has none inside but doubled ones (`""`); take out a quote that stands for inches
        "#);
        insta::assert_snapshot!(refused("path,label\na.png,\"cat"), @r#"
        a quote is not closed
          help: a field in quotes has none inside but doubled ones (`""`); take out a quote that stands for inches
        "#);
        insta::assert_snapshot!(refused("path,label\na.png,\"cat\" red"), @r#"
        ` ` stands behind a closing quote
          help: a field in quotes has none inside but doubled ones (`""`); take out a quote that stands for inches
        "#);
        for fine in ["a,b\n\"x, y\",\"say \"\"hi\"\"\"\r\n5\" x,\"\"\n", "", "\u{feff}\"a\",b", "a,b\rc,\"d\""] {
            check_quotes(fine, ',').unwrap();
        }
    }
}
