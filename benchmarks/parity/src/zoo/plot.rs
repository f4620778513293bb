//! `plot`: `plot-coop/trainers/plot.py` of CHENGY12/PLOT; `plot_nemesis_repo` and `plot_nemesis`: `trainers/plot.py` and
//! `trainers/plot_nemesis.py` of ShyFoo/Nemesis.

use super::compare::{Comparison, numbers, reported};
use super::file::{Case, Traced};
use super::replay::Drawn;
use super::subject::{Subject, context_options};
use crate::check::differing;
use crate::fixtures::Tensors;
use nemesis_core::{Error, Result};
use serde_json::{Map, Value, json};

/// Several contexts and optimal transport, as its authors have it.
#[derive(Debug)]
pub(super) struct Plot;

/// The same as the authors of Nemesis have it, with and without their losses.
#[derive(Debug)]
pub(super) struct PlotNemesis;

/// The options that all three files have.
fn options(case: &Case, variant: &str) -> Result<Map<String, Value>> {
    let mut options = context_options(case)?;
    let sinkhorn = |name: &str| {
        let value = case.setting("sinkhorn")?.get(name).cloned();
        value.ok_or_else(|| Error::new(format!("`sinkhorn` of case {} has no `{name}`", case.id)))
    };
    options.extend([
        ("prompts".to_owned(), case.setting("N")?.clone()),
        ("csc".to_owned(), json!(case.flag("csc"))),
        ("class_position".to_owned(), case.setting("pos")?.clone()),
        ("variant".to_owned(), json!(variant)),
        ("epsilon".to_owned(), sinkhorn("eps")?),
        ("rounds".to_owned(), sinkhorn("max_iter")?),
        ("threshold".to_owned(), sinkhorn("threshold")?),
    ]);
    Ok(options)
}

impl Subject for Plot {
    fn files(&self) -> &'static [&'static str] {
        &["plot"]
    }

    fn method(&self) -> &'static str {
        "plot"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = options(case, "plot")?;
        options.insert("global".to_owned(), json!(case.text("dataset") == Some("ImageNet")));
        Ok(options)
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[("cross_entropy", "cross_entropy")]
    }
}

impl Subject for PlotNemesis {
    fn files(&self) -> &'static [&'static str] {
        &["plot_nemesis", "plot_nemesis_repo"]
    }

    fn method(&self) -> &'static str {
        "plot"
    }

    fn options(&self, case: &Case) -> Result<Map<String, Value>> {
        let mut options = options(case, "nemesis")?;
        if case.setting("beta").is_err() {
            return Ok(options);
        }
        // The data sets that the authors' code excepts by name.
        let excepted = matches!(case.text("dataset"), Some("Food101" | "OxfordPets"));
        options.insert("norm_loss".to_owned(), json!(if uniform(case)? { "pen" } else { "pan" }));
        for (ours, theirs) in [("alpha", "a"), ("norm", "nt"), ("positions", "np"), ("tau", "cw"), ("beta", "beta")] {
            options.insert(ours.to_owned(), case.setting(theirs)?.clone());
        }
        if excepted {
            options.insert("omega".to_owned(), json!("none"));
            options.insert("alpha_pan".to_owned(), json!(50.0));
        }
        Ok(options)
    }

    fn parts(&self) -> &'static [(&'static str, &'static str)] {
        &[("cross_entropy", "cross_entropy")]
    }

    /// Positions of `randomK` are drawn by Python's generator: they are those with a coefficient in the trace.
    fn drawn(&self, case: &Case, _golden: &Tensors) -> Result<Option<Drawn>> {
        if !case.text("np").is_some_and(|positions| positions.starts_with("random")) {
            return Ok(None);
        }
        let positions = case.trace.iter().map(|traced| {
            let alphas = alphas(traced).into_iter().enumerate();
            alphas.filter(|(_, alpha)| *alpha != 0.0).map(|(position, _)| position).collect()
        });
        Ok(Some(Drawn { vectors: case.number("n_ctx")? as usize, positions: positions.collect(), ..Drawn::default() }))
    }

    fn compare(&self, case: &Case, comparison: &mut Comparison<'_>) {
        let Ok(beta) = case.number("beta") else { return };
        comparison.trace_of("norm loss", |traced| norm_loss(traced, beta), |step| reported(step, "norm_loss"));
        if uniform(case).unwrap_or(false) {
            return;
        }
        comparison.exact("alpha", |taken| {
            let steps = taken.steps.iter().zip(&case.trace);
            let differing = steps.map(|(step, traced)| Ok(differing(&numbers(step, "alpha")?, &alphas(traced))));
            Ok(differing.collect::<Result<Vec<_>>>()?.into_iter().sum())
        });
    }
}

/// Whether the case has the position-uniform loss only.
fn uniform(case: &Case) -> Result<bool> {
    Ok(case.number("beta")? >= 1.0)
}

/// The norm loss without its weight by epoch: the authors log its terms.
fn norm_loss(traced: &Traced, beta: f64) -> Option<f64> {
    match *traced.numbers("norm_terms")?.as_slice() {
        [only] => Some(only),
        [uniform, aware] => Some(beta * uniform + (1.0 - beta) * aware),
        _ => None,
    }
}

/// The coefficient of each position.
fn alphas(traced: &Traced) -> Vec<f64> {
    (0..).map_while(|position| traced.number(&[&format!("alpha_{position}")])).collect()
}
