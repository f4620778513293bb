// A method in C++: a trained residual on the text features of a hand-written prompt, after TaskRes (Yu et al., "Task
// Residual for Tuning Vision-Language Models", CVPR 2023).
//
// It shows all that a plugin in a language other than Rust needs: the metadata in the file, the entry, the functions of
// a method, statuses with owned text, and tensors as `at::Tensor *`. build.sh compiles it.

#include "nemesis.h"

#include <ATen/ATen.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#ifndef SOURCE_HASH
#error "pass -DSOURCE_HASH: a hash over the sources, to tell results apart"
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define ID "task-residual"
#define VERSION "0.1.0"

// What the file says about itself, for a host that has not loaded it yet.
__attribute__((used, section(".nemesis_plugin"))) static const char metadata[] =
    "abi=" NEMESIS_ABI_VERSION "\nlibtorch=" TORCH_VERSION "\ncxx11_abi=" TEXT(_GLIBCXX_USE_CXX11_ABI)
    "\nsdk=C++\nid=" ID "\nversion=" VERSION "\nsource=" SOURCE_HASH "\n";

static const char descriptor[] = R"({
  "id": ")" ID R"(", "version": ")" VERSION R"(", "source": ")" SOURCE_HASH R"(",
  "label": "TaskRes",
  "summary": "a trained residual on the text features of a hand-written prompt",
  "paper": "Yu et al., Task Residual for Tuning Vision-Language Models, CVPR 2023",
  "needs": {"pixels": false, "features": true, "dense": false},
  "optimisation": "host",
  "options": []
})";

namespace {

// The weight of the residual, the paper's alpha.
constexpr double kShare = 0.5;

// Rows divided by their 2-norm.
at::Tensor unit(const at::Tensor &rows) { return rows / rows.norm(2, -1, true); }

struct Method {
    at::Tensor base;      // [classes, embed_dim], of the hand-written prompt, of length one
    at::Tensor residual;  // [classes, embed_dim], the parameter
    double logit_scale;

