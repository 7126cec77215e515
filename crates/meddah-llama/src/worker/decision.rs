//! Picking one of a few texts by their likelihood.
//!
//! The texts form a tree of tokens. Where they agree nothing has to be asked; where they part, the model's
//! likelihoods of the next token decide which branch to take. Each text is tokenized together with what
//! leads up to it, so that a space or a merge at the seam comes out as the model would write it.

use meddah_inference::Decision;

use crate::ffi::{Model, Token};

/// The texts of one decision, as tokens.
pub struct Options {
    paths: Vec<Vec<Token>>,
    biases: Vec<f32>,
    /// What would come next if a text ended where others go on.
    follow: Token,
}

/// A place in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Choices that are still possible; never empty.
    candidates: Vec<usize>,
    depth: usize,
}

/// One way on.
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The token whose likelihood speaks for it.
    pub token: Token,
    /// Added to its log-probability.
    pub bias: f32,
    ends_here: bool,
    choices: Vec<usize>,
}

/// What to do at a place.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// Ask the model.
    Branch(Vec<Branch>),
    /// This choice is the only one left.
    Settled(usize),
}

impl Options {
    /// Of this decision; `following` is the text of the reply after it.
    pub fn new(model: &Model, decision: &Decision, following: &str) -> Options {
        let tokens = |text: String| model.tokenize(text.as_bytes(), false);
        let paths = decision.choices.iter().map(|choice| tokens(format!("{}{}", decision.lead, choice.text)));
        let follow = tokens(following.into()).first().copied();
        let newline = || model.tokenize(b"\n", false).last().copied();
        Options {
            paths: paths.collect(),
            biases: decision.choices.iter().map(|choice| choice.bias).collect(),
            follow: follow.or_else(newline).unwrap_or(0),
        }
    }

    /// Where every walk begins.
    pub fn start(&self) -> Walk {
        Walk { candidates: (0..self.paths.len()).collect(), depth: 0 }
    }

    /// The lead and text of a choice.
    pub fn path(&self, choice: usize) -> &[Token] {
        self.paths.get(choice).map_or(&[], Vec::as_slice)
    }

    /// Tokens of the longest.
    pub fn tokens_max(&self) -> usize {
        self.paths.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Tokens on the way to a place.
    pub fn walked(&self, walk: &Walk) -> &[Token] {
        let path = self.path(walk.candidates.first().copied().unwrap_or(0));
        &path[..walk.depth.min(path.len())]
    }

    /// Goes on to where the ways part, or to the end of the only one left.
    pub fn go(&self, walk: &mut Walk) -> Next {
        loop {
            if let [only] = walk.candidates[..] {
                walk.depth = self.path(only).len();
                return Next::Settled(only);
            }
            let branches = self.branches(walk);
            match &branches[..] {
                [] => return Next::Settled(0),
                [only] if only.ends_here => {
                    // Several choices with the same text: the first stands for all.
                    walk.candidates.truncate(1);
                }
                [_] => walk.depth += 1,
                _ => return Next::Branch(branches),
            }
        }
    }

    fn branches(&self, walk: &Walk) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        for &choice in &walk.candidates {
            let token = self.path(choice).get(walk.depth).copied();
            let (token, ends_here) = (token.unwrap_or(self.follow), token.is_none());
            let bias = self.biases[choice];
            let same = |branch: &&mut Branch| branch.token == token && branch.ends_here == ends_here;
            if let Some(branch) = branches.iter_mut().find(same) {
                branch.choices.push(choice);
                branch.bias = branch.bias.max(bias);
            } else {
                branches.push(Branch { token, bias, ends_here, choices: vec![choice] });
            }
        }
        branches
    }

    /// Takes a branch.
    pub fn take(&self, walk: &mut Walk, branch: &Branch) {
        walk.candidates.clone_from(&branch.choices);
        if branch.ends_here {
            walk.candidates.truncate(1);
        } else {
            walk.depth += 1;
        }
    }
}

/// The branch that is most likely beyond how likely it is without cause; the first of equals.
pub fn best_branch(branches: &[Branch], likelihoods: &[f32], neutral: Option<&[f32]>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, branch) in branches.iter().enumerate() {
        let lean = neutral.and_then(|neutral| neutral.get(index)).copied().unwrap_or(0.0);
        let score = likelihoods.get(index).copied().unwrap_or(f32::NEG_INFINITY) + branch.bias - lean;
        if score > best.1 {
            best = (index, score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn options(paths: &[&[Token]]) -> Options {
        let paths: Vec<Vec<Token>> = paths.iter().map(|path| path.to_vec()).collect();
        Options { biases: vec![0.0; paths.len()], paths, follow: 99 }
    }

    /// Walks with a fixed liking per token; the choice and what the model would read.
    fn walk(options: &Options, liking: impl Fn(Token) -> f32) -> (usize, Vec<Token>) {
        let mut walk = options.start();
        loop {
            match options.go(&mut walk) {
                Next::Settled(choice) => return (choice, options.walked(&walk).to_vec()),
                Next::Branch(branches) => {
                    let likelihoods: Vec<f32> = branches.iter().map(|b| liking(b.token)).collect();
                    options.take(&mut walk, &branches[best_branch(&branches, &likelihoods, None)]);
                }
            }
        }
    }

    #[test]
    fn nothing_is_asked_where_the_texts_agree() {
        let options = options(&[&[1, 2, 3, 4], &[1, 2, 5]]);
        let mut start = options.start();
        let Next::Branch(branches) = options.go(&mut start) else { panic!("two ways") };
        assert_eq!(options.walked(&start), [1, 2]);
        assert_eq!(branches.iter().map(|branch| branch.token).collect::<Vec<_>>(), [3, 5]);
    }

    #[test]
    fn a_text_that_others_begin_with_can_be_chosen() {
        let options = options(&[&[1, 2], &[1, 2, 3]]);
        assert_eq!(walk(&options, |token| if token == 99 { 1.0 } else { 0.0 }), (0, vec![1, 2]));
        assert_eq!(walk(&options, |token| if token == 3 { 1.0 } else { 0.0 }), (1, vec![1, 2, 3]));
    }

    #[test]
    fn what_is_likely_without_cause_counts_for_nothing() {
        let branch = |bias| Branch { token: 0, bias, ends_here: false, choices: vec![0] };
        let branches = [branch(0.0), branch(0.0)];
        assert_eq!(best_branch(&branches, &[-0.1, -2.0], None), 0);
        assert_eq!(best_branch(&branches, &[-0.1, -2.0], Some(&[-0.1, -4.0])), 1);
        assert_eq!(best_branch(&[branch(0.0), branch(3.0)], &[-0.1, -2.0], None), 1);
        assert_eq!(best_branch(&branches, &[f32::NAN, f32::NAN], None), 0);
    }

    proptest! {
        #[test]
        fn every_walk_ends_at_one_of_the_texts(
            paths in proptest::collection::vec(proptest::collection::vec(0_i32..4, 0..5), 1..8),
            seed in any::<u64>(),
        ) {
            let options = options(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let mut random = fastrand::Rng::with_seed(seed);
            let mut likings: [f32; 100] = std::array::from_fn(|_| random.f32());
            likings[99] = random.f32();
            let (choice, read) = walk(&options, |token| likings[token as usize]);
            prop_assert_eq!(&read, &paths[choice]);
        }
    }
}
