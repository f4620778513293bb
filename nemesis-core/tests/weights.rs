//! A checkpoint is read whole and as it is meant, or refused: weights that nobody reads, numbers that are none, other
//! models under OpenAI's names, and models under other names.

use nemesis_core::Result;
use nemesis_core::backbone::Checkpoint;
use nemesis_core::backbone::clip::Clip;
use nemesis_core::backbone::{Assumption, Backbone, Origin, known};
use nemesis_core::backbone::{METADATA_KEY, Request, inspect};
use nemesis_core::record::to_safetensors;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

type Tensors = BTreeMap<String, Tensor>;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The tensors of a small CLIP under OpenAI's names.
fn tensors() -> Tensors {
    Checkpoint::read(&fixture("parity/clip_vit.safetensors")).unwrap().tensors
}

fn write(folder: &Path, tensors: Tensors, metadata: &[(&str, String)]) -> PathBuf {
    let path = folder.join("clip.safetensors");
    let bytes = to_safetensors(&tensors.into_iter().collect(), metadata).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn load(tensors: Tensors, assume: Option<Assumption>, kind: Kind) -> Result<Clip> {
    let folder = tempfile::tempdir().unwrap();
    Clip::load_assuming(&write(folder.path(), tensors, &[]), assume, Device::Cpu, kind)
}

fn tensor(shape: &[i64]) -> Tensor {
    Tensor::full(shape, 0.5, (Kind::Float, Device::Cpu))
}

/// What is said of a changed checkpoint, where nothing that can be assumed is left open.
fn complaint(change: impl FnOnce(&mut Tensors)) -> String {
    let mut tensors = tensors();
    change(&mut tensors);
    let error = load(tensors, Some(Assumption::OpenAi), Kind::Float).expect_err("this is no CLIP of OpenAI's");
    assert!(error.file().is_some(), "{error}");
    error.to_string().lines().filter(|line| !line.starts_with("  -->")).fold(String::new(), |mut all, line| {
        writeln!(all, "{line}").unwrap();
        all
    })
}

fn add<'a>(names: impl IntoIterator<Item = (&'a str, &'a [i64])>) -> impl FnOnce(&mut Tensors) {
    let added: Vec<_> = names.into_iter().map(|(name, shape)| (name.to_owned(), tensor(shape))).collect();
    move |tensors| tensors.extend(added)
}

