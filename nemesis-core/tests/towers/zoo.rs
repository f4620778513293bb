//! The forward passes of published methods against values of the authors' own code: those in `fixtures/zoo`, or in the
//! folder that `NEMESIS_PARITY_ZOO` names.

#[path = "../common/skipped.rs"]
mod skipped;

use crate::model::{error, services};
use nemesis_core::backbone::clip::Clip;
use nemesis_core::backbone::{Assumption, Backbone, Checkpoint, ClassPrompts};
use nemesis_core::method::ClassPosition;
use nemesis_core::method::towers::{Changes, Dropout, LayerPrompt, LowRank, Towers};
use nemesis_core::train::Recompute;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

struct Method {
    clip: Clip,
    json: Value,
    tensors: BTreeMap<String, Tensor>,
}

/// One case of a method.
struct Case<'a> {
    method: &'a Method,
    id: i64,
    json: &'a Value,
}

impl Method {
    /// None if the folder that the environment names has no values of this method, whose test is then skipped.
    fn open(name: &str) -> Option<Self> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let named = std::env::var_os("NEMESIS_PARITY_ZOO").map(PathBuf::from);
        let folder = named.clone().unwrap_or_else(|| fixtures.join("zoo"));
        let json = folder.join(format!("{name}.json"));
        if named.is_some() && !json.is_file() {
            skipped::skipped(&format!("towers_{name}"), &format!("{} is not there", json.display()));
            return None;
        }
        let weights = named.unwrap_or_else(|| fixtures.join("parity")).join("clip_vit.safetensors");
        Some(Self {
            clip: Clip::load_assuming(&weights, Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap(),
            json: serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap(),
            tensors: Checkpoint::read(&folder.join(format!("{name}.safetensors")))
                .unwrap()
                .tensors
                .into_iter()
                .collect(),
        })
    }

    fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        let cases = self.json["cases"].as_array().unwrap();
        cases.iter().map(|json| Case { method: self, id: json["id"].as_i64().unwrap(), json })
    }

    fn images(&self) -> Tensor {
        self.tensors["images"].get(0)
    }
}

impl Case<'_> {
    fn find(&self, name: &str) -> Option<Tensor> {
        self.method.tensors.get(&format!("case{}.{name}", self.id)).map(Tensor::shallow_clone)
    }

    fn get(&self, name: &str) -> Tensor {
        self.find(name).unwrap_or_else(|| panic!("case {} has no {name}", self.id))
    }

    /// The class prompts behind so many context vectors.
    fn classes(&self, vectors: usize) -> ClassPrompts {
        let tokens = Vec::<Vec<i64>>::try_from(&self.get("tokens")).unwrap();
        let own = |tokens: Vec<i64>| {
            let end = tokens.iter().position(|token| *token == 49407).unwrap();
            tokens[1 + vectors..=end].to_vec()
        };
        let tokens: Vec<Vec<i64>> = tokens.into_iter().map(own).collect();
        ClassPrompts { name_lengths: vec![0; tokens.len()], tokens }
    }

    fn check(&self, logits: &str, images: &Tensor, text: &Tensor, scale: f64) {
        let unit = |x: &Tensor| x / x.norm_scalaropt_dim(2, [-1], true);
        let found = unit(images).matmul(&unit(text).tr()) * scale;
        let error = (&found - self.get(logits)).abs().max().double_value(&[]);
        println!("case {}: {logits} differ by {error:.1e}", self.id);
        assert!(error < 1e-4, "case {}: {logits} differ by {error}", self.id);
    }
}

fn prompts(tokens: impl IntoIterator<Item = (usize, Tensor)>) -> Changes {
    let prompts = tokens.into_iter().map(|(layer, tokens)| LayerPrompt { layer, tokens }).collect();
    Changes { prompts, ..Changes::default() }
}

#[test]
fn maple() {
    let Some(method) = Method::open("maple") else { return };
    for case in method.cases() {
        let learner = |name: &str| case.find(&format!("init.prompt_learner.{name}"));
        let context = learner("ctx").unwrap();
        let map = |x: &Tensor, name: &str| {
            let [weight, bias] = ["weight", "bias"].map(|kind| learner(&format!("{name}.{kind}")).unwrap());
            x.linear(&weight, Some(&bias)).unsqueeze(0)
        };
        let deep: Vec<Tensor> = (0..).map_while(|layer| learner(&format!("compound_prompts_text.{layer}"))).collect();
        let text = prompts(deep.iter().enumerate().map(|(n, x)| (n + 1, x.unsqueeze(0).unsqueeze(0))));
        let image = deep.iter().enumerate().map(|(n, x)| (n + 1, map(x, &format!("compound_prompt_projections.{n}"))));
        let image = prompts([(0, map(&context, "proj"))].into_iter().chain(image));
        let classes = case.classes(context.size()[0] as usize);
        let services = services(&method.clip, &classes, Recompute::Never);
        let images = services.encode_images(&method.images(), &image, false).unwrap().global;
        let contexts = context.unsqueeze(0).unsqueeze(0);
        let text = Towers::encode_contexts(&services, &contexts, ClassPosition::End, &text).unwrap().squeeze_dim(0);
        assert!(error(&images, &case.get("image_features0")) < 1e-5);
        assert!(error(&text, &case.get("text_features")) < 1e-5);
        case.check("logits_eval", &images, &text, method.clip.spec().logit_scale);
    }
}

