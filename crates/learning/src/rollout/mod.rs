//! From shadow to everybody, step by step, and back at once.
