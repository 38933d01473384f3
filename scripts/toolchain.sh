# shellcheck shell=bash
# Sourced by the scripts that build: a Rust toolchain, or a clear word about its absence.

if ! command -v cargo >/dev/null; then
    echo "error: \`cargo\` was not found" >&2
    echo "hint: install Rust from https://rustup.rs; \`rust-toolchain.toml\` names the version" >&2
    exit 1
fi

# rustup's cargo looks for its toolchains below HOME. Where HOME is a new, empty
# folder, they are still where they were installed: beside cargo's own folder.
if [ -z "${RUSTUP_HOME:-}" ] && ! cargo --version >/dev/null 2>&1; then
    beside=$(dirname "$(dirname "$(dirname "$(command -v cargo)")")")/.rustup
    if [ -d "$beside" ]; then
        export RUSTUP_HOME=$beside
    fi
fi

if ! cargo --version >/dev/null; then
    echo "hint: \`rustup toolchain install\` in this folder installs what \`rust-toolchain.toml\` names" >&2
    exit 1
fi
