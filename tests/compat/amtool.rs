//! Alertmanager's own command line, old and new.

use crate::expect::ensure;
use crate::support::programs;
use crate::target::Target;
use std::path::PathBuf;
use std::process::{Command, Output};

/// One version of it.
#[derive(Debug, Clone)]
pub(crate) struct Amtool {
    /// `0.25` or `0.34`.
    pub(crate) version: &'static str,
    program: PathBuf,
}

/// What it printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Printed {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Its output, where it ended well.
    pub(crate) fn good(self) -> Result<String, String> {
        ensure!(self.code == 0, "amtool ended with {}: {}{}", self.code, self.out, self.err);
        Ok(self.out)
    }
}

/// Both versions; none where they are not installed and need not be.
pub(crate) fn both() -> Vec<Amtool> {
    let versions = [("0.25", "amtool-0.25"), ("0.34", "amtool-0.34")];
    let found = versions
        .map(|(version, program)| programs::found(program).map(|program| Amtool { version, program }));
    found.into_iter().flatten().collect()
}

impl Amtool {
    /// A word that no other version uses in the same check.
    pub(crate) fn word(&self, word: &str) -> String {
        format!("{word}{}", self.version.replace('.', ""))
    }

    fn command(&self, target: &Target) -> Command {
        let mut command = Command::new(&self.program);
        // No settings of whoever runs the tests.
        command.env_clear().env("HOME", target.folder()).current_dir(target.folder());
        command
    }

    /// Runs a command that asks nobody.
    pub(crate) fn local(&self, target: &Target, arguments: &[&str]) -> Printed {
        Printed::of(&self.command(target).args(arguments).output().unwrap())
    }

    /// Runs a command against the target, with the target's credentials.
    pub(crate) fn run(&self, target: &Target, arguments: &[&str]) -> Printed {
        self.run_as(target, &target.credentials_file(), arguments)
    }

    /// Runs a command with the settings of a file for its requests.
    pub(crate) fn run_as(&self, target: &Target, http_file: &str, arguments: &[&str]) -> Printed {
        let output = self
            .command(target)
            .arg(format!("--alertmanager.url={}", target.url()))
            .arg(format!("--http.config.file={http_file}"))
            .args(arguments)
            .output();
        Printed::of(&output.unwrap())
    }

    /// Runs a command that must end well, and gives what it printed.
    pub(crate) fn good(&self, target: &Target, arguments: &[&str]) -> Result<String, String> {
        let printed = self.run(target, arguments).good();
        printed.map_err(|error| format!("{} {}: {error}", self.version, arguments.join(" ")))
    }
}
