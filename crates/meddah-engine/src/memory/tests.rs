//! Recall as a whole, over made-up timelines.
