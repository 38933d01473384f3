//! From windows of the past to weights.