    at::Tensor logits(const at::Tensor &features) const {
        return unit(features).matmul(unit(base + kShare * residual).t()) * logit_scale;
    }
};

struct InvalidOptions : std::runtime_error {
    using std::runtime_error::runtime_error;
};

NemesisStr str(const char *text) { return {text, std::strlen(text)}; }

// Text handed over carries the function that frees it.
NemesisStatus status(uint32_t code, const std::string &message) {
    if (message.empty()) return {code, {nullptr, 0, nullptr}};
    char *data = static_cast<char *>(std::malloc(message.size()));
    if (data == nullptr) return {code, {nullptr, 0, nullptr}};
    std::memcpy(data, message.data(), message.size());
    return {code, {data, message.size(), [](char *text, size_t) { std::free(text); }}};
}

// No exception may cross the border.
template <typename Body>
NemesisStatus guard(Body body) {
    try {
        body();
        return status(NEMESIS_STATUS_OK, "");
    } catch (const InvalidOptions &error) {
        return status(NEMESIS_STATUS_INVALID_OPTIONS, error.what());
    } catch (const c10::Error &error) {
        return status(NEMESIS_STATUS_ERROR, error.what_without_backtrace());
    } catch (const std::exception &error) {
        return status(NEMESIS_STATUS_ERROR, error.what());
    } catch (...) {
        return status(NEMESIS_STATUS_PANIC, "something that is not an exception was thrown");
    }
}

// Takes over a status of the host: frees its text, and throws unless it is OK.
void demand(NemesisStatus status) {
    const std::string message(status.message.data == nullptr ? "" : status.message.data, status.message.len);
    if (status.message.free != nullptr) status.message.free(status.message.data, status.message.len);
    if (status.code != NEMESIS_STATUS_OK) throw std::runtime_error(message);
}

// Every struct begins with its size, as known to the side that made it.
template <typename Struct>
const Struct &sized(const Struct *pointer, const char *what) {
    if (pointer == nullptr || pointer->struct_size < sizeof(Struct)) {
        throw std::runtime_error(std::string("the ") + what + " is smaller than this plugin needs");
    }
    return *pointer;
}

const at::Tensor &borrowed(NemesisTensor tensor, const char *what) {
    if (tensor == nullptr) throw std::runtime_error(std::string("there is no tensor `") + what + "`");
    return *static_cast<at::Tensor *>(tensor);
}

// A result is a new tensor, which the receiver deletes.
NemesisTensor handed_over(at::Tensor tensor) { return new at::Tensor(std::move(tensor)); }

// There are no options: any that is given is refused, and the message names it.
void refuse_options(const std::string &json) {
    const size_t start = json.find('"');
    if (start == std::string::npos) return;
    const std::string name = json.substr(start + 1, json.find('"', start + 1) - start - 1);
    throw InvalidOptions("option `" + name + "` is unknown; the method has no options");
}

NemesisStatus create(const NemesisHost *host, const NemesisTask *task, NemesisStr options, void **out) {
    return guard([&] {
        const NemesisHost &services = sized(host, "host table");
        const NemesisTask &about = sized(task, "task");
        refuse_options(std::string(options.data, options.len));
        std::vector<std::string> prompts;
        std::vector<NemesisStr> lent;
        for (size_t i = 0; i < about.class_count; i++) {
            std::string prompt(about.template_.data, about.template_.len);
            const std::string name(about.class_names[i].data, about.class_names[i].len);
            const size_t place = prompt.find("{}");
            prompts.push_back(place == std::string::npos ? prompt + name : prompt.replace(place, 2, name));
        }
        for (const std::string &prompt : prompts) lent.push_back({prompt.data(), prompt.size()});
        NemesisTensor encoded = nullptr;
        demand(services.encode_strings(services.context, lent.data(), lent.size(), &encoded));
        const std::unique_ptr<at::Tensor> base(static_cast<at::Tensor *>(encoded));
        const at::Tensor residual = at::zeros_like(*base).set_requires_grad(true);
        *out = new Method{unit(*base), residual, about.logit_scale};
    });
}

void destroy(void *method) { delete static_cast<Method *>(method); }

NemesisStatus parameters(void *method, const NemesisParameterSink *sink) {
    return guard([&] {
        const NemesisParameterSink &into = sized(sink, "parameter sink");
        NemesisParameter parameter{};
        parameter.struct_size = sizeof parameter;
        parameter.name = str("residual");
        parameter.tensor = &static_cast<Method *>(method)->residual;
        parameter.group = str("default");
        parameter.optimiser = str("");
        demand(into.push(into.context, &parameter));
    });
}

NemesisStatus loss(void *method, const NemesisBatch *batch, const NemesisHost *host, NemesisTensor *out) {
    return guard([&] {
        const NemesisBatch &inputs = sized(batch, "batch");
        const NemesisHost &services = sized(host, "host table");
        const at::Tensor logits = static_cast<Method *>(method)->logits(borrowed(inputs.features, "features"));
        at::Tensor loss = at::cross_entropy_loss(logits, borrowed(inputs.labels, "labels"));
        at::Tensor value = loss.detach();
        demand(services.report(services.context, str("cross_entropy"), &value));
        *out = handed_over(std::move(loss));
    });
}

NemesisStatus logits(void *method, const NemesisBatch *batch, const NemesisHost *, NemesisTensor *out) {
    return guard([&] {
        const NemesisBatch &inputs = sized(batch, "batch");
        *out = handed_over(static_cast<Method *>(method)->logits(borrowed(inputs.features, "features")));
    });
}

NemesisStatus save(void *method, const NemesisTensorSink *sink) {
    return guard([&] {
        const NemesisTensorSink &into = sized(sink, "tensor sink");
        at::Tensor residual = static_cast<Method *>(method)->residual.detach();
        demand(into.push(into.context, str("residual"), &residual));
    });
}

NemesisStatus load(void *method, const NemesisTensorList *state) {
    return guard([&] {
        const NemesisTensorList &list = sized(state, "state");
        at::Tensor &residual = static_cast<Method *>(method)->residual;
        for (size_t i = 0; i < list.count; i++) {
            if (std::string(list.names[i].data, list.names[i].len) != "residual") continue;
            const at::Tensor &stored = borrowed(list.tensors[i], "residual");
            if (stored.sizes() != residual.sizes()) throw std::runtime_error("the stored `residual` has a different shape");
            residual.copy_(stored);  // In place, and unseen by autograd: grad mode is off in this call.
            return;
        }
        throw std::runtime_error("the state lacks the tensor `residual`");
    });
}

}  // namespace

// The one symbol that the host looks up.
extern "C" __attribute__((visibility("default"))) const NemesisEntry *nemesis_plugin_entry_v1() {
    static const NemesisMethodTable method = [] {
        NemesisMethodTable table{};
        table.struct_size = sizeof table;
        table.destroy = destroy;
        table.parameters = parameters;
        table.loss = loss;
        table.logits = logits;
        table.save = save;
        table.load = load;
        return table;
    }();
    static const NemesisEntry entry = [] {
        NemesisEntry table{};
        table.struct_size = sizeof table;
        table.abi_major = NEMESIS_ABI_MAJOR;
        table.abi_minor = NEMESIS_ABI_MINOR;
        table.libtorch = str(TORCH_VERSION);
        table.cxx11_abi = str(TEXT(_GLIBCXX_USE_CXX11_ABI));
        table.sdk = str("C++");
        table.descriptor = str(descriptor);
        table.method = &method;
        table.create = create;
        return table;
    }();
    return &entry;
}
