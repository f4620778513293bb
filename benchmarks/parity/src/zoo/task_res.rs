//! `taskres`: `trainers/taskres.py` of geekyutao/TaskRes.

use super::file::{Case, File};
use super::subject::Subject;
use nemesis_core::method::templates::SEVEN;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value};

/// A residual on each class's text features.
#[derive(Debug)]
pub(super) struct TaskRes;

/// The templates of a case, the data set's own last.
fn templates(case: &Case) -> Result<Vec<&str>> {
    let listed = case.setting("templates")?.as_array();
    let texts: Option<Vec<&str>> = listed.and_then(|all| all.iter().map(Value::as_str).collect());
    texts
        .filter(|texts| !texts.is_empty())
        .ok_or_else(|| Error::new(format!("`templates` of case {} are not a list of templates", case.id)))
}

impl Subject for TaskRes {
    fn files(&self) -> &'static [&'static str] {
        &["taskres"]
    }

    fn method(&self) -> &'static str {
        "task-res"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let all = templates(case)?;
        let named = match all.as_slice() {
            [_] => "single".into(),
            [seven @ .., _] if *seven == SEVEN => "ensemble-8".into(),
            _ => Value::from(all),
        };
        let scale = case.setting("residual_scale")?.clone();
        Ok(Map::from_iter([("residual_scale".to_owned(), scale), ("templates".to_owned(), named)]))
    }

    fn template(&self, case: &Case) -> Result<String> {
        Ok(templates(case)?.last().copied().unwrap_or_default().to_owned())
    }

    /// Underscores stay.
    fn class_names(&self, file: &File) -> Vec<String> {
        file.class_names.clone()
    }
}
