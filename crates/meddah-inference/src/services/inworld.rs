//! Inworld's character service, which was shut down. Its models live on as a provider.

use crate::{ErrorKind, ModelError};

/// Why there is no adapter.
pub(super) fn retired() -> ModelError {
    ModelError::new(ErrorKind::NotFound, "Inworld's character service was shut down").with_help(
        "Use Inworld's model router as provider `inworld` and let Meddah play the character, or choose \
         another service.",
    )
}