#[test]
fn weights_that_nobody_reads_are_named() {
    let block = "visual.transformer.resblocks.0";
    let lora = add([("transformer.resblocks.0.attn.in_proj_lora_A", &[4, 64][..])]);
    insta::assert_snapshot!(complaint(lora), @r"
    the checkpoint holds a weight that CLIP does not have: `transformer.resblocks.0.attn.in_proj_lora_A`
      expected: the weights of OpenAI's CLIP and no others
      help: merge LoRA's weights into those that they belong to, and save the model without them
    ");
    let gamma = format!("{block}.ls_1.gamma");
    insta::assert_snapshot!(complaint(add([(&*gamma, &[64][..])])), @r"
    the checkpoint holds a weight that CLIP does not have: `visual.transformer.resblocks.0.ls_1.gamma`
      expected: the weights of OpenAI's CLIP and no others
      help: a model with LayerScale is not read yet; without them its features would be another model's
    ");
    let adapters: Vec<String> = (0..5).map(|i| format!("{block}.adapter.{i}.weight")).collect();
    let adapters = add(adapters.iter().map(|name| (&**name, &[64, 64][..])));
    insta::assert_snapshot!(complaint(adapters), @r"
    the checkpoint holds 5 weights that CLIP does not have: `visual.transformer.resblocks.0.adapter.0.weight`, `visual.transformer.resblocks.0.adapter.1.weight`, `visual.transformer.resblocks.0.adapter.2.weight` and 2 more
      expected: the weights of OpenAI's CLIP and no others
      help: a model with adapters is not read yet; without them its features would be another model's
    ");
    insta::assert_snapshot!(complaint(add([("positional_embedding_res", &[77, 64][..])])), @r"
    the checkpoint holds a weight that CLIP does not have: `positional_embedding_res`
      expected: the weights of OpenAI's CLIP and no others
      help: a model with other positions, such as LongCLIP, is not read yet; without them its features would be another model's
    ");
    insta::assert_snapshot!(complaint(add([("logit_bias", &[][..])])), @r"
    the checkpoint holds a weight that CLIP does not have: `logit_bias`
      expected: the weights of OpenAI's CLIP and no others
      help: a model with a bias of its logits, such as SigLIP, is not read yet; without them its features would be another model's
    ");
    insta::assert_snapshot!(complaint(add([("visual.attn_pool.query", &[8, 64][..])])), @r"
    the checkpoint holds a weight that CLIP does not have: `visual.attn_pool.query`
      expected: the weights of OpenAI's CLIP and no others
      help: a model with more than CLIP's weights is not read yet; without them its features would be another model's
    ");
    // A bias that PyTorch would have, and CLIP does not.
    insta::assert_snapshot!(complaint(add([("visual.conv1.bias", &[64][..])])), @r"
    the checkpoint holds a weight that CLIP does not have: `visual.conv1.bias`
      expected: the weights of OpenAI's CLIP and no others
      help: a model with more than CLIP's weights is not read yet; without them its features would be another model's
    ");
}

#[test]
fn what_is_known_to_change_nothing_may_be_there() {
    let mut all = tensors();
    let scalar = |value: i64| Tensor::from(value);
    let hidden = |lowest: f64, kind| Tensor::full([77, 77], lowest, (kind, Device::Cpu)).triu(1);
    all.insert("attn_mask".to_owned(), hidden(f64::NEG_INFINITY, Kind::Float));
    all.insert("transformer.resblocks.0.attn_mask".to_owned(), hidden(f64::NEG_INFINITY, Kind::Half));
    all.insert("transformer.resblocks.1.attn_mask".to_owned(), hidden(f64::from(f32::MIN), Kind::Float));
    all.insert("input_resolution".to_owned(), scalar(32));
    all.insert("visual.input_resolution".to_owned(), scalar(32));
    all.insert("context_length".to_owned(), scalar(77));
    all.insert("vocab_size".to_owned(), scalar(49408));
    all.insert("visual.position_ids".to_owned(), Tensor::arange(17, (Kind::Int64, Device::Cpu)).unsqueeze(0));
    all.insert("position_ids".to_owned(), Tensor::arange(77, (Kind::Int64, Device::Cpu)));
    load(all, Some(Assumption::OpenAi), Kind::Float).unwrap();
    insta::assert_snapshot!(complaint(|all| drop(all.insert("input_resolution".into(), scalar(224)))), @r"
    the file says `input_resolution` is 224
      expected: 32, which follows from the weights
    ");
}

#[test]
fn what_is_not_what_it_is_called_is_refused() {
    let with = |name: &'static str, tensor: Tensor| complaint(move |all| drop(all.insert(name.to_owned(), tensor)));
    let float = (Kind::Float, Device::Cpu);
    let causal = || Tensor::full([77, 77], f64::NEG_INFINITY, float).triu(1);
    let lines = |said: String| said.lines().take(2).collect::<Vec<_>>().join("\n") + "\n";
    let said = [
        with("attn_mask", Tensor::zeros([77, 77], float)),
        with("attn_mask", Tensor::full([77, 77], 5.0, float)),
        with("transformer.resblocks.1.attn_mask", Tensor::full([77, 77], -1e4, float).triu(1)),
        with("attn_mask", causal().transpose(0, 1)),
        with("attn_mask", causal().narrow(0, 0, 76)),
        with("attn_mask", causal() + Tensor::eye(77, float)),
        with("visual.attn_mask", causal()),
        with("position_ids", Tensor::arange(77, (Kind::Int64, Device::Cpu)).flip([0])),
        with("visual.position_ids", Tensor::arange(16, (Kind::Int64, Device::Cpu))),
        with("context_length", Tensor::from(77.5)),
        with("vocab_size", Tensor::zeros([3], float)),
    ];
    insta::assert_snapshot!(said.map(lines).concat(), @r"
    the mask `attn_mask`, of shape [77, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the mask `attn_mask`, of shape [77, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the mask `transformer.resblocks.1.attn_mask`, of shape [77, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the mask `attn_mask`, of shape [77, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the mask `attn_mask`, of shape [76, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the mask `attn_mask`, of shape [77, 77], is not CLIP's
      expected: 77 rows and columns, 0 on and below the diagonal and -inf above it
    the checkpoint holds a mask of the image tower: `visual.attn_mask`
      expected: none, since images are encoded without a mask in OpenAI's models
    the places `position_ids`, of shape [77], are not numbered as CLIP's
      expected: 0, 1, 2, … 76
    the places `visual.position_ids`, of shape [16], are not numbered as CLIP's
      expected: 0, 1, 2, … 16
    the file says `context_length` is 77.5
      expected: 77, which follows from the weights
    the file says `vocab_size` is a tensor of shape [3] with other numbers
      expected: 49408, which follows from the weights
    ");
}

#[test]
fn metadata_that_contradict_openais_activation_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let said = |key: &str, value: &str| {
        let metadata = [(METADATA_KEY, "openai".to_owned()), (key, value.to_owned())];
        let path = write(folder.path(), tensors(), &metadata);
        let loaded = inspect(&Request::new(&path, None, Device::Cpu, Kind::Float));
        loaded.err().map(|error| error.what().to_owned()).unwrap_or_default()
    };
    assert_eq!(said("hidden_act", "gelu"), "the file's metadata say `hidden_act` is `gelu`");
    assert_eq!(said("quick_gelu", "False"), "the file's metadata say `quick_gelu` is `False`");
    assert_eq!(said("activation", "quick_gelu") + &said("quick_gelu", "true") + &said("format", "pt"), "");
}

#[test]
fn a_model_of_openais_sizes_must_have_all_layers() {
    // An image tower of one layer in ViT-B/32's sizes.
    let said = complaint(|all| {
        all.retain(|name, _| {
            name.starts_with("visual.") && !name.contains("resblocks.1.") && !name.contains("resblocks.2.")
        });
        for (name, tensor) in all.iter_mut() {
            let mut size: Vec<i64> =
                tensor.size().iter().map(|n| if n % 64 == 0 { n / 64 * 768 } else { *n }).collect();
            match &**name {
                "visual.conv1.weight" => size = vec![768, 3, 32, 32],
                "visual.positional_embedding" => size = vec![50, 768],
                "visual.proj" => size = vec![768, 512],
                _ => {}
            }
            *tensor = Tensor::zeros(size, (Kind::Half, Device::Cpu));
        }
        all.insert("logit_scale".to_owned(), Tensor::from(4.6_f32));
    });
    insta::assert_snapshot!(said, @r"
    ViT-B/32 has 12 layers in its image tower, and this file has 1 layers
      expected: one of OpenAI's models, or a model of other sizes
      help: a model whose other sizes are all those of one of OpenAI's has lost layers, or was given more; give the whole
    ");
}

#[test]
fn sizes_must_be_those_of_openais_models() {
    let longer = |name: &'static str, rows: i64| {
        complaint(move |all| {
            let more = tensor(&[rows, all[name].size()[1]]).to_kind(all[name].kind());
            let longer = Tensor::cat(&[&all[name], &more], 0);
            all.insert(name.to_owned(), longer);
        })
    };
    insta::assert_snapshot!(longer("token_embedding.weight", 7), @r"
    the weight `token_embedding.weight` has 49415 rows
      expected: 49408, the tokens of OpenAI's vocabulary
      help: a model of another vocabulary would be given wrong tokens; give one of OpenAI's
    ");
    insta::assert_snapshot!(longer("positional_embedding", 171), @r"
    the weight `positional_embedding` has 248 rows
      expected: 77, the longest prompt in tokens by its configuration
      help: models of longer or shorter prompts, such as LongCLIP, are not read yet
    ");
    insta::assert_snapshot!(longer("visual.positional_embedding", 1), @r"
    the image tower has 18 positions
      expected: the class token and a square of patches
      help: give a checkpoint of a CLIP model with OpenAI's weight names
    ");
    let without = |part: &'static str| complaint(move |all| all.retain(|name, _| !name.contains(part)));
    insta::assert_snapshot!(without("visual.transformer.resblocks.0."), @r"
    the layer `visual.transformer.resblocks.0` is missing, and `visual.transformer.resblocks.2` is there
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
    insta::assert_snapshot!(without("visual.transformer.resblocks.1.attn.out_proj.bias"), @r"
    the weight `visual.transformer.resblocks.1.attn.out_proj.bias` is missing
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
    insta::assert_snapshot!(without("visual.proj"), @r"
    the weight `visual.proj` is missing
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
    insta::assert_snapshot!(without("token_embedding.weight"), @r"
    the weight `token_embedding.weight` is missing
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
    insta::assert_snapshot!(without("logit_scale"), @r"
    the weight `logit_scale` is missing
      help: give a checkpoint of a CLIP model with OpenAI's weight names (RN50, ViT-B/16, …)
    ");
}

#[test]
fn numbers_that_are_none_are_named() {
    let with = |name: &'static str, value: f64| {
        complaint(move |all| {
            let changed = all[name].to_kind(Kind::Double);
            let _ = changed.flatten(0, -1).get(0).fill_(value);
            all.insert(name.to_owned(), changed);
        })
    };
    insta::assert_snapshot!(with("visual.proj", f64::NAN), @r"
    the weight `visual.proj` holds NaN once among its 3072 numbers
      expected: finite numbers
      help: the model's training diverged, or the file is damaged; give another checkpoint
    ");
    insta::assert_snapshot!(with("token_embedding.weight", f64::INFINITY), @r"
    the weight `token_embedding.weight` holds infinity once among its 3162112 numbers
      expected: finite numbers
      help: the model's training diverged, or the file is damaged; give another checkpoint
    ");
    insta::assert_snapshot!(with("ln_final.bias", f64::NEG_INFINITY), @r"
    the weight `ln_final.bias` holds infinity once among its 64 numbers
      expected: finite numbers
      help: the model's training diverged, or the file is damaged; give another checkpoint
    ");
    insta::assert_snapshot!(with("text_projection", 1e300), @r"
    the weight `text_projection` holds 1e300, which fp32 cannot hold
      help: compute in another precision: `--precision fp64`
    ");
    insta::assert_snapshot!(complaint(|all| drop(all.insert("logit_scale".into(), Tensor::from(1e5_f32)))), @r"
    the exponential of the weight `logit_scale` is inf
      expected: a factor from 0.01 to 1000: 100 in OpenAI's models
      help: checkpoints keep the factor's natural logarithm, such as 4.6052 for 100
    ");
    let quantised = |all: &mut Tensors| {
        let quantised = all["visual.proj"].to_kind(Kind::Int8);
        all.insert("visual.proj".into(), quantised);
    };
    insta::assert_snapshot!(complaint(quantised), @r"
    the weight `visual.proj` is of the type Int8
      expected: a floating-point type
      help: quantised models are not read; give the model in 16 or 32 bits
    ");
}

#[test]
fn numbers_too_large_for_the_precision_are_refused_in_it_alone() {
    let large = || {
        let mut all = tensors();
        let weight = all["visual.proj"].to_kind(Kind::Float) * 0.0 + 1e5;
        all.insert("visual.proj".to_owned(), weight);
        // Normalisations stay in single precision.
        let norm = all["ln_final.weight"].to_kind(Kind::Float) * 0.0 + 1e5;
        all.insert("ln_final.weight".to_owned(), norm);
        all
    };
    for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
        load(large(), Some(Assumption::OpenAi), kind).unwrap();
    }
    let error = load(large(), Some(Assumption::OpenAi), Kind::Half).unwrap_err();
    insta::assert_snapshot!(error.to_string().lines().next().unwrap(), @"the weight `visual.proj` holds 1e5, which fp16 cannot hold");
}

/// Some checkpoints keep the factor itself, and its exponential is a number that fp64 would compute tables with.
#[test]
fn a_logit_scale_that_is_no_logarithm_is_refused() {
    for stored in [100.0, -100.0, f64::NAN] {
        let said = complaint(|tensors| {
            let kind = tensors["logit_scale"].kind();
            tensors.insert("logit_scale".into(), Tensor::full([0_i64; 0], stored, (kind, Device::Cpu)));
        });
        assert!(said.contains("logit_scale"), "{said}");
    }
}

#[test]
fn widths_that_are_known_for_other_heads_are_refused() {
    for (width, heads) in [(1280, 80), (1408, 88), (1664, 104)] {
        let said = complaint(move |all| {
            all.retain(|name, _| !name.starts_with("visual.transformer.resblocks.") || name.contains(".0."));
            let wide = |name: &str, tensor: &Tensor| {
                let size: Vec<i64> =
                    tensor.size().iter().map(|n| if n % 64 == 0 { n / 64 * width } else { *n }).collect();
                name.starts_with("visual.").then(|| Tensor::zeros(size, (Kind::Half, Device::Cpu)))
            };
            for (name, tensor) in all.iter_mut() {
                if let Some(wide) = wide(name, tensor) {
                    *tensor = wide;
                }
            }
        });
        let expected =
            format!("the image tower is {width} wide, and models of that width have attention heads {heads} wide");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn what_the_tensors_do_not_tell_must_come_from_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), tensors(), &[]);
    let error = Clip::load(&path, Device::Cpu, Kind::Float).unwrap_err().to_string();
    insta::assert_snapshot!(error.replace(&*folder.path().to_string_lossy(), "FOLDER"), @r"
    `clip.safetensors` does not tell its model's activation, nor the width of its attention heads, nor how its images are prepared
      --> FOLDER/clip.safetensors
      expected: a file that OpenAI published (`nemesis backbone fetch`), or a word on what this one leaves open
      help: others, such as open_clip's of LAION-2B and DataComp, have another activation: put their `open_clip_config.json` beside the file, or name it with `--weights-config FILE`; if it is OpenAI's model in another format, or was trained on from it, say `--weights-config openai`
    ");

    let assumed = Clip::load_assuming(&path, Some(Assumption::OpenAi), Device::Cpu, Kind::Float).unwrap();
    assert_eq!(assumed.spec().origin, Origin::Assumed(Assumption::OpenAi));
    assert_eq!(assumed.spec().known_as(), None);
    insta::assert_snapshot!(assumed.spec().note("clip.safetensors").unwrap(), @"the activation (QuickGELU), head width 64 and preprocessing of `clip.safetensors` were assumed to be OpenAI's (--weights-config openai); its sizes are those of none of OpenAI's models (ViT of width 64, 3 layers, patches of 8, 32 pixels; text of width 64, 3 layers; 48 dimensions)");
    insta::assert_snapshot!(serde_json::to_string(&assumed.spec().facts()).unwrap(), @r#"{"shape":"ViT of width 64, 3 layers, patches of 8, 32 pixels; text of width 64, 3 layers; 48 dimensions","origin":"`openai` was assumed"}"#);
    assert_eq!(assumed.spec().key().assumed, Some(Assumption::OpenAi));

    // The file's own word comes before the user's.
    let path = write(folder.path(), tensors(), &[(METADATA_KEY, "openai".to_owned())]);
    for assume in [None, Some(Assumption::OpenAi)] {
        let said = inspect(&Request::new(&path, assume, Device::Cpu, Kind::Float)).unwrap();
        assert_eq!(said.origin, Origin::Metadata(Assumption::OpenAi));
        assert_eq!((said.key().assumed, said.note("x")), (None, None));
    }
    let path = write(folder.path(), tensors(), &[(METADATA_KEY, "open-ai".to_owned())]);
    let error = Clip::load(&path, Device::Cpu, Kind::Float).unwrap_err().to_string();
    assert!(error.starts_with("metadata `weights_config`: `open-ai` is not a configuration"), "{error}");
}

#[test]
fn a_script_of_openais_code_tells_what_its_tensors_do_not() {
    let clip = Clip::load(&fixture("checkpoints/scripted.pt"), Device::Cpu, Kind::Float).unwrap();
    assert_eq!(clip.spec().origin, Origin::Script);
    // Its bytes are none that were published, whatever its code is.
    assert_eq!(clip.spec().known_as(), None);
    insta::assert_snapshot!(clip.spec().shape, @"ResNet of width 2 with 1, 1, 1 and 1 blocks, 64 pixels; 8 dimensions");
    let checkpoint = Checkpoint::read(&fixture("checkpoints/scripted.pt")).unwrap();
    insta::assert_debug_snapshot!(checkpoint.modules, @r#"
    [
        "Multimodal",
        "clip.model.ModifiedResNet",
    ]
    "#);
    assert!(checkpoint.sha256.is_some() && known::of_file(&fixture("checkpoints/scripted.pt")).is_none());
    // The same model as a state dict says less.
    assert!(Clip::load(&fixture("checkpoints/resnet.pt"), Device::Cpu, Kind::Float).is_err());
}

/// A model of other names, told by its first line.
fn layout(names: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let tensors = names.iter().map(|name| ((*name).to_owned(), tensor(&[1]))).collect();
    let error = Clip::load(&write(folder.path(), tensors, &[]), Device::Cpu, Kind::Float).unwrap_err();
    format!("{}\n", error.to_string().lines().next().unwrap())
}

#[test]
fn other_layouts_are_named() {
    let said: String = [
        &["vision_model.embeddings.class_embedding", "text_model.final_layer_norm.bias", "logit_scale"][..],
        &["vision_model.head.attention.in_proj_bias", "text_model.head.bias", "logit_bias"],
        &["vision_model.embeddings.class_embedding", "visual_projection.weight"],
        &["clip.text_model.final_layer_norm.bias"],
        &["text.token_embedding.weight", "visual.conv1.weight", "visual.proj"],
        &["text.transformer.embeddings.word_embeddings.weight", "visual.trunk.patch_embed.proj.weight", "logit_bias"],
        &["text.token_embedding.weight", "visual.trunk.stem.0.weight"],
        &["text.token_embedding.weight", "visual.trunk.blocks.0.attn.q_bias"],
        &["text_decoder.ln_final.bias", "visual.conv1.weight"],
        &["model.visual.conv1.weight", "model.logit_scale"],
        &["_orig_mod.visual.conv1.weight", "_orig_mod.logit_scale"],
        &["model.visual.conv1.weight", "model_ema.visual.conv1.weight"],
        &["visual.conv1.weight", "module.visual.conv1.weight"],
        &["conv1.weight", "class_embedding", "proj"],
        &["conv1.weight", "layer1.0.conv1.weight", "attnpool.c_proj.weight"],
        &["conv1.weight", "layer1.0.conv1.weight", "fc.weight"],
        &["patch_embed.proj.weight", "cls_token"],
        &["token_embedding.weight", "positional_embedding", "ln_final.weight"],
        &["state.0.exp_avg", "state.0.exp_avg_sq"],
        &["ctx", "token_prefix", "token_suffix"],
        &["prompt_learner.ctx", "prompt_learner.compound_prompts_text.0"],
        &["base_model.model.visual.proj.lora_A.weight", "base_model.model.visual.proj.lora_B.weight"],
        &["encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"],
        &["weight"],
        &[],
    ]
    .map(layout)
    .concat();
    insta::assert_snapshot!(said, @r"
    the file holds a part of transformers' CLIPModel, or one with another module around it, whose layout is not read yet
    the file holds a SigLIP of transformers, which is another family than CLIP
    the file holds an image tower alone, of transformers' CLIPVisionModel, whose layout is not read yet
    the file holds a text tower alone, of transformers' CLIPTextModel, whose layout is not read yet
    the weight `visual.conv1.weight` has the shape [1]
    the file holds a SigLIP of open_clip, which is another family than CLIP
    the file holds a model of open_clip with an image tower of timm (`visual.trunk.`), whose layout is not read yet
    the file holds an EVA-CLIP, which is another family than CLIP
    the file holds a CoCa of open_clip, whose layout is not read yet
    the file holds a CLIP whose weights lie under `model.`, with another module or dictionary around it
    the file holds a CLIP whose weights lie under `_orig_mod.`, with another module or dictionary around it
    the file holds two models: one under `model.`, and one under `model_ema.`
    the file holds two models: one without a prefix, and one under `module.`
    the file holds an image tower alone, without `visual.` before its names, whose layout is not read yet
    the file holds an image tower alone, without `visual.` before its names, whose layout is not read yet
    the file holds a residual network of torchvision, and no CLIP
    the file holds an image tower of timm, and no CLIP
    the file holds a text tower alone, whose layout is not read yet
    the file holds the state of an optimiser, and no model
    the file holds what a prompt learner has learned, and no CLIP
    the file holds what a prompt learner has learned, and no CLIP
    the file holds LoRA's weights alone
    the file holds no CLIP, but 4 tensors: `decoder.bias`, `decoder.weight`, `encoder.bias`, …
    the file holds no CLIP, but 1 tensors: `weight`
    the file holds no weights at all
    ");
}

#[test]
fn other_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.pt");
    let mut said = String::new();
    let tar = [vec![b'a'; 257], b"ustar".to_vec()].concat();
    let files: [&[u8]; 13] = [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        b"\n<!DOCTYPE html>",
        b"{\"weight_map\": {\"a\": \"1.safetensors\", \"b\": \"2.safetensors\", \"c\": \"2.safetensors\"}}",
        b"{\"model_cfg\": {}, \"preprocess_cfg\": {}}",
        b"{\"architectures\": [\"CLIPModel\"]}",
        b"{\"error\": \"Repository not found\"}",
        b"Access denied: sign in",
        b"\x7fELF\x02\x01\x01\x00",
        b"\x93NUMPY\x01\x00v\x00",
        b"\x1f\x8b\x08\x00",
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
        &tar,
        b"\x10\x00\x00\x00\x00\x00\x00\x00not a header at all",
    ];
    for bytes in files {
        std::fs::write(&path, bytes).unwrap();
        let error = Clip::load(&path, Device::Cpu, Kind::Float).unwrap_err();
        assert_eq!(error.file(), Some(&*path));
        writeln!(said, "{}", error.what()).unwrap();
    }
    let error = Clip::load(folder.path(), Device::Cpu, Kind::Float).unwrap_err().to_string();
    writeln!(said, "{}", error.replace(&*folder.path().to_string_lossy(), "FOLDER")).unwrap();
    insta::assert_snapshot!(said, @r"
    the file is a pointer of Git LFS, and the checkpoint itself was not fetched
    the file is a web page and no checkpoint
    the file is the index of a checkpoint in 2 shards, and no checkpoint
    the file is JSON, and no checkpoint
    the file is JSON, and no checkpoint
    the file is JSON, and no checkpoint
    the file is a text, and no checkpoint
    the file is a program or library, such as a plugin (--plugin takes those), and no checkpoint
    the file is an array of NumPy, and no checkpoint
    the file is a gzip archive, and no checkpoint
    the file is a pickle that `torch.save` did not write
    the file is a tar archive, and no checkpoint
    the checkpoint cannot be read as safetensors: invalid JSON in header: expected ident at line 1 column 2
    this is a folder, and no checkpoint
      --> FOLDER
      expected: a checkpoint of CLIP: OpenAI's TorchScript `.pt`, a state dict of `torch.save`, or safetensors
      help: give one of its files, such as FOLDER/clip.pt
    ");
}
