//! One reply in the making: decisions, their arguments, then words.
//!
//! It only ever pushes tokens and reads what the model makes of the last one, so it neither knows nor cares
//! which other replies share the steps.

use meddah_inference::{ChatRequest, StopReason};
use serde_json::Value;

use super::decision::{Branch, Next, Options, Walk, best_branch};
use super::grammar::Grammar;
use super::neutral::Probe;
use super::places::{Place, Places};
use super::sampling::{Sampler, log_sum};
use super::sequence::Sequence;
use super::words::Words;
use crate::ffi::{Candidate, Model, Token};

/// Most tokens of the arguments of one decision.
pub const ARGUMENT_TOKENS_MAX: usize = 160;

/// Something to tell.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// A decision was taken.
    Decided { decision: String, choice: String, arguments: Option<Value> },
    /// Words.
    Text(String),
    /// The reply is complete.
    Over(StopReason),
}

/// What the model and its grammars offer to all replies.
pub struct Tools<'a> {
    pub model: &'a Model,
    pub places: &'a Places,
    pub grammar_of: &'a mut dyn FnMut(&Value) -> Option<Grammar>,
}

enum Phase {
    /// Waiting to be told how the model leans at a branch, or for the model's answer at it.
    Deciding { index: usize, begin: usize, walk: Walk, branches: Vec<Branch>, likelihoods: Option<Vec<f32>> },
    /// Filling in what the choice of a decision needs.
    Arguments { index: usize, begin: usize, choice: usize, grammar: Box<Grammar>, from: usize },
    /// Speaking.
    Words { left: usize },
    /// Nothing more to do.
    Over,
}

/// The state of one reply.
pub struct Reply {
    request: ChatRequest,
    options: Vec<Options>,
    phase: Phase,
    sampler: Sampler,
    words: Words,
    words_grammar: Option<Grammar>,
    /// How the model leans; none if that is not asked.
    probe: Option<Probe>,
    context_tokens: usize,
    /// Tokens of the prompt.
    prompt_tokens: usize,
    candidates: Vec<Candidate>,
    /// What the model says where something is decided may be asked again.
    remembers_places: bool,
    events: Vec<Event>,
}

impl Reply {
    /// Ready to begin.
    pub fn new(
        request: ChatRequest,
        options: Vec<Options>,
        sampler: Sampler,
        words_grammar: Option<Grammar>,
        probe: Option<Probe>,
        context_tokens: usize,
    ) -> Reply {
        let words = Words::new(&request.stop);
        let (phase, candidates, events) = (Phase::Over, Vec::new(), Vec::new());
        Reply {
            request,
            options,
            phase,
            sampler,
            words,
            words_grammar,
            probe,
            context_tokens,
            prompt_tokens: 0,
            candidates,
            remembers_places: false,
            events,
        }
    }

    /// Whoever asks the same later need not ask the model.
    pub fn remember_places(&mut self) {
        self.remembers_places = true;
    }

    /// What it answers.
    pub fn request(&self) -> &ChatRequest {
        &self.request
    }

    /// Pushes what follows the prompt.
    pub fn begin(&mut self, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        self.prompt_tokens = sequence.len();
        self.decide(0, sequence, tools);
    }

    /// What there is to tell since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The side question.
    pub fn probe(&mut self) -> Option<&mut Probe> {
        self.probe.as_mut()
    }

    /// It waits for the side question, not for the model's answer to its own last token.
    pub fn is_waiting(&self) -> bool {
        matches!(&self.phase, Phase::Deciding { likelihoods: Some(_), .. })
    }

    /// It is complete.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The model's answer to the last token.
    pub fn answer(&mut self, logits: &[f32], sequence: &mut Sequence, tools: &mut Tools<'_>) {
        match &mut self.phase {
            Phase::Deciding { branches, likelihoods, .. } => {
                if self.remembers_places {
                    tools.places.put(&Place::new(sequence.tokens().to_vec(), branches), logits);
                }
                let sum = log_sum(logits);
                let value = |branch: &Branch| logits.get(branch.token as usize).map_or(f32::MIN, |l| l - sum);
                *likelihoods = Some(branches.iter().map(value).collect());
                self.settle(sequence, tools);
            }
            Phase::Arguments { .. } => self.fill_in(logits, sequence, tools),
            Phase::Words { .. } => self.speak(logits, sequence, tools),
            Phase::Over => {}
        }
    }

