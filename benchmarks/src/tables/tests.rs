//! Snapshots of one made-up table in every format: a failed run, a missing one, a collapsed one, mixed provenance.

mod drawn;

use super::formats::{Csv, Format, Html, Json, Latex, Markdown, Terminal, write_all};
use super::kinds::{Ablation, FewShot};
use super::*;
use nemesis_core::Error;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::{
    BackboneKey, Cell, Corruption, CorruptionKind, Evaluated, EvaluationCell, MethodKey, Provenance, Store, Subject,
    TrainingCell,
};
use nemesis_core::seeds::Seeds;
use nemesis_core::shots::ALL_SHOTS;
use serde_json::{Map, json};
use std::collections::BTreeMap;

fn contents() -> Contents {
    Contents {
        title: "Few-shot classification".into(),
        datasets: vec![("eurosat".into(), "EuroSAT".into()), ("dtd".into(), "DTD".into())],
        methods: ["CoOp", "Nemesis-PEN"].map(MethodColumn::plain).into(),
        shots: vec![1, 16],
        seeds: [1, 2, 3].map(Seeds::from).to_vec(),
        zero_shot: vec!["Zero-shot".into()],
        remarks: vec!["Alpha is 1, which the authors' code leaves open.".into()],
        published: Vec::new(),
    }
}

fn zero_shot() -> Place {
    Place::ZeroShot { label: "Zero-shot".into() }
}

fn protocol() -> Map<String, serde_json::Value> {
    json!({ "name": "mini" }).as_object().unwrap().clone()
}

fn training(dataset: &str, method: &str, shots: u32, seed: u64) -> TrainingCell {
    TrainingCell {
        dataset: dataset.into(),
        manifest: "m".into(),
        images: "m".into(),
        classes: ClassSubset::All,
        method: MethodKey { id: method.into(), options: Map::new(), source: "s".into() },
        backbone: BackboneKey { weights: "w".into(), assumed: None },
        shots,
        seed,
        initialisation: None,
        protocol: protocol(),
        precision: "fp64".into(),
        engine: "e".into(),
        kept_epochs: Vec::new(),
        sample: None,
    }
}

fn evaluation(dataset: &str, place: &Place) -> EvaluationCell {
    let subject = match place {
        Place::ZeroShot { .. } => Subject::ZeroShot { template: "a {}".into() },
        Place::Trained { method, shots, seeds } => {
            Subject::Training { cell: Box::new(training(dataset, method, *shots, seeds.sample)) }
        }
    };
    EvaluationCell {
        subject,
        dataset: dataset.into(),
        manifest: "m".into(),
        images: "m".into(),
        classes: ClassSubset::All,
        limit: None,
        corruption: None,
        epoch: None,
        backbone: BackboneKey { weights: "w".into(), assumed: None },
        protocol: protocol(),
        precision: "fp64".into(),
        engine: "e".into(),
    }
}

fn provenance(processor: &str) -> Provenance {
    Provenance {
        nemesis: "0.1.0".into(),
        libtorch: "2.11.0".into(),
        processor: processor.into(),
        device: "cpu".into(),
        threads: 1,
        files: BTreeMap::new(),
        backbone: None,
        seconds: 1.0,
        adopted: None,
    }
}

/// Puts an evaluation with `correct` of a thousand test images into the store.
fn put(store: &Store, dataset: &str, place: &Place, correct: usize, processor: &str) {
    let labels = vec![0; 1000];
    let mut predictions = vec![0; correct];
    predictions.resize(1000, 1);
    let evaluated = Evaluated { predicted: &predictions, labels: &labels, classes: 2, context_norms: Vec::new() };
    store.put_evaluation(&evaluation(dataset, place), evaluated, provenance(processor)).unwrap();
}

fn place(method: &str, shots: u32, seed: u64) -> Place {
    Place::Trained { method: method.into(), shots, seeds: seed.into() }
}

/// Every planned cell, looked up in a store in which `fill` has put what it likes.
fn table(contents: &Contents, fill: impl Fn(&Store)) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    fill(&store);
    let mut entries = Vec::new();
    for (dataset, _) in &contents.datasets {
        let mut places = vec![zero_shot()];
        for method in &contents.methods {
            for shots in &contents.shots {
                places.extend(contents.seeds.iter().map(|seed| place(&method.label, *shots, seed.sample)));
            }
        }
        for place in places {
            let outcome = Outcome::read(&Cell::from(evaluation(dataset, &place)).id(), &store).unwrap();
            entries.push(Entry {
                dataset: dataset.clone(),
                classes: ClassSubset::All,
                place,
                corruption: None,
                epoch: None,
                outcome,
            });
        }
    }
    FewShot.table(contents, &entries)
}

