//! `nemesis backbone fetch` of what the hub holds: weights and their configuration, in one folder.

use crate::command::{nemesis, regex_escape, told};
use crate::files::tree;
use crate::server::{Answer, Server};
use std::fs;
use std::io::Read;
use std::path::Path;

const CONFIG: &str = "open_clip_config.json";
const WEIGHTS: &str = "open_clip_pytorch_model.bin";
/// A model that was trained with `QuickGELU`, as the tiny one of the tests was.
const NAME: &str = "ViT-B-16/dfn2b";

/// A file of the tiny model that `open_clip` made.
fn of_tiny_model(file: &str) -> Vec<u8> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nemesis-core/tests/layouts/models");
    let packed = fs::read(models.join("open-clip-quick-gelu").join(format!("{file}.gz"))).unwrap();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a command says, without the folder and the server's address.
fn said(folder: &Path, server: &str, arguments: &[&str]) -> String {
    let output = nemesis(folder, arguments).output().unwrap();
    let text = told(&output).replace(server, "[SERVER]");
    regex::Regex::new(&regex_escape(folder)).unwrap().replace_all(&text, "[DIR]").into_owned()
}

#[test]
fn weights_and_configuration_come_into_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let (config, weights) = (of_tiny_model(CONFIG), of_tiny_model(WEIGHTS));
    let whole = weights.len();
    // The repository has no safetensors, and the first connection breaks off in the middle of the weights.
    let server = Server::start(move |request| match request.path.trim_start_matches('/') {
        CONFIG => Answer::of(request, &config),
        WEIGHTS if request.start.is_none() => Answer::of(request, &weights).broken_off(whole / 2),
        WEIGHTS => Answer::of(request, &weights),
        _ => Answer::missing(),
    });
    let fetch = ["backbone", "fetch", NAME, "--out", "weights", "--from", &server.url];
    insta::assert_snapshot!(said(dir, &server.url, &fetch));
    let half = format!("/{WEIGHTS} {}", whole / 2);
    let asked = [format!("/{CONFIG}"), "/open_clip_model.safetensors".to_owned(), format!("/{WEIGHTS}"), half];
    assert_eq!(server.requests(), asked);
    let there: Vec<String> =
        tree(&dir.join("weights")).iter().map(|file| file.split(' ').next().unwrap().to_owned()).collect();
    let of_model = |file: &str| format!("ViT-B-16-dfn2b/{file}");
    assert_eq!(there, ["ViT-B-16-dfn2b/".to_owned(), of_model("SHA256SUMS"), of_model(CONFIG), of_model(WEIGHTS)]);
    let fetched = dir.join("weights/ViT-B-16-dfn2b");
    assert_eq!(fs::read(fetched.join(WEIGHTS)).unwrap(), of_tiny_model(WEIGHTS));

    // Nothing is asked for again, and what has changed since is told.
    said(dir, &server.url, &fetch);
    assert_eq!(server.requests().len(), asked.len());
    insta::assert_snapshot!(said(dir, "no server", &["backbone", "check", "weights/ViT-B-16-dfn2b"]));
    fs::write(fetched.join(WEIGHTS), "other weights").unwrap();
    insta::assert_snapshot!(said(dir, &server.url, &fetch));
}

#[test]
fn a_configuration_that_is_not_the_models_is_refused_before_its_weights_are_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let server = Server::start(|request| Answer::of(request, &of_tiny_model(CONFIG)));
    // Trained with GELU, and listed so by open_clip.
    let fetch = ["backbone", "fetch", "vit-b-16-laion2b_s34b_b88k", "--out", "weights", "--from", &server.url];
    insta::assert_snapshot!(said(dir, &server.url, &fetch));
    assert_eq!(server.requests(), [format!("/{CONFIG}")]);

    let server = Server::start(|request| Answer::of(request, b"{\"error\": \"sign in\"}"));
    let fetch = ["backbone", "fetch", NAME, "--out", "elsewhere", "--from", &server.url];
    insta::assert_snapshot!(said(dir, &server.url, &fetch));
    let server = Server::start(|request| match request.path.trim_start_matches('/') {
        CONFIG => Answer::of(request, &of_tiny_model(CONFIG)),
        _ => Answer::missing(),
    });
    let fetch = ["backbone", "fetch", NAME, "--out", "third", "--from", &server.url];
    insta::assert_snapshot!(said(dir, &server.url, &fetch));
}

#[test]
fn a_folder_may_stand_in_for_the_hub() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    fs::create_dir(dir.join("copy")).unwrap();
    for file in [CONFIG, WEIGHTS] {
        fs::write(dir.join("copy").join(file), of_tiny_model(file)).unwrap();
    }
    let told = said(dir, "no server", &["backbone", "fetch", NAME, "--out", "weights", "--from", "copy"]);
    assert!(told.contains("use it with --weights ViT-B-16-dfn2b=weights/ViT-B-16-dfn2b"), "{told}");
}