    /// Takes the branch, once it is known how the model leans.
    pub fn settle(&mut self, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        let Phase::Deciding { index, begin, walk, branches, likelihoods } = &mut self.phase else { return };
        let Some(likelihoods) = likelihoods else { return };
        let (index, begin) = (*index, *begin);
        let lean = match &mut self.probe {
            Some(probe) => match probe.ask(&self.options, index, walk, branches, tools.places) {
                Some(lean) => lean,
                None => return,
            },
            None => None,
        };
        let branch = &branches[best_branch(branches, likelihoods, lean.as_deref())];
        self.options[index].take(walk, branch);
        let walk = walk.clone();
        self.walk_on(index, begin, walk, sequence, tools);
    }

    fn decide(&mut self, index: usize, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        let begin = sequence.len();
        match self.options.get(index) {
            Some(options) => {
                let walk = options.start();
                self.walk_on(index, begin, walk, sequence, tools);
            }
            None => self.begin_words(sequence, tools),
        }
    }

    /// Pushes what is certain, up to where the model has to be asked.
    fn walk_on(
        &mut self,
        index: usize,
        begin: usize,
        mut walk: Walk,
        sequence: &mut Sequence,
        tools: &mut Tools<'_>,
    ) {
        let options = &self.options[index];
        let next = options.go(&mut walk);
        let walked = options.walked(&walk);
        let pushed = sequence.len() - begin;
        sequence.push(&walked[pushed.min(walked.len())..]);
        match next {
            Next::Branch(branches) => {
                let likelihoods = tools.places.get(&Place::new(sequence.tokens().to_vec(), &branches));
                self.phase = Phase::Deciding { index, begin, walk, branches, likelihoods };
                self.settle(sequence, tools);
            }
            Next::Settled(choice) => self.chosen(index, begin, choice, sequence, tools),
        }
    }

    fn chosen(
        &mut self,
        index: usize,
        begin: usize,
        choice: usize,
        sequence: &mut Sequence,
        tools: &mut Tools<'_>,
    ) {
        let schema = self.request.decisions[index].choices.get(choice).and_then(|c| c.arguments.as_ref());
        let Some(schema) = schema else { return self.decided(index, choice, None, sequence, tools) };
        let Some(mut grammar) = (tools.grammar_of)(schema) else {
            return self.fall_back(index, begin, sequence, tools);
        };
        let from = sequence.len();
        sequence.push(&grammar.forced());
        let grammar = Box::new(grammar);
        self.phase = Phase::Arguments { index, begin, choice, grammar, from };
        self.end_arguments_if_complete(sequence, tools);
    }

    /// One more token of the arguments, the likeliest that fits.
    fn fill_in(&mut self, logits: &[f32], sequence: &mut Sequence, tools: &mut Tools<'_>) {
        let Phase::Arguments { index, begin, grammar, from, .. } = &mut self.phase else { return };
        let (index, begin) = (*index, *begin);
        let room = sequence.len() < (*from + ARGUMENT_TOKENS_MAX).min(self.context_tokens);
        let token = if room && grammar.candidates(logits, &mut self.candidates) {
            likeliest(&self.candidates)
        } else {
            None
        };
        let Some(token) = token.filter(|&token| !tools.model.is_end(token) && grammar.accept(token)) else {
            return self.fall_back(index, begin, sequence, tools);
        };
        sequence.push(&[token]);
        sequence.push(&grammar.forced());
        self.end_arguments_if_complete(sequence, tools);
    }

    fn end_arguments_if_complete(&mut self, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        let Phase::Arguments { index, begin, choice, grammar, from } = &mut self.phase else { return };
        if !grammar.is_complete() {
            return;
        }
        let tokens = &sequence.tokens()[*from..];
        let text: Vec<u8> = tokens.iter().flat_map(|&token| tools.model.bytes_of(token, false)).collect();
        // A number could go on; an object cannot.
        if !grammar.is_over() && text.last() != Some(&b'}') {
            return;
        }
        let (index, begin, choice) = (*index, *begin, *choice);
        match serde_json::from_slice(&text) {
            Ok(value) => self.decided(index, choice, Some(value), sequence, tools),
            Err(_) => self.fall_back(index, begin, sequence, tools),
        }
    }

