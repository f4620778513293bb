//! The graph of text features takes about the memory that is foretold, so that `--memory` can be relied on.
#![cfg(target_os = "linux")]

#[path = "../benches/common/mod.rs"]
#[expect(dead_code, reason = "benches need more of it")]
mod common;

use nemesis_core::backbone::Backbone;
use nemesis_core::backbone::clip::TextPath;
use nemesis_core::method::ClassPosition;
use tch::{Device, Kind, Tensor};

/// Names that have no first token in common, or one in twenty-six where there are many.
fn class_names(count: usize) -> Vec<String> {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    (0..count).map(|n| format!("{}{} {} cat", letter(n), letter(n / 26), letter(n / 676))).collect()
}

/// The bytes that this process takes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

#[test]
fn graphs_take_what_is_foretold() {
    let mut clip = common::random_clip();
    // What was computed stays, or its memory would be used again and not be seen.
    let mut kept = Vec::new();
    for (path, count, copies, class_specific, position) in [
        (TextPath::Shared, 1600, 3, false, ClassPosition::End),
        (TextPath::Shared, 800, 1, false, ClassPosition::Middle),
        (TextPath::Shared, 800, 1, true, ClassPosition::End),
        (TextPath::Cut, 800, 1, false, ClassPosition::End),
        (TextPath::Plain, 300, 1, false, ClassPosition::End),
    ] {
        clip = clip.with_text_path(path);
        let classes = clip.class_prompts(&class_names(count), 16).unwrap();
        let sets = if class_specific { count as i64 } else { 1 };
        let contexts = Tensor::randn([copies, sets, 16, clip.spec().width], (Kind::Float, Device::Cpu)) * 0.02;
        let contexts = contexts.set_requires_grad(true);
        let before = resident();
        kept.push(clip.encode_contexts(&classes, &contexts, position).unwrap());
        let ratio = (resident() - before) / clip.graph_bytes(&classes, &contexts, position) as f64;
        assert!((0.7..1.3).contains(&ratio), "{path:?}, {copies} copies, {sets} sets, {position:?}: {ratio}");
    }
}
