//! What a plan cannot be made from.

/// No plan. Nothing was lost; the input has to change.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A figure makes no sense.
    #[error("{what} is {is}, and {has_to}")]
    Figure {
        /// Its name.
        what: &'static str,
        /// As it was given.
        is: String,
        /// What it has to be.
        has_to: &'static str,
    },
    /// One player alone already waits longer.
    #[error("one player alone on a machine does not get the first word within {seconds:.1} s")]
    OutOfReach {
        /// The target, in seconds.
        seconds: f64,
    },
    /// The picture could not be drawn or written.
    #[error("the plot could not be written to {path}: {reason}")]
    Plot {
        /// Where to.
        path: String,
        /// What the drawing or the file system said.
        reason: String,
    },
}

impl PlanError {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            PlanError::Figure { .. } => "Correct that figure; the others were not looked at.",
            PlanError::OutOfReach { .. } => {
                "Allow more time, or take a machine that reads prompts faster, or make prompts shorter."
            }
            PlanError::Plot { .. } => "Name a file in a folder that exists and that you may write to.",
        }
    }
}