    /// A call that could not be filled in is no call: the first choice, as if nothing else had been read.
    fn fall_back(&mut self, index: usize, begin: usize, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        tracing::debug!("arguments of a decision could not be filled in");
        sequence.truncate(begin);
        sequence.push(self.options[index].path(0));
        self.decided(index, 0, None, sequence, tools);
    }

    fn decided(
        &mut self,
        index: usize,
        choice: usize,
        arguments: Option<Value>,
        sequence: &mut Sequence,
        tools: &mut Tools<'_>,
    ) {
        let decision = &self.request.decisions[index];
        if let Some(choice) = decision.choices.get(choice) {
            let (decision, choice) = (decision.name.clone(), choice.id.clone());
            self.events.push(Event::Decided { decision, choice, arguments });
        }
        self.decide(index + 1, sequence, tools);
    }

    fn begin_words(&mut self, sequence: &mut Sequence, tools: &mut Tools<'_>) {
        // A memory that cannot be cut back would have to read the whole prompt again.
        if self.request.decide_aside && !tools.model.is_recurrent() {
            sequence.truncate(self.prompt_tokens);
        }
        sequence.push(&tools.model.tokenize(self.request.speech_lead.as_bytes(), false));
        self.phase = Phase::Words { left: self.request.max_tokens as usize };
        if self.request.max_tokens == 0 {
            return self.over(StopReason::Length);
        }
        let forced = self.words_grammar.as_mut().map(Grammar::forced).unwrap_or_default();
        self.say(&forced, sequence, tools);
    }

    /// One more token of the words.
    fn speak(&mut self, logits: &[f32], sequence: &mut Sequence, tools: &mut Tools<'_>) {
        let token = match &mut self.words_grammar {
            None => self.sampler.sample(logits),
            Some(grammar) => {
                let goes_on = grammar.candidates(logits, &mut self.candidates);
                if goes_on { self.sampler.sample_among(&mut self.candidates) } else { None }
            }
        };
        let Some(token) = token.filter(|&token| !tools.model.is_end(token)) else {
            return self.over(StopReason::End);
        };
        let mut tokens = vec![token];
        if let Some(grammar) = &mut self.words_grammar {
            if !grammar.accept(token) {
                return self.over(StopReason::End);
            }
            tokens.extend(grammar.forced());
        }
        self.say(&tokens, sequence, tools);
    }

    fn say(&mut self, tokens: &[Token], sequence: &mut Sequence, tools: &mut Tools<'_>) {
        for &token in tokens {
            let Phase::Words { left } = &mut self.phase else { return };
            *left = left.saturating_sub(1);
            let used_up = *left == 0 || sequence.len() + 1 >= self.context_tokens;
            sequence.push(&[token]);
            self.sampler.accept(token);
            let shown = self.words.push(&tools.model.bytes_of(token, false));
            self.tell_words(shown.text);
            if shown.stopped {
                return self.over(StopReason::Stop);
            }
            if used_up {
                return self.over(StopReason::Length);
            }
        }
        if self.words_grammar.as_ref().is_some_and(Grammar::is_over) {
            self.over(StopReason::End);
        }
    }

    /// One piece with what was not taken yet.
    fn tell_words(&mut self, text: String) {
        match self.events.last_mut() {
            _ if text.is_empty() => {}
            Some(Event::Text(before)) => before.push_str(&text),
            _ => self.events.push(Event::Text(text)),
        }
    }

    fn over(&mut self, stop: StopReason) {
        let rest = self.words.rest();
        if stop != StopReason::Stop {
            self.tell_words(rest);
        }
        self.events.push(Event::Over(stop));
        self.phase = Phase::Over;
    }
}

/// The first of the likeliest.
fn likeliest(candidates: &[Candidate]) -> Option<Token> {
    let mut best: Option<Candidate> = None;
    for candidate in candidates {
        if best.is_none_or(|best| candidate.logit > best.logit) {
            best = Some(*candidate);
        }
    }
    best.map(|candidate| candidate.token)
}
