//! The name of a method, in the three forms used in its sources.

/// The name used in the template's sources.
const TEMPLATE: &str = "sparse-prompt";

/// The longest name, so that no line of the sources becomes too long for the formatter.
const LONGEST: usize = 40;

/// Names used in the template's sources: a type of the same name would shadow them.
const TAKEN: &[&str] = &[
    "About",
    "Batch",
    "Clone",
    "Debug",
    "Default",
    "Err",
    "Error",
    "Host",
    "Kind",
    "Method",
    "Needs",
    "Ok",
    "Optimisation",
    "Option",
    "Options",
    "Parameter",
    "Plugin",
    "PromptLearner",
    "Result",
    "Self",
    "Some",
    "State",
    "Task",
    "Tensor",
    "ToyHost",
    "Vec",
];

/// Python's keywords and modules, and those that a method imports.
const TAKEN_IN_PYTHON: &str = include_str!("../python/taken.txt");

/// The name of a new method, as in suites and tables: lower-case words with hyphens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name: words of lower-case letters and digits joined by single hyphens, starting with a letter.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let name = Self(text.to_owned());
        if !text.split('-').all(word) || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            let expected = "must be words of lower-case letters and digits joined by hyphens, such as `my-idea`";
            return Err(format!("the name `{text}` {expected}"));
        }
        if text.len() > LONGEST {
            return Err(format!("the name `{text}` has more than {LONGEST} characters"));
        }
        if text == TEMPLATE || TAKEN.contains(&name.type_name().as_str()) {
            return Err(format!("the name `{text}` is used by the template's own sources; add a word to it"));
        }
        Ok(name)
    }

    /// The same name, if a Python module can have it: one of the standard library would be hidden by it.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it and what is expected.
    pub fn for_python(self) -> Result<Self, String> {
        if TAKEN_IN_PYTHON.lines().any(|taken| taken == self.0) {
            return Err(format!("`{}` is a word or a module of Python; add a word to the name", self.0));
        }
        Ok(self)
    }

    /// As in suites and tables: `my-idea`.
    pub fn kebab(&self) -> &str {
        &self.0
    }

    /// As in the file names of libraries: `my_idea`.
    pub fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As a type of Rust: `MyIdea`.
    pub fn type_name(&self) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        self.0.split('-').map(capital).collect()
    }

    /// Text of the template with this name in place of the template's, in all three forms.
    pub(crate) fn put_into(&self, text: &str) -> String {
        let template = Self(TEMPLATE.to_owned());
        text.replace(template.kebab(), self.kebab())
            .replace(&template.snake(), &self.snake())
            .replace(&template.type_name(), &self.type_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_forms() {
        let name = Name::parse("kg-coop2").unwrap();
        assert_eq!(
            (name.kebab(), name.snake().as_str(), name.type_name().as_str()),
            ("kg-coop2", "kg_coop2", "KgCoop2")
        );
        assert_eq!(name.put_into("sparse-prompt sparse_prompt SparsePrompt"), "kg-coop2 kg_coop2 KgCoop2");
    }

    #[test]
    fn names_that_would_not_build_are_refused() {
        let long = "a".repeat(41);
        for refused in ["", "MyIdea", "my_idea", "2-fold", "a--b", "-a", "a-", "../x", "é", "method", "self", &long] {
            assert!(Name::parse(refused).is_err(), "{refused}");
        }
        assert_eq!(
            Name::parse("My Idea").unwrap_err(),
            "the name `My Idea` must be words of lower-case letters and digits joined by hyphens, such as `my-idea`"
        );
    }
}
