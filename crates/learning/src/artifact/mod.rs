//! A model as files, and its card.
