/*
 * The C interface between nemesis and a method plugin.
 *
 * Generated from the crate nemesis-abi, whose documentation has the rules of the border: who frees what, on which
 * thread calls come, and when grad mode is on. Do not edit: `UPDATE_HEADER=1 cargo test -p nemesis-abi` writes it.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

// Plugins and hosts of different major versions do not understand each other.
#define NEMESIS_ABI_MAJOR 1

// A host understands plugins of its own and of all lower minor versions.
#define NEMESIS_ABI_MINOR 1

// The class name comes after all context vectors.
#define NEMESIS_CLASS_POSITION_END 0

// The class name comes after the first half of the context vectors, rounded down.
#define NEMESIS_CLASS_POSITION_MIDDLE 1

// The class name comes before all context vectors.
#define NEMESIS_CLASS_POSITION_FRONT 2

// Something the user should know about the result.
#define NEMESIS_LOG_WARN 1

// Something worth seeing in a normal run.
#define NEMESIS_LOG_INFO 2

// Something that helps with debugging.
#define NEMESIS_LOG_DEBUG 3

// Tensors are in main memory.
#define NEMESIS_DEVICE_CPU 0

// Tensors are on a CUDA device.
#define NEMESIS_DEVICE_CUDA 1

// Tensors are on Apple's Metal device.
#define NEMESIS_DEVICE_MPS 2

// Tensors are on a Vulkan device.
#define NEMESIS_DEVICE_VULKAN 3

// Half precision. The numbers of the kinds are those of `c10::ScalarType`.
#define NEMESIS_KIND_HALF 5

// Single precision.
#define NEMESIS_KIND_FLOAT 6

// Double precision.
#define NEMESIS_KIND_DOUBLE 7

// bfloat16.
#define NEMESIS_KIND_BFLOAT16 15

// The call did what was asked, and its results are written.
#define NEMESIS_STATUS_OK 0

// The call failed for the reason in the message.
#define NEMESIS_STATUS_ERROR 1

// The call panicked or threw; the message is the panic's. The method may only be destroyed.
#define NEMESIS_STATUS_PANIC 2

// The options given to `create` are wrong; the message names the option, between its first backquotes.
#define NEMESIS_STATUS_INVALID_OPTIONS 3

// The call ended early because `cancelled` said so.
#define NEMESIS_STATUS_CANCELLED 4

// The optional function exists but does nothing in this plugin.
#define NEMESIS_STATUS_UNSUPPORTED 5

// Borrowed UTF-8 text. It is not terminated by a zero byte; `data` may be null when `len` is zero.
typedef struct {
    // The first byte.
    const char *data;
    // The number of bytes.
    size_t len;
} NemesisStr;

// UTF-8 text that is handed over. The receiver calls `free(data, len)` once, on any thread, if `free` is not null.
typedef struct {
    // The first byte, or null when `len` is zero.
    char *data;
    // The number of bytes.
    size_t len;
    // The maker's function that frees the text; null for text that is static or empty.
    void (*free)(char *data, size_t len);
} NemesisOwnedStr;

// The outcome of a call. A code that the receiver does not know counts as `STATUS_ERROR`.
typedef struct {
    // One of the `STATUS_` constants.
    uint32_t code;
    // What went wrong: a sentence without a final period. Empty when the code is `STATUS_OK`.
    NemesisOwnedStr message;
} NemesisStatus;

// What a method is created for. Made by the host; borrowed for the call of `create`.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // Class names by label, underscores already replaced by spaces.
    const NemesisStr *class_names;
    // The number of classes, at least one.
    size_t class_count;
    // The data set's zero-shot template, with `{}` in place of the class name.
    NemesisStr template_;
    // Width of the text transformer, which is that of a context vector.
    int64_t width;
    // Width of the shared embedding space.
    int64_t embed_dim;
    // The factor on cosine similarities.
    double logit_scale;
    // The device of all tensors, one of the `DEVICE_` constants.
    uint32_t device;
    // The index among several devices of this kind, counted from zero.
    uint32_t device_index;
    // The type of parameters and features, one of the `KIND_` constants.
    uint32_t kind;
    // Always zero.
    uint32_t reserved;
    // The name of the protocol's precision, such as `fp32`.
    NemesisStr precision;
    // The number of training epochs.
    uint64_t epochs;
} NemesisTask;

// A tensor, an `at::Tensor *` of the libtorch that both sides share.
typedef void *NemesisTensor;

// The inputs of one step, or of one evaluation. Made by the host; borrowed for one call.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // For each row the image's index in the few-shot sample or the test split.
    const uint64_t *items;
    // The number of rows, at least one.
    size_t count;
    // Labels `[images]`, 64-bit integers; empty in an evaluation. Never null.
    NemesisTensor labels;
    // Global features `[images, embed_dim]` as they leave the image tower, or null if the descriptor does not ask for
    // them.
    NemesisTensor features;
    // Dense features `[images, places, embed_dim]`, not normalised, or null if the descriptor does not ask for them:
    // one for each patch of a vision transformer, or for each pixel of the last layer of a residual network, row by
    // row.
    NemesisTensor dense;
    // Pixels `[images, 3, side, side]` of the images as they are encoded, augmented in training and normalised, or
    // null if the descriptor does not ask for them.
    NemesisTensor pixels;
    // The epoch, counted from zero.
    uint64_t epoch;
    // How many epochs there are.
    uint64_t epochs;
    // The step, counted from zero over the whole training.
    uint64_t step;
    // How many steps there are in the whole training.
    uint64_t steps;
} NemesisBatch;

// Features with labels of a whole split. Made by the host; borrowed for one call.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // Features `[views * images, embed_dim]`, not normalised, one view of all images after the other. Never null. There
    // is one view, unless the descriptor asks for more `views` of the training sample; how many there are, the number of
    // labels tells.
    NemesisTensor features;
    // Labels `[images]`, 64-bit integers. Never null.
    NemesisTensor labels;
} NemesisFeatureSet;

// A tensor that is trained. Made by the plugin; borrowed for one call of `ParameterSink::push`.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The name, unique within the method.
    NemesisStr name;
    // A leaf with `requires_grad`. The host keeps a copy of the `at::Tensor` and changes the storage in place.
    NemesisTensor tensor;
    // The group whose options it shares.
    NemesisStr group;
    // The optimiser by name; empty for the protocol's.
    NemesisStr optimiser;
    // Names of factors and replacements for the protocol's optimiser options: `lr_scale`, `weight_decay`, and those of
    // the optimiser: `momentum` and `dampening` of SGD, `beta1`, `beta2` and `eps` of Adam and `AdamW`. Null if there
    // are none.
    const NemesisStr *option_names;
    // Their values. Null if there are none.
    const double *option_values;
    // How many there are.
    size_t option_count;
} NemesisParameter;

// Where a method puts its parameters, one by one. Made by the host; valid during one call, on its thread.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The first argument of `push`.
    void *context;
    // Takes one parameter. A status that is not OK must be returned unchanged. Never null.
    NemesisStatus (*push)(void *context, const NemesisParameter *parameter);
} NemesisParameterSink;

// Where a method puts the tensors of its state, one by one. Made by the host; valid during one call, on its thread.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The first argument of `push`.
    void *context;
    // Takes one tensor, borrowed, by a name that is unique within the state. A status that is not OK must be
    // returned unchanged. Never null.
    NemesisStatus (*push)(void *context, NemesisStr name, NemesisTensor tensor);
} NemesisTensorSink;

// Tensors by name. Made by the host; borrowed for one call.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The names.
    const NemesisStr *names;
    // The tensors, none of them null.
    const NemesisTensor *tensors;
    // How many there are.
    size_t count;
} NemesisTensorList;

// The table of the host's services.
//
// It is made by the host for one call into the plugin, and valid on that call's thread until it returns. The first
// argument of every function is `context`. No function is null. None of them changes grad mode.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The first argument of every function.
    void *context;
    // Writes a line to the host's log; `level` is one of the `LOG_` constants.
    void (*log)(void *context, uint32_t level, NemesisStr message);
    // Whether the run was cancelled (1) or not (0). A long call should then return
    // `STATUS_CANCELLED` soon.
    uint32_t (*cancelled)(void *context);
    // Writes features `[prompts, embed_dim]`, not normalised and without gradient, of `count` whole prompts to
    // `out`. Fails when a prompt is too long.
    NemesisStatus (*encode_strings)(void *context, const NemesisStr *prompts, size_t count, NemesisTensor *out);
    // Writes features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    // `[copies, 1 or classes, context vectors, width]` to `out`.
    //
    // `position` is one of the `CLASS_POSITION_` constants. The features are differentiable in `contexts` if grad
    // mode is on, but only through `backward` and `gradients`: the graph may be cut here, so a plugin that calls
    // libtorch's own `backward` loses gradients. Fails when the shape does not fit, or a prompt is too long.
    NemesisStatus (*encode_contexts)(void *context, NemesisTensor contexts, uint32_t position, NemesisTensor *out);
    // Writes token embeddings `[tokens, width]` of text to `out`, to initialise contexts with. Fails when it is too
    // long.
    NemesisStatus (*embed_text)(void *context, NemesisStr text, NemesisTensor *out);
    // Adds the gradient of a scalar `loss` to the `grad` of every leaf it depends on. Fails when it is not a scalar
    // with a graph.
    NemesisStatus (*backward)(void *context, NemesisTensor loss);
    // Writes the gradients of a scalar `loss` in `count` tensors to `out`, an array of `count`, each with the shape
    // of its input, and zero if the loss does not depend on it. No `grad` is touched, and the graph is kept, so that
    // a second loss of the same step can be differentiated. Fails when `loss` is not a scalar with a graph.
    NemesisStatus (*gradients)(void *context,
                               NemesisTensor loss,
                               const NemesisTensor *inputs,
                               size_t count,
                               NemesisTensor *out);
    // Writes `count` random 64-bit numbers to `out`, a pure function of the cell's seed, `purpose` and `index`. A
    // longer stream begins with the shorter one.
    NemesisStatus (*random)(void *context, NemesisStr purpose, uint64_t index, size_t count, uint64_t *out);
    // Records a value of this step (a scalar or a small vector) under a name, for the training record. Outside of
    // steps, as in `create`, `prepare`, `fit` or an evaluation, it does nothing.
    NemesisStatus (*report)(void *context, NemesisStr name, NemesisTensor value);
    // A table of an optional service by its name, a string that ends with a zero byte, or null if this host has
    // none, or not for this method. Names end with the version of their table. Since version 1.1 there is
    // `nemesis.towers/1`, a `Towers`.
    const void *(*get_extension)(void *context, const char *name);
} NemesisHost;

// The sizes of the towers, for making parameters. Made by the host.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // Layers of the image tower; zero if it is a residual network, which takes no changes.
    size_t image_layers;
    // Width of a token in the image tower.
    int64_t image_width;
    // Width of the perceptron's hidden layer in the image tower.
    int64_t image_hidden;
    // Tokens of an image: the class token and one for each patch.
    int64_t image_tokens;
    // Layers of the text tower.
    size_t text_layers;
    // Width of a token in the text tower, which is that of a context vector.
    int64_t text_width;
    // Width of the perceptron's hidden layer in the text tower.
    int64_t text_hidden;
} NemesisTowerSizes;

// Prompt tokens that a layer sees.
//
// In the image tower they are `[1 or images, tokens, width]`. At layer 0 they are appended behind the patches, after the
// positional embedding was added and before `ln_pre`. At a later layer they take the place of the last tokens, as many
// as layer 0 has appended. In the text tower they are `[copies, 1 or classes, tokens, width]`; before layer `layer`,
// which is not 0, they take the place of rows `1..=tokens`, where the start token is row 0.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The layer, counted from zero.
    size_t layer;
    // The tokens.
    NemesisTensor tokens;
} NemesisLayerPrompt;

// Inverted dropout of single numbers. Masks are drawn by the host, a pure function of the cell's seed, `index` and the
// name of the map.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The probability that a number becomes zero.
    double probability;
    // Tells apart draws of the same map; the step, for example.
    uint64_t index;
    // The mask to use instead of a drawn one, `[sequences, tokens, from]`, already divided by the probability of
    // keeping a number; null to draw it. Text then goes through the tower padded to the context length.
    NemesisTensor mask;
} NemesisDropout;

// A low-rank delta on a linear map: `y = W x + b + scale * up(down(dropout(x)))`.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The linear map, such as `image.0.q`.
    NemesisStr name;
    // `A`, `[rank, from]`.
    NemesisTensor down;
    // `B`, `[to, rank]`.
    NemesisTensor up;
    // The factor on the product.
    double scale;
    // Dropout on the delta's input, in training; null for none.
    const NemesisDropout *dropout;
} NemesisLowRank;

// A weight of the frozen model in whose place another of the same shape is used.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The weight, such as `image.0.ln_1.weight`.
    NemesisStr name;
    // The tensor.
    NemesisTensor tensor;
} NemesisReplacement;

// What is different from the frozen model in one call. Made by the plugin; borrowed for one call.
//
// A null pointer in place of this struct means no changes. Its lists are arrays of pointers, so that the structs in
// them can grow. Tensors are of the task's type and device.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // Prompt tokens by layer, each layer at most once.
    const NemesisLayerPrompt *const *prompts;
    // How many there are.
    size_t prompt_count;
    // Low-rank deltas on linear maps, each map at most once.
    const NemesisLowRank *const *low_rank;
    // How many there are.
    size_t low_rank_count;
    // Weights that are replaced by trained copies, each at most once.
    const NemesisReplacement *const *replaced;
    // How many there are.
    size_t replaced_count;
    // What follows a class name in `encode_contexts`: `, a type of pet.` for example. If `data` is null, it is a full
    // stop. Whole prompts have no class name, so nothing may be given for them.
    NemesisStr ending;
} NemesisTowerChanges;

// The frozen towers with changes of a method's own for one call: prompt tokens in any layer, and deltas on weights.
//
// The host's `get_extension` gives it under the name `nemesis.towers/1` to methods whose descriptor asks for `towers`,
// and a null pointer to others. The table is static; its functions serve the call that handed over the `Host`, and
// their first argument is the `context` of that `Host`. No function is null.
//
// Features are differentiable in every tensor of the changes if grad mode is on, but only through the host's
// `backward` and `gradients`, as with `encode_contexts`.
//
// Weights are named `TOWER.LAYER.PART`, with the tower `image` or `text`, the layer counted from zero, and the part
// `q`, `k`, `v`, `o`, `c_fc` or `c_proj` for linear maps, or `ln_1` or `ln_2` for layer normalisations. Outside of
// layers there are `image.ln_pre`, `image.ln_post` and `text.ln_final`. A `Replacement` adds `.weight` or `.bias`.
//
// `Host`: crate::Host
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The sizes of the towers, valid until the call that handed over the host returns. Null if the host
    // fails.
    const NemesisTowerSizes *(*sizes)(void *context);
    // Writes features `[images, embed_dim]`, not normalised, of pixels `[images, 3, side, side]` to `out`. If
    // `patches` is not null, it writes those of patches there, `[images, patches, embed_dim]`, not normalised.
    //
    // Fails when a change does not fit the tower, or the image tower is a residual network.
    NemesisStatus (*encode_images)(void *context,
                                   NemesisTensor pixels,
                                   const NemesisTowerChanges *changes,
                                   NemesisTensor *out,
                                   NemesisTensor *patches);
    // Writes features `[copies, classes, embed_dim]`, not normalised, of the task's class names behind `contexts`
    // `[copies, 1 or classes, context vectors, width]` to `out`. `position` is one of the `CLASS_POSITION_` constants.
    //
    // Fails when a change or the contexts do not fit the tower, or a prompt is too long.
    NemesisStatus (*encode_contexts)(void *context,
                                     NemesisTensor contexts,
                                     uint32_t position,
                                     const NemesisTowerChanges *changes,
                                     NemesisTensor *out);
    // Writes features `[prompts, embed_dim]`, not normalised, of `count` whole prompts to `out`. For a
    // `LayerPrompt`, prompts are the classes of a single copy.
    //
    // Fails when a change does not fit the tower, or a prompt is too long.
    NemesisStatus (*encode_strings)(void *context,
                                    const NemesisStr *prompts,
                                    size_t count,
                                    const NemesisTowerChanges *changes,
                                    NemesisTensor *out);
} NemesisTowers;

// The table of a method's functions, static in the plugin and shared by all its methods.
//
// The first argument of every function is what `create` wrote. All calls to one method come on
// the thread that created it, one at a time. A function that is marked optional may be null.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // Frees the method. It is called once, last. Grad mode is off.
    void (*destroy)(void *method);
    // Pushes the tensors that are trained into `sink`: the same ones, in the same order, in every call. Grad mode is
    // off.
    NemesisStatus (*parameters)(void *method, const NemesisParameterSink *sink);
    // Writes the loss of a batch, a scalar with a graph, to `out`. Grad mode is on.
    NemesisStatus (*loss)(void *method, const NemesisBatch *batch, const NemesisHost *host, NemesisTensor *out);
    // Writes the logits `[images, classes]` of a batch to `out`. Grad mode is off.
    NemesisStatus (*logits)(void *method, const NemesisBatch *batch, const NemesisHost *host, NemesisTensor *out);
    // Pushes what was learned into `sink`, for storage. Grad mode is off.
    NemesisStatus (*save)(void *method, const NemesisTensorSink *sink);
    // Replaces what was learned by a stored state, in the storage of the parameters. Fails when a tensor is missing
    // or has a different shape. Grad mode is off.
    NemesisStatus (*load)(void *method, const NemesisTensorList *state);
    // Optional: called once before training with features of the training sample, for methods that use the data in
    // advance. `val` holds those of the few-shot validation sample if the descriptor asks for `validation` and the
    // data set has one; otherwise it is null. Called only if the descriptor asks for `features`, and then also if it
    // says `none`, for methods that learn without gradients. Grad mode is off.
    NemesisStatus (*prepare)(void *method,
                             const NemesisFeatureSet *train,
                             const NemesisFeatureSet *val,
                             const NemesisHost *host);
    // Optional: trains the method in a single call, if the descriptor says `fit`. Grad mode is on.
    //
    // The host does not see where a step ends. So no gradient can be taken of features once one was taken of features that
    // were encoded later, and not of the former as well: these must be encoded again.
    NemesisStatus (*fit)(void *method, const NemesisFeatureSet *train, const NemesisHost *host);
    // Optional: fills the gradients of the parameters itself and writes the loss to record to `out`, or writes null
    // to let the host take `loss` and its gradient. Grad mode is on, and every `grad` is undefined or zero.
    //
    // The host updates the parameters with whatever is in their `grad` when the call returns. To put it there, call
    // the host's `backward` once or several times (gradients add up), or write gradients computed from the results of
    // the host's `gradients`, which does not touch any `grad`: in C++, `parameter.mutable_grad() = gradient`. In the
    // first step, every parameter whose `lr_scale` is not zero must have a gradient, and at least one must be nonzero,
    // whether the gradients come from here or from `loss`. Otherwise training fails.
    NemesisStatus (*compute_gradients)(void *method,
                                       const NemesisBatch *batch,
                                       const NemesisHost *host,
                                       NemesisTensor *out);
} NemesisMethodTable;

// The plugin, as the host sees it. Static in the plugin.
typedef struct {
    // The size of this struct in bytes.
    size_t struct_size;
    // The `ABI_MAJOR` that the plugin was built with.
    uint32_t abi_major;
    // The `ABI_MINOR` that the plugin was built with.
    uint32_t abi_minor;
    // The version of the libtorch that the plugin was built with, `TORCH_VERSION` in its headers.
    NemesisStr libtorch;
    // The value of `_GLIBCXX_USE_CXX11_ABI` that the plugin was built with, `1` or `0`.
    NemesisStr cxx11_abi;
    // What the plugin was made with, for messages: `nemesis-sdk 0.1.0`.
    NemesisStr sdk;
    // What the method is and what it asks of the host: a JSON object, documented at `nemesis_sdk::Descriptor`.
    NemesisStr descriptor;
    // The functions of the methods that `create` creates.
    const NemesisMethodTable *method;
    // Creates a method for a task and writes it to `out`; the host gives it back to
    // `destroy`.
    //
    // `options` is a JSON object that holds the options the user gave; those absent have their defaults. Fails with
    // `STATUS_INVALID_OPTIONS` when an option is unknown or ill-typed, or when the
    // options contradict each other or the task. Grad mode is off.
    NemesisStatus (*create)(const NemesisHost *host, const NemesisTask *task, NemesisStr options, void **out);
    // Optional: a static table of an optional feature by its name, a string that ends with a zero byte, or null if
    // the plugin has none. It may be called on any thread.
    const void *(*get_extension)(const char *name);
} NemesisEntry;

// Both numbers of the version as text, as in the section of a plugin's file.
#define NEMESIS_ABI_VERSION "1.1"

// The name by which the host's `get_extension` gives a NemesisTowers table.
#define NEMESIS_TOWERS "nemesis.towers/1"

// The one symbol that a plugin exports.
#ifdef __cplusplus
extern "C"
#endif
const NemesisEntry *nemesis_plugin_entry_v1(void);
