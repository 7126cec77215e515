//! What became of a checkpoint, tensor by tensor, in words for the player.

use std::collections::{BTreeMap, BTreeSet};

use super::weight_type::WeightType;

/// Matrices that are named one by one on a screen; [`Report::rounded_lines`] has them all.
const NAMED_MAX: usize = 3;

/// How far the weights of a matrix moved.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// Why any had to.
    pub reason: Option<&'static str>,
    /// The largest move, in steps of the original's scale.
    pub worst_steps: f32,
    squared_error: f64,
    squared_weights: f64,
}

impl Change {
    pub(super) fn new(reason: Option<&'static str>) -> Change {
        Change { reason, ..Change::default() }
    }

    /// Counts a weight.
    pub(super) fn add(&mut self, step: f32, weight: f32, stored: f32) {
        let error = stored - weight;
        self.squared_error += f64::from(error) * f64::from(error);
        self.squared_weights += f64::from(weight) * f64::from(weight);
        if error != 0.0 {
            self.worst_steps = self.worst_steps.max((error / step).abs());
        }
    }

    /// Nothing moved.
    pub fn is_exact(&self) -> bool {
        self.squared_error == 0.0
    }

    /// The root mean square of the moves, as a share of that of the weights.
    pub fn relative_rms(&self) -> f64 {
        if self.squared_weights == 0.0 { 0.0 } else { (self.squared_error / self.squared_weights).sqrt() }
    }
}

/// What became of a tensor's weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// GPTQ weights, bit for bit the same numbers.
    Exact,
    /// GPTQ weights that had to be rounded.
    Rounded(Change),
    /// Floats, the same numbers.
    Kept,
    /// Floats, quantised.
    Quantised,
}

/// A tensor of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorReport {
    /// Its name in the GGUF file.
    pub name: String,
    /// How it was stored, for example `GPTQ` or `BF16`.
    pub from: String,
    /// How it is stored.
    pub to: WeightType,
    /// What that did to it.
    pub fate: Fate,
}

/// The whole result.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// llama.cpp's name of the family.
    pub architecture: String,
    /// Which tokenizer was built.
    pub tokenizer: String,
    /// Every tensor, in the order of the file.
    pub tensors: Vec<TensorReport>,
    /// What the player should know.
    pub notes: Vec<String>,
    /// Bytes of the checkpoint's weights.
    pub bytes_before: u64,
    /// Bytes of the GGUF file.
    pub bytes: u64,
}

impl Report {
    /// Plain lines, the most important first.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} family, tokenizer {}; {} MB of weights became a file of {} MB",
            self.architecture,
            self.tokenizer,
            self.bytes_before.div_ceil(1_000_000),
            self.bytes.div_ceil(1_000_000)
        )];
        let count = |wanted: &dyn Fn(&Fate) -> bool| {
            let mut kinds: BTreeMap<(String, WeightType), usize> = BTreeMap::new();
            for tensor in self.tensors.iter().filter(|tensor| wanted(&tensor.fate)) {
                *kinds.entry((tensor.from.clone(), tensor.to)).or_default() += 1;
            }
            let counts = kinds.iter().map(|((from, to), n)| format!("{n} from {from} to {}", to.name()));
            counts.collect::<Vec<_>>().join(", ")
        };
        let mut add = |counts: String, what: &str| {
            if !counts.is_empty() {
                lines.push(format!("{what}: {counts}"));
            }
        };
        add(count(&|fate| *fate == Fate::Exact), "exact, every weight bit for bit the same");
        add(count(&|fate| matches!(fate, Fate::Rounded(_))), "NOT exact, had to be rounded again");
        add(count(&|fate| *fate == Fate::Quantised), "quantised from floats");
        add(count(&|fate| *fate == Fate::Kept), "floats, kept as they are");
        let rounded = self.rounded_lines();
        lines.extend(rounded.iter().take(NAMED_MAX).cloned());
        if rounded.len() > NAMED_MAX {
            lines.push(format!("  and {} with smaller errors", rounded.len() - NAMED_MAX));
        }
        for reason in self.reasons() {
            lines.push(format!("  because {reason}"));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }

    fn rounded(&self) -> impl Iterator<Item = (&TensorReport, &Change)> {
        self.tensors.iter().filter_map(|tensor| match &tensor.fate {
            Fate::Rounded(change) => Some((tensor, change)),
            _ => None,
        })
    }

    fn reasons(&self) -> BTreeSet<&'static str> {
        self.rounded().filter_map(|(_, change)| change.reason).collect()
    }

    /// A line for each matrix that is not exact, worst first.
    pub fn rounded_lines(&self) -> Vec<String> {
        let mut rounded: Vec<_> = self.rounded().collect();
        rounded.sort_by(|left, right| right.1.relative_rms().total_cmp(&left.1.relative_rms()));
        let line = |(tensor, change): (&TensorReport, &Change)| {
            format!(
                "  {}: relative RMS error {:.2} %, worst {:.2} of a step",
                tensor.name,
                100.0 * change.relative_rms(),
                change.worst_steps
            )
        };
        rounded.into_iter().map(line).collect()
    }
}