fn troubled(store: &Store) {
    for (dataset, zero) in [("eurosat", 375), ("dtd", 423)] {
        put(store, dataset, &zero_shot(), zero, "A");
        for seed in 1..=3 {
            for (shots, gain) in [(1, 60), (16, 300)] {
                let correct = zero + gain + 7 * seed as usize;
                let (of_coop, processor) =
                    if (dataset, shots, seed) == ("eurosat", 16, 2) { (100, "B") } else { (correct, "A") };
                put(store, dataset, &place("CoOp", shots, seed), of_coop, processor);
                if (dataset, shots) != ("dtd", 1) && (shots, seed) != (16, 3) {
                    put(store, dataset, &place("Nemesis-PEN", shots, seed), correct + 11, "A");
                }
            }
        }
    }
    for seed in 1..=3 {
        let cell = Cell::from(evaluation("dtd", &place("Nemesis-PEN", 1, seed)));
        store.put_failure(&cell, &Error::new("the plugin crashed (signal 11)").help("ask its author")).unwrap();
    }
    let cell = Cell::from(evaluation("eurosat", &place("Nemesis-PEN", 16, 3)));
    store.put_failure(&cell, &Error::new("took too long")).unwrap();
}

#[test]
fn terminal() {
    let table = table(&contents(), troubled);
    insta::assert_snapshot!(Terminal { width: 100, styled: false }.render(&table), @r"
    Few-shot classification

             │           │           1 shot            │              16 shots
    Data set │ Zero-shot │       CoOp  Nemesis-PEN     │        CoOp      Nemesis-PEN
    ─────────┼───────────┼─────────────────────────────┼────────────────────────────────────
    EuroSAT  │      37.5 │ 44.9 ± 0.7   46.0 ± 0.7     │ 49.3 ± 34.0 [1]   69.7 ± 0.5 [2][3]
    DTD      │      42.3 │ 49.7 ± 0.7       failed [4] │ 73.7 ±  0.7       74.4 ± 0.5 [3]
    ─────────┼───────────┼─────────────────────────────┼────────────────────────────────────
    Average  │      39.9 │ 47.3 ± 0.7            –     │ 61.5 ± 17.0       72.0 ± 0.5 [3]

    Top-1 accuracy in percent on all test images; protocol `mini`, fp64; mean ± sample deviation over
    seeds 1, 2, 3.
    - Alpha is 1, which the authors' code leaves open.
    - Mixed provenance: not all results were computed alike (processor: A and B).
    [1] the run of seed 2 collapsed to 10.0 %, more than 15 points and below 75 % of the best seed; it
        is part of the mean
    [2] seed 3 failed: took too long
    [3] 2 of 3 seeds
    [4] the plugin crashed (signal 11); help: ask its author
    ");
}

#[test]
fn several_tables_are_one_document_of_json() {
    let tables = [table(&contents(), troubled), table(&contents(), troubled)];
    let several: Vec<serde_json::Value> = serde_json::from_str(&Json.tables(&tables)).unwrap();
    let one: serde_json::Value = serde_json::from_str(&Json.tables(&tables[..1])).unwrap();
    assert_eq!(several, [one.clone(), one]);
}

#[test]
fn names_are_no_markup() {
    let mut table = table(&contents(), troubled);
    table.rows[0].heading.label = "a_b *c* `d` $e$ [f](g) _h_".to_owned();
    insta::assert_snapshot!(Markdown.table(&table).lines().find(|line| line.contains("a_b")).unwrap(), @r"| a_b \*c\* \`d\` \$e\$ \[f\](g) \_h\_ | 37.5 | 44.9 ± 0.7 | **46.0 ± 0.7** |");
}

#[test]
fn narrow_terminal() {
    let table = table(&contents(), troubled);
    insta::assert_snapshot!(Terminal { width: 72, styled: false }.render(&table), @r"
    Few-shot classification

             │           │           1 shot
    Data set │ Zero-shot │       CoOp  Nemesis-PEN
    ─────────┼───────────┼────────────────────────────
    EuroSAT  │      37.5 │ 44.9 ± 0.7   46.0 ± 0.7
    DTD      │      42.3 │ 49.7 ± 0.7       failed [4]
    ─────────┼───────────┼────────────────────────────
    Average  │      39.9 │ 47.3 ± 0.7            –

             │           │              16 shots
    Data set │ Zero-shot │        CoOp      Nemesis-PEN
    ─────────┼───────────┼────────────────────────────────────
    EuroSAT  │      37.5 │ 49.3 ± 34.0 [1]   69.7 ± 0.5 [2][3]
    DTD      │      42.3 │ 73.7 ±  0.7       74.4 ± 0.5 [3]
    ─────────┼───────────┼────────────────────────────────────
    Average  │      39.9 │ 61.5 ± 17.0       72.0 ± 0.5 [3]

    Top-1 accuracy in percent on all test images; protocol `mini`, fp64;
    mean ± sample deviation over seeds 1, 2, 3.
    - Alpha is 1, which the authors' code leaves open.
    - Mixed provenance: not all results were computed alike (processor: A
      and B).
    [1] the run of seed 2 collapsed to 10.0 %, more than 15 points and below
        75 % of the best seed; it is part of the mean
    [2] seed 3 failed: took too long
    [3] 2 of 3 seeds
    [4] the plugin crashed (signal 11); help: ask its author
    ");
}

#[test]
fn styles_add_escapes_and_nothing_else() {
    let table = table(&contents(), troubled);
    let styled = Terminal { width: 100, styled: true }.render(&table);
    let plain = Terminal { width: 100, styled: false }.render(&table);
    assert!(styled.contains("\u{1b}[1m"));
    let mut rest = String::new();
    let mut parts = styled.split('\u{1b}');
    rest += parts.next().unwrap();
    parts.for_each(|part| rest += part.split_once('m').unwrap().1);
    assert_eq!(rest, plain);
}

#[test]
fn markdown() {
    insta::assert_snapshot!(Markdown.table(&table(&contents(), troubled)), @r"
    ## Few-shot classification

    ### 1 shot

    | Data set | Zero-shot | CoOp | Nemesis-PEN |
    | --- | --: | --: | --: |
    | EuroSAT | 37.5 | 44.9 ± 0.7 | **46.0 ± 0.7** |
    | DTD | 42.3 | 49.7 ± 0.7 | failed [4] |
    | **Average** | 39.9 | 47.3 ± 0.7 | – |

    ### 16 shots

    | Data set | Zero-shot | CoOp | Nemesis-PEN |
    | --- | --: | --: | --: |
    | EuroSAT | 37.5 | 49.3 ± 34.0 [1] | **69.7 ± 0.5** [2][3] |
    | DTD | 42.3 | 73.7 ± 0.7 | **74.4 ± 0.5** [3] |
    | **Average** | 39.9 | 61.5 ± 17.0 | **72.0 ± 0.5** [3] |

    Top-1 accuracy in percent on all test images; protocol `mini`, fp64; mean ± sample deviation over seeds 1, 2, 3.

    Alpha is 1, which the authors' code leaves open.

    Mixed provenance: not all results were computed alike (processor: A and B).

    - [1] the run of seed 2 collapsed to 10.0 %, more than 15 points and below 75 % of the best seed; it is part of the mean
    - [2] seed 3 failed: took too long
    - [3] 2 of 3 seeds
    - [4] the plugin crashed (signal 11); help: ask its author
    ");
}

#[test]
fn csv() {
    insta::assert_snapshot!(Csv.table(&table(&contents(), troubled)), @r#"
    data_set,shots,method,status,mean,deviation,half_interval_95,population_deviation,runs,planned,notes
    eurosat,0,Zero-shot,done,37.5000,,,,1,1,
    eurosat,1,CoOp,done,44.9000,0.7000,1.7389,0.5715,3,3,
    eurosat,1,Nemesis-PEN,done,46.0000,0.7000,1.7389,0.5715,3,3,
    eurosat,16,CoOp,done,49.2667,34.0131,84.4933,27.7716,3,3,"the run of seed 2 collapsed to 10.0 %, more than 15 points and below 75 % of the best seed; it is part of the mean"
    eurosat,16,Nemesis-PEN,done,69.6500,0.4950,4.4472,0.3500,2,3,seed 3 failed: took too long; 2 of 3 seeds
    dtd,0,Zero-shot,done,42.3000,,,,1,1,
    dtd,1,CoOp,done,49.7000,0.7000,1.7389,0.5715,3,3,
    dtd,1,Nemesis-PEN,failed,,,,,,,the plugin crashed (signal 11); help: ask its author
    dtd,16,CoOp,done,73.7000,0.7000,1.7389,0.5715,3,3,
    dtd,16,Nemesis-PEN,done,74.4500,0.4950,4.4472,0.3500,2,3,2 of 3 seeds
    average,0,Zero-shot,done,39.9000,,,,1,1,
    average,1,CoOp,done,47.3000,0.7000,1.7389,0.5715,3,3,
    average,1,Nemesis-PEN,missing,,,,,,,
    average,16,CoOp,done,61.4833,17.0174,42.2735,13.8946,3,3,
    average,16,Nemesis-PEN,done,72.0500,0.4950,4.4472,0.3500,2,3,2 of 3 seeds
    "#);
}

#[test]
fn latex() {
    insta::assert_snapshot!(Latex { second: false }.table(&table(&contents(), troubled)), @r"
    \begin{table}
    \centering
    \caption{Few-shot classification}
    \begin{tabular}{lrrr}
    \toprule
     & \multicolumn{1}{c}{} & \multicolumn{2}{c}{1 shot} \\
    \cmidrule(lr){3-4}
    Data set & Zero-shot & CoOp & Nemesis-PEN \\
    \midrule
    EuroSAT & 37.5 & 44.9 $\pm$ 0.7 & \textbf{46.0 $\pm$ 0.7} \\
    DTD & 42.3 & 49.7 $\pm$ 0.7 & failed\textsuperscript{4} \\
    \midrule
    Average & 39.9 & 47.3 $\pm$ 0.7 & -- \\
    \bottomrule
    \end{tabular}
    \par\medskip
    \begin{tabular}{lrrr}
    \toprule
     & \multicolumn{1}{c}{} & \multicolumn{2}{c}{16 shots} \\
    \cmidrule(lr){3-4}
    Data set & Zero-shot & CoOp & Nemesis-PEN \\
    \midrule
    EuroSAT & 37.5 & 49.3 $\pm$ 34.0\textsuperscript{1} & \textbf{69.7 $\pm$ 0.5}\textsuperscript{2,3} \\
    DTD & 42.3 & 73.7 $\pm$ 0.7 & \textbf{74.4 $\pm$ 0.5}\textsuperscript{3} \\
    \midrule
    Average & 39.9 & 61.5 $\pm$ 17.0 & \textbf{72.0 $\pm$ 0.5}\textsuperscript{3} \\
    \bottomrule
    \end{tabular}
    \par\smallskip\raggedright\footnotesize
    Top-1 accuracy in percent on all test images; protocol \texttt{mini}, fp64; mean $\pm$ sample deviation over seeds 1, 2, 3.\par
    Alpha is 1, which the authors' code leaves open.\par
    Mixed provenance: not all results were computed alike (processor: A and B).\par
    \textsuperscript{1}~the run of seed 2 collapsed to 10.0 \%, more than 15 points and below 75 \% of the best seed; it is part of the mean\par
    \textsuperscript{2}~seed 3 failed: took too long\par
    \textsuperscript{3}~2 of 3 seeds\par
    \textsuperscript{4}~the plugin crashed (signal 11); help: ask its author
    \end{table}
    ");
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is long")]
fn json() {
    let datasets = vec![("eurosat".into(), "EuroSAT".into())];
    let (methods, shots, seeds) = (vec![MethodColumn::plain("CoOp")], vec![16], vec![Seeds::from(1), 2.into()]);
    let small = Contents { datasets, methods, shots, seeds, ..contents() };
    insta::assert_snapshot!(Json.table(&table(&small, troubled)), @r#"
    {
      "title": "Few-shot classification",
      "axes": {
        "row": "data set",
        "group": "shots",
        "column": "method"
      },
      "groups": [
        {
          "key": "0",
          "heading": "",
          "columns": [
            {
              "key": "zero-shot",
              "label": "Zero-shot",
              "seeded": false
            }
          ],
          "measured": "accuracy",
          "baseline": true
        },
        {
          "key": "16",
          "heading": "16 shots",
          "columns": [
            {
              "key": "CoOp",
              "label": "CoOp",
              "seeded": true
            }
          ],
          "measured": "accuracy",
          "baseline": false
        }
      ],
      "rows": [
        {
          "heading": {
            "key": "eurosat",
            "label": "EuroSAT"
          },
          "summary": false,
          "values": [
            [
              {
                "status": "done",
                "mean": 37.5,
                "deviation": null,
                "half_interval": null,
                "population_deviation": null,
                "runs": [
                  {
                    "seed": null,
                    "accuracy": 37.5
                  }
                ],
                "planned": 1,
                "best": false,
                "footnotes": []
              }
            ],
            [
              {
                "status": "done",
                "mean": 39.1,
                "deviation": 41.1536,
                "half_interval": 369.7506,
                "population_deviation": 29.1,
                "runs": [
                  {
                    "seed": 1,
                    "accuracy": 68.2
                  },
                  {
                    "seed": 2,
                    "accuracy": 10.0
                  }
                ],
                "planned": 2,
                "best": false,
                "footnotes": [
                  1
                ]
              }
            ]
          ]
        }
      ],
      "remarks": [
        "Top-1 accuracy in percent on all test images; protocol `mini`, fp64; mean ± sample deviation over seeds 1, 2.",
        "Alpha is 1, which the authors' code leaves open.",
        "Mixed provenance: not all results were computed alike (processor: A and B)."
      ],
      "footnotes": [
        "the run of seed 2 collapsed to 10.0 %, more than 15 points and below 75 % of the best seed; it is part of the mean"
      ]
    }
    "#);
}

#[test]
fn nothing_computed_yet() {
    insta::assert_snapshot!(Terminal { width: 100, styled: false }.render(&table(&contents(), |_| ())), @r"
    Few-shot classification

             │           │      1 shot       │     16 shots
    Data set │ Zero-shot │ CoOp  Nemesis-PEN │ CoOp  Nemesis-PEN
    ─────────┼───────────┼───────────────────┼──────────────────
    EuroSAT  │         – │    –            – │    –            –
    DTD      │         – │    –            – │    –            –
    ─────────┼───────────┼───────────────────┼──────────────────
    Average  │         – │    –            – │    –            –

    Top-1 accuracy in percent; mean ± sample deviation over seeds 1, 2, 3.
    - Alpha is 1, which the authors' code leaves open.
    ");
}

#[test]
fn one_seed_has_no_spread() {
    let one = Contents { seeds: vec![1.into()], datasets: vec![("dtd".into(), "DTD".into())], ..contents() };
    insta::assert_snapshot!(Terminal { width: 100, styled: false }.render(&table(&one, troubled)), @r"
    Few-shot classification

             │           │        1 shot         │     16 shots
    Data set │ Zero-shot │ CoOp  Nemesis-PEN     │ CoOp  Nemesis-PEN
    ─────────┼───────────┼───────────────────────┼──────────────────
    DTD      │      42.3 │ 49.0       failed [1] │ 73.0         74.1

    Top-1 accuracy in percent on all test images; protocol `mini`, fp64; seed 1.
    - Alpha is 1, which the authors' code leaves open.
    [1] the plugin crashed (signal 11); help: ask its author
    ");
}

/// A page filters by methods, while the columns of an ablation are headed by values.
#[test]
fn columns_of_an_ablation_name_their_methods() {
    let swept = |value: &str| MethodColumn {
        label: format!("CoOp, n_ctx {value}"),
        swept: Some(("n_ctx".to_owned(), value.to_owned())),
    };
    let contents = Contents { methods: ["4", "16"].map(swept).to_vec(), ..contents() };
    let table = Html.table(&Ablation.table(&contents, &[]));
    for MethodColumn { label, .. } in &contents.methods {
        assert!(table.contains(&format!(" data-column=\"{label}\"")), "{table}");
    }
}

/// Names of files have fewer letters than labels.
#[test]
fn every_figure_has_a_name_of_its_own() {
    let labels = ["A+B", "A B"];
    let entry = |method: &str| Entry {
        dataset: "dtd".into(),
        classes: ClassSubset::All,
        place: Place::Trained { method: method.into(), shots: ALL_SHOTS, seeds: 1.into() },
        corruption: Some(Corruption { kind: CorruptionKind::Rescale, position: 0, value: 0.5 }),
        epoch: None,
        outcome: Outcome::Derived(50.0),
    };
    let contents = Contents { methods: labels.map(MethodColumn::plain).into(), shots: vec![ALL_SHOTS], ..contents() };
    let figures = super::figures::low_norm_effect(&contents, &labels.map(entry));
    let names: Vec<&str> = figures.iter().map(|figure| figure.of.as_str()).collect();
    assert_eq!(names, ["a-b-all", "a-b-all-2"]);
}

#[test]
fn files_are_written_beside_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write_all(&table(&contents(), troubled), folder.path(), "table").unwrap();
    let names: Vec<_> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["table.md", "table.csv", "table.tex", "table.json"]);
    assert!(paths.iter().all(|path| path.is_file()));
}
