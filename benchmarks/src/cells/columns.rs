//! The columns of the table of cells: their names, what they hold, and the schema made of them.

use serde_json::{Map, Value, json};

/// The version of the table. A column may be added within a version; one that goes or changes its meaning makes the next.
pub const SCHEMA: u32 = 1;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
}

/// A column of the table of cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub content: Content,
    /// Whether every cell has it.
    pub always: bool,
    /// What it means.
    pub about: &'static str,
}

const fn always(name: &'static str, content: Content, about: &'static str) -> Column {
    Column { name, content, always: true, about }
}

const fn maybe(name: &'static str, content: Content, about: &'static str) -> Column {
    Column { name, content, always: false, about }
}

use Content::{Integer, Number, Text};

/// All columns, in order.
pub const COLUMNS: [Column; 43] = [
    always("schema", Integer, "The version of this table: 1"),
    always("id", Text, "The cell's id"),
    always("kind", Text, "training or evaluation"),
    always("dataset", Text, "The data set: of a training the one trained on, of an evaluation the one tested on"),
    always("classes", Text, "all, base or new: the classes that are trained on, or told apart"),
    maybe("method", Text, "The method's id; nothing for zero-shot classifiers"),
    maybe("options", Text, "The method's options with their values, as JSON"),
    maybe("plugin", Text, "The fingerprint of the plugin's sources"),
    maybe("trained_on", Text, "The data set that was trained on"),
    maybe("shots", Text, "Training images per class: a number, or all"),
    maybe("seed", Integer, "The seed of the training's few-shot sample"),
    maybe(
        "initialisation",
        Integer,
        "The seed of all else that the training drew: the same one unless a run split them",
    ),
    maybe("zero_shot", Text, "The template of a zero-shot classifier, or the name of its list of templates"),
    maybe("training", Text, "The id of the training that is evaluated"),
    maybe("epoch", Integer, "The epoch that is evaluated, counted from one, if it is not the last"),
    maybe("corruption", Text, "replace or rescale, if a context vector was corrupted first"),
    maybe("corrupted_position", Integer, "Which context vector was corrupted, counted from one"),
    maybe("corruption_value", Number, "The noise's standard deviation, or the factor"),
    maybe("limit", Integer, "Only the first so many test images of each class were counted"),
    maybe("accuracy", Number, "Top-1 accuracy in percent"),
    maybe("correct", Integer, "Test images whose class was predicted"),
    maybe("total", Integer, "Test images"),
    maybe("mean_context_norm", Number, "The mean of the 2-norms of the context vectors"),
    maybe("epochs", Integer, "Epochs of a training"),
    maybe("first_loss", Number, "The mean loss of the first epoch"),
    maybe("last_loss", Number, "The mean loss of the last epoch"),
    maybe("protocol", Text, "The protocol's name"),
    always("protocol_parts", Text, "All that the cell depends on of the protocol, as JSON"),
    always("precision", Text, "The precision that was computed in"),
    maybe("backbone", Text, "The backbone: its published name, or its sizes"),
    always("weights", Text, "blake3 of the backbone's weights"),
    always("engine", Text, "The fingerprint of the engine's sources"),
    always("manifest", Text, "The hash of the data set's classes and samples"),
    always("images", Text, "The digest of the images' contents"),
    maybe("state", Text, "blake3 of what was learned: states/HASH.safetensors"),
    maybe("predictions", Text, "blake3 of predictions/ID.bin"),
    always("seconds", Number, "How long the cell took"),
    always("nemesis", Text, "The version of nemesis"),
    always("libtorch", Text, "The version of libtorch"),
    always("processor", Text, "The CPU's name"),
    always("device", Text, "Where it was computed: cpu, cuda:0 …"),
    always("threads", Integer, "Threads of the worker"),
    maybe("adopted_from", Text, "The cell of another build that this one was adopted from"),
];

/// The values of a row, which may come in any order.
#[derive(Debug, Default)]
pub(super) struct Values(Map<String, Value>);

impl Values {
    pub(super) fn put(&mut self, name: &str, value: Value) {
        debug_assert!(COLUMNS.iter().any(|column| column.name == name), "there is no column {name}");
        self.0.insert(name.to_owned(), value);
    }

    /// One value for each column; null for what the cell lacks.
    pub(super) fn in_order(mut self) -> Vec<Value> {
        COLUMNS.iter().map(|column| self.0.remove(column.name).unwrap_or(Value::Null)).collect()
    }
}

/// The JSON Schema of what `nemesis cells --format json` prints.
pub fn json_schema() -> Value {
    let column = |column: &Column| {
        let name = match column.content {
            Text => "string",
            Integer => "integer",
            Number => "number",
        };
        let kind = if column.always { json!(name) } else { json!([name, "null"]) };
        (column.name.to_owned(), json!({ "type": kind, "description": column.about }))
    };
    let properties: Map<String, Value> = COLUMNS.iter().map(column).collect();
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("nemesis-cells-{SCHEMA}"),
        "title": "The cells of a folder of records",
        "type": "object",
        "required": ["schema", "cells"],
        "properties": {
            "schema": { "const": SCHEMA },
            "cells": {
                "type": "array",
                "items": { "type": "object", "required": names, "properties": properties }
            }
        }
    })
}
