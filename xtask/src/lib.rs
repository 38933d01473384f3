//! House rules as tests: `cargo test -p xtask` holds the code to them. Each
//! rule is a file in `tests/house/`.
