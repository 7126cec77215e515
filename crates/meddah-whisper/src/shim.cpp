// whisper.cpp for Rust: a few functions of numbers and texts, so that no large struct crosses the border.
//
// The source is included and not linked, because its interface has no way to stop in the middle of the encoder, where
// half of the time goes: that needs the backends of its state.

#include "whisper.cpp"

#include "ggml-cpu.h"

#include <algorithm>
#include <cmath>
#include <exception>

namespace {

// A model, and what it understood last.
struct Model {
    whisper_context * context;
    std::string text;
    float no_speech;
    float confidence;
};

// With less sound than it was trained on, the decoder does not always see that a sentence is over: it says it again,
// or goes on inventing. This ends its text where that begins.
struct Ending {
    // Where the last word ends, and how long the sound is.
    float speech_seconds;
    float sound_seconds;
    // Tokens of text that are to be kept, or -1 for all of them.
    int kept;
};

// A time so close behind the last word, or later, closes the text.
const float CLOSE_SECONDS = 0.5f;
// Faster than anybody speaks for long, in tokens.
const float TOKENS_PER_SECOND = 4.5f;
// The shortest phrase that can be a loop.
const int PHRASE_MIN = 3;

// How many tokens at the end say again what stood before, or 0.
int repeated(const std::vector<whisper_token> & text, float seconds) {
    const int count = text.size();
    const bool too_fast = count > seconds * TOKENS_PER_SECOND;
    for (int period = PHRASE_MIN; period < count; ++period) {
        int same = 0;
        while (same + period < count && text[count - 1 - same] == text[count - 1 - same - period]) {
            ++same;
        }
        if ((too_fast && same >= PHRASE_MIN && same * 2 >= period) || same >= 2 * period) {
            return same;
        }
    }
    return 0;
}

void end_text(whisper_context * context, whisper_state *, const whisper_token_data * tokens, int count, float * logits,
              void * data) {
    Ending & ending = *static_cast<Ending *>(data);
    const whisper_token end = whisper_token_eot(context);
    const whisper_token zero = whisper_token_beg(context);
    std::vector<whisper_token> text;
    for (int place = 0; place < count; ++place) {
        if (tokens[place].id < end) {
            text.push_back(tokens[place].id);
        }
    }
    if (text.empty()) {
        return;
    }
    const float seconds = (tokens[count - 1].id - zero) * 0.02f;
    bool is_over = tokens[count - 1].id > zero && seconds >= ending.speech_seconds - CLOSE_SECONDS;
    const int again = repeated(text, ending.sound_seconds);
    if (again > 0) {
        ending.kept = text.size() - again;
        is_over = true;
    }
    if (is_over) {
        std::fill(logits, logits + whisper_n_vocab(context), -INFINITY);
        logits[end] = 0.0f;
    }
}

// Only what went wrong is told, to standard error, which the parent process keeps.
void tell_errors(enum ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        fputs(text, stderr);
    }
}

// Between any two operations, in the encoder too.
void stop_when(whisper_context * context, bool (*stop)(void *), void * data) {
    for (ggml_backend_t backend : context->state->backends) {
        if (ggml_backend_is_cpu(backend)) {
            ggml_backend_cpu_set_abort_callback(backend, stop, data);
        }
    }
}

// A text as tokens.
std::vector<whisper_token> tokens_of(whisper_context * context, const char * text) {
    std::vector<whisper_token> tokens(whisper_token_count(context, text));
    tokens.resize(std::max(0, whisper_tokenize(context, text, tokens.data(), tokens.size())));
    return tokens;
}

// The logarithm of the probability of one token.
double log_probability(const float * logits, int count, whisper_token token) {
    const float highest = *std::max_element(logits, logits + count);
    double sum = 0.0;
    for (int place = 0; place < count; ++place) {
        sum += std::exp(logits[place] - highest);
    }
    return logits[token] - highest - std::log(sum);
}

void keep_result(Model & model, int kept) {
    model.text.clear();
    model.no_speech = 0.0f;
    model.confidence = 0.0f;
    int words = 0;
    int tokens = 0;
    for (int segment = 0; segment < whisper_full_n_segments(model.context); ++segment) {
        model.no_speech = whisper_full_get_segment_no_speech_prob(model.context, segment);
        for (int place = 0; place < whisper_full_n_tokens(model.context, segment); ++place) {
            const whisper_token_data token = whisper_full_get_token_data(model.context, segment, place);
            model.confidence += token.plog;
            ++tokens;
            if (token.id < whisper_token_eot(model.context) && (kept < 0 || words < kept)) {
                model.text += whisper_token_to_str(model.context, token.id);
                ++words;
            }
        }
    }
    if (tokens > 0) {
        model.confidence /= tokens;
    }
}

}