#[test]
fn vision_prompts() {
    for name in ["vpt", "ivlp"] {
        let Some(method) = Method::open(name) else { continue };
        for case in method.cases() {
            let deep = |tower: &str| {
                (1..4_usize)
                    .filter_map(|layer| {
                        let name = format!("init.{tower}.transformer.resblocks.{layer}.VPT_shallow");
                        Some((layer, case.find(&name)?))
                    })
                    .collect::<Vec<_>>()
            };
            let image = case.find("init.image_encoder.VPT").map(|x| (0, x)).into_iter().chain(deep("image_encoder"));
            let image = prompts(image.map(|(layer, x)| (layer, x.unsqueeze(0))));
            let context = case.find("init.prompt_learner.ctx");
            let classes = case.classes(context.as_ref().map_or(0, |context| context.size()[0] as usize));
            let services = services(&method.clip, &classes, Recompute::Never);
            let images = services.encode_images(&method.images(), &image, false).unwrap().global;
            let text = match context {
                None => case.get("text_features"),
                Some(context) => {
                    let text = deep("text_encoder").into_iter().map(|(n, x)| (n, x.unsqueeze(0).unsqueeze(0)));
                    let contexts = context.unsqueeze(0).unsqueeze(0);
                    Towers::encode_contexts(&services, &contexts, ClassPosition::End, &prompts(text))
                        .unwrap()
                        .squeeze_dim(0)
                }
            };
            case.check("logits_eval", &images, &text, method.clip.spec().logit_scale);
        }
    }
}

#[test]
fn textual_class_prompts() {
    let Some(method) = Method::open("tcp") else { return };
    for case in method.cases() {
        let context = case.get("init.prompt_learner.ctx");
        let layer = case.json["insert_before_layer"].as_u64().unwrap() as usize;
        let changes =
            if layer < 3 { prompts([(layer, case.get("class_prompts").unsqueeze(0))]) } else { Changes::default() };
        let classes = case.classes(context.size()[0] as usize);
        let services = services(&method.clip, &classes, Recompute::Never);
        let contexts = context.unsqueeze(0).unsqueeze(0);
        let text = Towers::encode_contexts(&services, &contexts, ClassPosition::End, &changes).unwrap().squeeze_dim(0);
        let images = method.clip.encode_images(&method.images()).unwrap();
        case.check("logits_eval", &images, &text, method.clip.spec().logit_scale);
    }
}

#[test]
fn low_rank_deltas() {
    let Some(method) = Method::open("clip_lora") else { return };
    let names: Vec<String> = serde_json::from_value(method.json["class_names"].clone()).unwrap();
    let strings: Vec<String> = names.iter().map(|name| format!("a photo of a {}.", name.replace('_', " "))).collect();
    for case in method.cases() {
        let scale = case.json["scaling"].as_f64().unwrap();
        let steps = case.json["steps"].as_u64().unwrap();
        let changes = |stage: &str, tower: &str, masks: bool| {
            let prefix = if tower == "image" { "visual." } else { "" };
            let mut changes = Changes::default();
            for layer in 0..3 {
                for (map, module) in [("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("o", "proj")] {
                    let module = format!("{prefix}transformer.resblocks.{layer}.attn.{module}");
                    let Some(down) = case.find(&format!("{stage}.{module}.w_lora_A")) else { continue };
                    let mask = case.find(&format!("mask0.{module}.dropout")).filter(|_| masks);
                    changes.low_rank.push(LowRank {
                        name: format!("{tower}.{layer}.{map}"),
                        down,
                        up: case.get(&format!("{stage}.{module}.w_lora_B")),
                        scale,
                        dropout: mask.map(|mask| Dropout {
                            probability: 0.25,
                            index: 0,
                            mask: Some(
                                mask.transpose(0, 1).to_kind(Kind::Float)
                                    / (1.0 - case.json["dropout"].as_f64().unwrap()),
                            ),
                        }),
                    });
                }
            }
            changes
        };
        let classes = ClassPrompts { tokens: Vec::new(), name_lengths: Vec::new() };
        let services = services(&method.clip, &classes, Recompute::Never);
        let after = format!("step{steps}");
        let mut done = 0;
        for (stage, logits, masks) in [("init", "logits_train", true), (&*after, "logits_eval_after", false)] {
            if case.find(logits).is_none() {
                continue;
            }
            let pixels = case.find("images").map_or_else(|| method.images(), |images| images.get(0));
            let images = services.encode_images(&pixels, &changes(stage, "image", masks), false).unwrap().global;
            let text = Towers::encode_strings(&services, &strings, &changes(stage, "text", masks)).unwrap();
            case.check(logits, &images, &text, 100.0);
            done += 1;
        }
        assert!(done > 0);
    }
}
