//! A repository of our own for a moment, in a folder that is then removed.

use super::place::Way;
use super::run::{self, Stop};
use super::{CommitId, Edit, FILE_BYTES_MAX, GitCredentials, GitError, GitOptions, GitState};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Of what goes over the network, and of what doesn't.
const EXCHANGE: Duration = Duration::from_secs(60);
const ALONE: Duration = Duration::from_secs(20);
/// What is told of a complaint.
const SAID_CHARS_MAX: usize = 300;
/// What folders in the data folder are named by, and how many are looked at.
const FOLDERS: &[u8] = b"git-";
const SWEPT_MAX: usize = 1000;
/// Where what was fetched is.
const THEIRS: &str = "refs/heads/theirs";
/// Where programs are, and which way the network is reached.
const KEPT: [&str; 5] = ["PATH", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"];
const SSH: &str = "ssh -F none -i \"$HOME/ssh_key\" -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=15 \
     -o ServerAliveInterval=15 -o ServerAliveCountMax=2 \
     -o StrictHostKeyChecking=yes -o \"UserKnownHostsFile=\\\"$HOME/known_hosts\\\"\"";
/// A percent is written before whatever might end a part of an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Removed when it is dropped.
pub(super) struct Work<'w> {
    options: &'w GitOptions,
    folder: &'w Path,
    stop: &'w Stop,
    _held: File,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        // What is left is removed before it is used again.
        let _ = fs::remove_dir_all(self.folder);
    }
}

impl<'w> Work<'w> {
    pub(super) fn begin(options: &'w GitOptions, folder: &'w Path, stop: &'w Stop) -> Result<Self, GitError> {
        let failed = |source| GitError::Folder { path: folder.to_owned(), source };
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        sweep(folder);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let _held = File::open(folder).and_then(|held| held.lock().map(|()| held)).map_err(failed)?;
        let work = Self { options, folder, stop, _held };
        work.write_settings().map_err(failed)?;
        work.git("init", &["init", "--quiet", "--bare"], ALONE)?;
        work.write_origin().map_err(failed)?;
        Ok(work)
    }

    fn write_settings(&self) -> io::Result<()> {
        let way = self.options.remote.way();
        let mut settings = String::from(
            "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[http]\n\tfollowRedirects = false\n",
        );
        if let Some(ca) = &self.options.ca {
            self.keep("ca.pem", ca)?;
            settings.push_str("\tsslCAInfo = ~/ca.pem\n");
        }
        if way == Way::File {
            // Whose it is was the choice of who named it.
            settings.push_str("[safe]\n\tdirectory = *\n");
        }
        match &self.options.credentials {
            GitCredentials::None => {}
            GitCredentials::Token { username, token } => {
                settings.push_str("[credential]\n\thelper = store\n");
                self.keep_token(username, token)?;
            }
            GitCredentials::Ssh { key, known_hosts } => {
                // OpenSSH wants the line break that secrets' files are read without.
                self.keep("ssh_key", &format!("{}\n", key.trim_end()))?;
                self.keep("known_hosts", &format!("{}\n", known_hosts.trim_end()))?;
            }
        }
        self.keep(".gitconfig", &settings)
    }

