//! Words for a shell.

/// A word that a POSIX shell reads as it is.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Words as one line for a POSIX shell.
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn plain_words_stay_plain() {
        assert_eq!(command_line(["run", "--data", "/a b", "it's", ""]), r"run --data '/a b' 'it'\''s' ''");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_shell_reads_what_was_quoted(words in prop::collection::vec("[^\0\n]{0,12}", 1..5)) {
            let line = command_line(words.iter().map(String::as_str));
            let output = Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
            let read: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
            let expected: Vec<String> = words.iter().flat_map(|w| format!("{w}\n").lines().map(str::to_owned).collect::<Vec<_>>()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
