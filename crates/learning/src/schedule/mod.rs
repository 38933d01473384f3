//! When the next model is made.