    fn keep_token(&self, username: &str, token: &str) -> io::Result<()> {
        let Some((scheme, host)) = self.options.remote.origin() else { return Ok(()) };
        let encoded = |text| utf8_percent_encode(text, ENCODED).to_string();
        let line = format!("{scheme}://{}:{}@{host}\n", encoded(username), encoded(token));
        self.keep(".git-credentials", &line)
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    /// Without the contents of files, where the other side can leave them out.
    fn write_origin(&self) -> io::Result<()> {
        let url = self.options.remote.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let origin = format!(
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n\
             [remote \"origin\"]\n\turl = \"{url}\"\n\tpromisor = true\n\tpartialclonefilter = blob:none\n"
        );
        let mut config = OpenOptions::new().append(true).open(self.repository().join("config"))?;
        config.write_all(origin.as_bytes())
    }

    /// For this user alone.
    fn keep(&self, name: &str, text: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    }

    /// The branch's newest commit.
    pub(super) fn head(&self) -> Result<Option<CommitId>, GitError> {
        let reference = self.options.branch.reference();
        let told = self.git("ls-remote", &["ls-remote", "--quiet", "--", "origin", &reference], EXCHANGE)?;
        let of = |line: &str| {
            let (id, name) = line.split_once('\t')?;
            if name == reference { CommitId::parse(id) } else { None }
        };
        Ok(text(&told).lines().find_map(of))
    }

    pub(super) fn read(&self) -> Result<GitState, GitError> {
        if self.head()?.is_none() {
            return Ok(GitState { commit: None, text: None });
        }
        let fetched = format!("+{}:{THEIRS}", self.options.branch.reference());
        let arguments = ["fetch", "--quiet", "--no-tags", "--depth=1", "--", "origin", &fetched];
        self.git("fetch", &arguments, EXCHANGE)?;
        let commit = self.id("rev-parse", &["rev-parse", "--verify", THEIRS])?;
        Ok(GitState { text: self.file()?, commit: Some(commit) })
    }

    fn file(&self) -> Result<Option<String>, GitError> {
        let path = self.options.path.as_str();
        let listed = self.git("ls-tree", &["ls-tree", "-z", "--full-tree", THEIRS, "--", path], ALONE)?;
        let listed = text(&listed);
        if listed.is_empty() {
            return Ok(None);
        }
        let mut words = listed.split([' ', '\t']);
        let (mode, _, id) = (words.next(), words.next(), words.next().and_then(CommitId::parse));
        let Some(id) = id.filter(|_| matches!(mode, Some("100644" | "100755"))) else {
            return Err(self.odd("no plain file"));
        };
        // What is fetched now, if it wasn't before, has an end as well.
        let size = self.git("cat-file", &["cat-file", "-s", &id.0], EXCHANGE)?;
        if text(&size).trim().parse().map_or(true, |size: usize| size > FILE_BYTES_MAX) {
            return Err(self.odd("longer"));
        }
        let bytes = self.git("cat-file", &["cat-file", "blob", &id.0], EXCHANGE)?;
        String::from_utf8(bytes).map(Some).map_err(|_| self.odd("no text"))
    }

    fn odd(&self, what: &'static str) -> GitError {
        GitError::File { path: self.options.path.to_string(), what }
    }

    /// One that changes the file alone.
    pub(super) fn commit(&self, edit: &Edit, parent: Option<&CommitId>) -> Result<CommitId, GitError> {
        let failed = |source| GitError::Folder { path: self.folder.to_owned(), source };
        self.keep("content", &edit.text)
            .and_then(|()| self.keep("message", &edit.message))
            .map_err(failed)?;
        let [content, message] = ["content", "message"].map(|name| self.folder.join(name));
        let (content, message) = (content.to_string_lossy(), message.to_string_lossy());
        let blob = self.id("hash-object", &["hash-object", "-w", "--no-filters", "--", &content])?;
        if parent.is_some() {
            self.git("read-tree", &["read-tree", THEIRS], ALONE)?;
        }
        let entry = format!("100644,{},{}", blob.0, self.options.path.as_str());
        self.git("update-index", &["update-index", "--add", "--cacheinfo", &entry], ALONE)?;
        let tree = self.id("write-tree", &["write-tree", "--missing-ok"])?;
        let mut arguments = vec!["commit-tree", "-F", &message];
        arguments.extend(parent.iter().flat_map(|parent| ["-p", &*parent.0]));
        arguments.push(&tree.0);
        self.id("commit-tree", &arguments)
    }

    /// Only in the place of what was read.
    pub(super) fn push(&self, commit: &CommitId) -> Result<(), GitError> {
        let pushed = format!("{}:{}", commit.0, self.options.branch.reference());
        self.git("push", &["push", "--quiet", "--", "origin", &pushed], EXCHANGE).map(drop)
    }

    fn id(&self, what: &'static str, arguments: &[&str]) -> Result<CommitId, GitError> {
        let said = self.git(what, arguments, ALONE)?;
        CommitId::parse(text(&said).trim()).ok_or_else(|| self.failed(what, b"it gave no id"))
    }

    fn git(&self, what: &'static str, arguments: &[&str], time_max: Duration) -> Result<Vec<u8>, GitError> {
        let mut command = run::git();
        // By `-c`, which a remote on the same disk doesn't hear: its hooks are its own.
        command.args(["-c", "core.hooksPath=/dev/null"]).args(arguments);
        self.surround(&mut command);
        let said = run::said(command, what, time_max, self.stop)?;
        if said.status.success() {
            return Ok(said.out);
        }
        Err(self.failed(what, &said.complaint))
    }

    fn surround(&self, command: &mut Command) {
        let author = &self.options.author;
        let kept = KEPT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.current_dir(self.folder).envs(kept);
        command.env("HOME", self.folder).env("XDG_CONFIG_HOME", self.folder);
        command.env("GIT_DIR", self.repository()).env("GIT_INDEX_FILE", self.folder.join("index"));
        command.env("GIT_ALLOW_PROTOCOL", self.options.remote.way().protocol());
        command.env("GIT_SSH_COMMAND", SSH).env("LC_ALL", "C");
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", "true")]);
        command.env("GIT_AUTHOR_NAME", &author.name).env("GIT_AUTHOR_EMAIL", &author.mail);
        command.env("GIT_COMMITTER_NAME", &author.name).env("GIT_COMMITTER_EMAIL", &author.mail);
    }

    fn failed(&self, what: &'static str, complaint: &[u8]) -> GitError {
        let mut said = String::from_utf8_lossy(complaint).into_owned();
        for secret in self.secrets() {
            said = said.replace(&secret, "…");
        }
        let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let said = said.join("; ").chars().take(SAID_CHARS_MAX).flat_map(char::escape_debug).collect();
        GitError::Failed { what, remote: self.options.remote.to_string(), said }
    }

    /// What must not be shown, whoever says it.
    fn secrets(&self) -> Vec<String> {
        match &self.options.credentials {
            GitCredentials::Token { token, .. } => {
                vec![utf8_percent_encode(token, ENCODED).to_string(), token.clone()]
            }
            GitCredentials::None | GitCredentials::Ssh { .. } => Vec::new(),
        }
    }
}

/// Removes what others have left beside this folder who were killed: whoever
/// lives holds theirs. One that is made just now may be lost, which is an error
/// there and tried again.
fn sweep(folder: &Path) {
    let is_named = |name: Option<&OsStr>| name.is_some_and(|name| name.as_bytes().starts_with(FOLDERS));
    let (Some(beside), true) = (folder.parent(), is_named(folder.file_name())) else { return };
    let others = fs::read_dir(beside).into_iter().flatten().flatten();
    for other in others.filter(|other| is_named(Some(&other.file_name()))).take(SWEPT_MAX) {
        let held = File::open(other.path());
        if held.as_ref().is_ok_and(|held| held.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(other.path());
        }
    }
}

fn text(said: &[u8]) -> String {
    String::from_utf8_lossy(said).into_owned()
}