extern "C" {

typedef bool (*meddah_whisper_stop)(void * data);

// A model, or null. The path is UTF-8.
Model * meddah_whisper_open(const char * path) {
    whisper_log_set(tell_errors, nullptr);
    ggml_log_set(tell_errors, nullptr);
    try {
        whisper_context_params params = whisper_context_default_params();
        params.use_gpu = false;
        whisper_context * context = whisper_init_from_file_with_params(path, params);
        return context == nullptr ? nullptr : new Model{context, "", 0.0f, 0.0f};
    } catch (const std::exception & error) {
        fprintf(stderr, "whisper: %s\n", error.what());
        return nullptr;
    }
}

void meddah_whisper_close(Model * model) {
    whisper_free(model->context);
    delete model;
}

bool meddah_whisper_is_multilingual(const Model * model) {
    return whisper_is_multilingual(model->context) != 0;
}

bool meddah_whisper_knows_language(const char * language) {
    return whisper_lang_id(language) >= 0;
}

int meddah_whisper_count_tokens(const Model * model, const char * text) {
    try {
        return whisper_token_count(model->context, text);
    } catch (const std::exception &) {
        return -1;
    }
}

// Understands samples of 16 kHz. 0, or a number of whisper.cpp that says where it stopped.
int meddah_whisper_run(Model * model, const float * samples, int count, float speech_seconds, int threads,
                       int audio_context, int tokens_max, const char * language, const char * prompt,
                       meddah_whisper_stop stop, void * data) {
    Ending ending = {speech_seconds, count / float(WHISPER_SAMPLE_RATE), -1};
    whisper_full_params params = whisper_full_default_params(WHISPER_SAMPLING_GREEDY);
    params.n_threads        = threads;
    params.audio_ctx        = audio_context;
    params.max_tokens       = tokens_max;
    params.language         = language;
    params.initial_prompt   = prompt;
    params.no_context       = true;
    params.single_segment   = true;
    params.print_progress   = false;
    params.print_timestamps = false;
    params.suppress_nst     = true;
    // One more try where a sentence repeats itself or is improbable, not five with five candidates each.
    params.temperature_inc  = 0.6f;
    params.greedy.best_of   = 1;
    params.abort_callback                   = stop;
    params.abort_callback_user_data         = data;
    params.logits_filter_callback           = end_text;
    params.logits_filter_callback_user_data = &ending;
    // What is spoken is found out before this is set from the parameters.
    model->context->state->exp_n_audio_ctx = audio_context;
    stop_when(model->context, stop, data);
    try {
        const int code = whisper_full(model->context, params, samples, count);
        keep_result(*model, ending.kept);
        return code;
    } catch (const std::exception & error) {
        fprintf(stderr, "whisper: %s\n", error.what());
        return -100;
    }
}

// How probable the model finds that what it heard last is this text, the sum of the logarithms of its tokens; 1 if that
// cannot be told. All of the text is looked at in one go.
double meddah_whisper_score(Model * model, const char * prompt, const char * text, int threads, meddah_whisper_stop stop,
                            void * data) {
    whisper_context * context = model->context;
    whisper_state * state = context->state;
    try {
        const std::vector<whisper_token> before = tokens_of(context, prompt);
        const std::vector<whisper_token> said = tokens_of(context, text);
        std::vector<whisper_token> tokens;
        if (!before.empty()) {
            tokens.push_back(whisper_token_prev(context));
            tokens.insert(tokens.end(), before.begin(), before.end());
        }
        tokens.push_back(whisper_token_sot(context));
        if (whisper_is_multilingual(context)) {
            tokens.push_back(whisper_token_lang(context, state->lang_id));
            tokens.push_back(whisper_token_transcribe(context));
        }
        tokens.push_back(whisper_token_not(context));
        const size_t first = tokens.size() - 1;
        tokens.insert(tokens.end(), said.begin(), said.end());
        if (said.empty() || tokens.size() > size_t(whisper_n_text_ctx(context)) / 2) {
            return 1.0;
        }
        const int count = tokens.size();
        whisper_batch_prep_legacy(state->batch, tokens.data(), count, 0, 0);
        for (size_t place = first; place < tokens.size(); ++place) {
            state->batch.logits[place] = 1;
        }
        whisper_kv_cache_clear(state->kv_self);
        stop_when(context, stop, data);
        if (!whisper_decode_internal(*context, *state, state->batch, threads, false, stop, data)) {
            return 1.0;
        }
        const int vocabulary = whisper_n_vocab(context);
        double score = 0.0;
        for (size_t place = first; place < tokens.size(); ++place) {
            const whisper_token next = place + 1 < tokens.size() ? tokens[place + 1] : whisper_token_eot(context);
            score += log_probability(state->logits.data() + place * vocabulary, vocabulary, next);
        }
        return score;
    } catch (const std::exception & error) {
        fprintf(stderr, "whisper: %s\n", error.what());
        return 1.0;
    }
}

// As the model writes it; stays until the next run.
const char * meddah_whisper_text(const Model * model) {
    return model->text.c_str();
}

// How probable the model finds that nobody speaks.
float meddah_whisper_no_speech(const Model * model) {
    return model->no_speech;
}

// Mean of the logarithms of the probabilities of its tokens.
float meddah_whisper_confidence(const Model * model) {
    return model->confidence;
}

}
