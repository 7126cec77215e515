// whisper.cpp for Rust: a few functions of numbers and texts, so that no large struct crosses the border.
//
// The source is included and not linked, because its interface has no way to stop in the middle of the encoder, where
// most of the time goes: that needs the backends of its state.

#include "whisper.cpp"

#include "ggml-cpu.h"

#include <exception>

extern "C" {

typedef bool (*meddah_whisper_stop)(void * data);

// Only what went wrong is told, to standard error, which the parent process keeps.
static void tell_errors(enum ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        fputs(text, stderr);
    }
}

// A model, or null. The path is UTF-8.
whisper_context * meddah_whisper_open(const char * path, bool flash_attention) {
    whisper_log_set(tell_errors, nullptr);
    ggml_log_set(tell_errors, nullptr);
    try {
        whisper_context_params params = whisper_context_default_params();
        params.use_gpu    = false;
        params.flash_attn = flash_attention;
        return whisper_init_from_file_with_params(path, params);
    } catch (const std::exception & error) {
        fprintf(stderr, "whisper: %s\n", error.what());
        return nullptr;
    }
}

void meddah_whisper_close(whisper_context * model) {
    whisper_free(model);
}

bool meddah_whisper_is_multilingual(whisper_context * model) {
    return whisper_is_multilingual(model) != 0;
}

bool meddah_whisper_knows_language(const char * language) {
    return whisper_lang_id(language) >= 0;
}

int meddah_whisper_count_tokens(whisper_context * model, const char * text) {
    try {
        return whisper_token_count(model, text);
    } catch (const std::exception &) {
        return -1;
    }
}

// Understands samples of 16 kHz. 0, or a number of whisper.cpp that says where it stopped.
int meddah_whisper_run(whisper_context * model, const float * samples, int count, int threads, int audio_context,
                       int tokens_max, const char * language, const char * prompt, meddah_whisper_stop stop,
                       void * data) {
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
    params.abort_callback           = stop;
    params.abort_callback_user_data = data;
    // Between any two operations, in the encoder too.
    for (ggml_backend_t backend : model->state->backends) {
        if (ggml_backend_is_cpu(backend)) {
            ggml_backend_cpu_set_abort_callback(backend, stop, data);
        }
    }
    try {
        return whisper_full(model, params, samples, count);
    } catch (const std::exception & error) {
        fprintf(stderr, "whisper: %s\n", error.what());
        return -100;
    }
}

int meddah_whisper_segments(whisper_context * model) {
    return whisper_full_n_segments(model);
}

const char * meddah_whisper_text(whisper_context * model, int segment) {
    return whisper_full_get_segment_text(model, segment);
}

float meddah_whisper_no_speech(whisper_context * model, int segment) {
    return whisper_full_get_segment_no_speech_prob(model, segment);
}

// Mean of the logarithms of the probabilities of its tokens.
float meddah_whisper_confidence(whisper_context * model, int segment) {
    const int count = whisper_full_n_tokens(model, segment);
    float sum = 0.0f;
    for (int token = 0; token < count; ++token) {
        sum += whisper_full_get_token_data(model, segment, token).plog;
    }
    return count > 0 ? sum / count : 0.0f;
}

}
