//! Where in Git the file is, in words that no program takes for anything else.

use std::fmt;
use std::path::{Path, PathBuf};

const REMOTE_BYTES_MAX: usize = 1 << 10;
const NAME_BYTES_MAX: usize = 200;
const PATH_BYTES_MAX: usize = 500;

/// Text that names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GitPlaceError {
    /// The remote.
    #[error(
        "no remote: write a path, `https://HOST/PATH` or `ssh://USER@HOST/PATH` (`http://` on this machine alone)"
    )]
    Remote,
    /// A password in an address would be shown.
    #[error("an address is shown in logs: leave user and password out and set `username` and `token`")]
    Password,
    /// The branch.
    #[error("no branch: write a name such as `main`, of letters, digits, `.`, `_`, `-` and `/`")]
    Branch,
    /// The path.
    #[error("no path: write one in the repository, such as `environments/prod/model.yaml`")]
    Path,
    /// The author.
    #[error("no author: write `NAME <MAIL>`")]
    Author,
}

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    File,
    Http,
    Https,
    Ssh,
}

impl Way {
    /// As `GIT_ALLOW_PROTOCOL` calls it.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }
}

/// A repository elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRemote {
    text: String,
    way: Way,
}

impl GitRemote {
    /// An address, or a path that starts at a folder.
    ///
    /// # Errors
    /// [`GitPlaceError`] for anything else.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, GitPlaceError> {
        let is_plain = !text.is_empty() && !text.contains(char::is_control) && !text.starts_with('-');
        if !is_plain || text.len() > REMOTE_BYTES_MAX || is_helper(text) {
            return Err(GitPlaceError::Remote);
        }
        let way = way(text)?;
        let text = match way {
            // A path that begins elsewhere is another one.
            Way::File if !text.starts_with("file://") => path(folder.join(text))?,
            _ => text.to_owned(),
        };
        Ok(Self { text, way })
    }

    pub(super) fn way(&self) -> Way {
        self.way
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a token may be sent there.
    #[must_use]
    pub fn takes_token(&self) -> bool {
        matches!(self.way, Way::Https | Way::Http)
    }

    /// Whether it is reached with a key.
    #[must_use]
    pub fn is_ssh(&self) -> bool {
        self.way == Way::Ssh
    }

    /// `https://HOST:PORT`, for what is kept of credentials.
    pub(super) fn origin(&self) -> Option<(&'static str, &str)> {
        let rest = self.text.split_once("://")?.1;
        Some((self.way.protocol(), rest.split('/').next()?))
    }
}

impl fmt::Display for GitRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whole, since `git` runs in another folder.
fn path(path: PathBuf) -> Result<String, GitPlaceError> {
    let path = std::path::absolute(path).map_err(|_| GitPlaceError::Remote)?;
    path.into_os_string().into_string().map_err(|_| GitPlaceError::Remote)
}

fn way(text: &str) -> Result<Way, GitPlaceError> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(way_without_scheme(text)) };
    let authority = rest.split('/').next().unwrap_or_default();
    match scheme {
        "file" => Ok(Way::File),
        "https" | "http" if authority.contains('@') => Err(GitPlaceError::Password),
        "https" if !authority.is_empty() => Ok(Way::Https),
        "http" if is_this_machine(authority) => Ok(Way::Http),
        "ssh" if authority.split_once('@').is_some_and(|(user, _)| user.contains(':')) => {
            Err(GitPlaceError::Password)
        }
        "ssh" if !authority.is_empty() && !authority.starts_with('-') => Ok(Way::Ssh),
        _ => Err(GitPlaceError::Remote),
    }
}

/// `git@host:path`, or a path.
fn way_without_scheme(text: &str) -> Way {
    let host = text.split_once(':').map(|(host, _)| host);
    if host.is_some_and(|host| !host.contains('/')) { Way::Ssh } else { Way::File }
}

/// `NAME::ADDRESS` runs a program of that name.
fn is_helper(text: &str) -> bool {
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    text.split_once("::").is_some_and(|(name, _)| is_name(name))
}

fn is_this_machine(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A branch's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitBranch(String);

impl GitBranch {
    /// # Errors
    /// [`GitPlaceError::Branch`] for what Git or a shell might take otherwise.
    pub fn parse(text: &str) -> Result<Self, GitPlaceError> {
        let is_char = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && !part.ends_with('.')
                && !part.ends_with(".lock")
        };
        let is_one = text.len() <= NAME_BYTES_MAX
            && text.chars().all(is_char)
            && text.split('/').all(is_part)
            && !text.contains("..");
        if is_one { Ok(Self(text.to_owned())) } else { Err(GitPlaceError::Branch) }
    }

    /// With what stands before it in a repository.
    pub(super) fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for GitBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file's path in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitPath(String);

impl GitPath {
    /// # Errors
    /// [`GitPlaceError::Path`] for what leads out of the repository.
    pub fn parse(text: &str) -> Result<Self, GitPlaceError> {
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git") && !part.starts_with('-')
        };
        let is_odd = |c: char| c.is_control() || "\\\":*?[".contains(c);
        let is_one = text.len() <= PATH_BYTES_MAX && !text.contains(is_odd) && text.split('/').all(is_part);
        if is_one { Ok(Self(text.to_owned())) } else { Err(GitPlaceError::Path) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitAuthor {
    pub(super) name: String,
    pub(super) mail: String,
}

impl GitAuthor {
    /// `NAME <MAIL>`.
    ///
    /// # Errors
    /// [`GitPlaceError::Author`] for anything else.
    pub fn parse(text: &str) -> Result<Self, GitPlaceError> {
        let parts = text.strip_suffix('>').and_then(|text| text.split_once('<'));
        let (name, mail) = parts.ok_or(GitPlaceError::Author)?;
        let (name, mail) = (name.trim(), mail.trim());
        let is_one = |text: &str| {
            (1..=NAME_BYTES_MAX).contains(&text.len())
                && !text.contains(['<', '>'])
                && !text.contains(char::is_control)
        };
        if !is_one(name) || !is_one(mail) || mail.contains(char::is_whitespace) {
            return Err(GitPlaceError::Author);
        }
        Ok(Self { name: name.to_owned(), mail: mail.to_owned() })
    }
}

impl Default for GitAuthor {
    fn default() -> Self {
        Self { name: "OpenClaw Rating".to_owned(), mail: "openclaw@localhost".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remotes_are_told_apart() {
        let parse = |text: &str| GitRemote::parse(text, Path::new("/etc/openclaw"));
        let way = |text: &str| parse(text).map(|remote| (remote.way, remote.text));
        for (text, is, as_text) in [
            ("/srv/git/team.git", Way::File, "/srv/git/team.git"),
            ("team.git", Way::File, "/etc/openclaw/team.git"),
            ("./a:b.git", Way::File, "/etc/openclaw/a:b.git"),
            ("file:///srv/team.git", Way::File, "file:///srv/team.git"),
            ("https://git.example.com/team.git", Way::Https, "https://git.example.com/team.git"),
            ("http://127.0.0.1:3000/team.git", Way::Http, "http://127.0.0.1:3000/team.git"),
            ("http://[::1]:3000/team.git", Way::Http, "http://[::1]:3000/team.git"),
            ("ssh://git@git.example.com/team.git", Way::Ssh, "ssh://git@git.example.com/team.git"),
            ("git@git.example.com:team.git", Way::Ssh, "git@git.example.com:team.git"),
        ] {
            assert_eq!(way(text), Ok((is, as_text.to_owned())), "{text}");
        }
        let refused = [
            "",
            "-u",
            "--upload-pack=sh",
            "ext::sh -c x",
            "git://host/x",
            "http://example.com/x",
            "https:///x",
            "ssh://-oProxyCommand=x/y",
            "a\nb",
            "ftp://host/x",
        ];
        refused.into_iter().for_each(|text| assert_eq!(parse(text), Err(GitPlaceError::Remote), "{text}"));
        for text in ["https://me:secret@host/x", "https://token@host/x", "ssh://me:secret@host/x"] {
            assert_eq!(parse(text), Err(GitPlaceError::Password), "{text}");
        }
    }

    #[test]
    fn names_are_only_names() {
        let branches = ["main", "env/prod", "release-1.2"];
        assert!(branches.into_iter().all(|text| GitBranch::parse(text).is_ok()));
        let others =
            ["", "-f", "a..b", "a/.b", "a.lock", "a b", "+main", "main:other", "/a", "a/", "a//b", "@{u}"];
        others.into_iter().for_each(|text| assert!(GitBranch::parse(text).is_err(), "{text}"));
        assert!(GitPath::parse("environments/prod eu/model.yaml").is_ok());
        let others =
            ["", "/etc/passwd", "../x", "a/../b", "a//b", ".git/config", "a/.GIT/x", ":(top)x", "a\nb", "*"];
        others.into_iter().for_each(|text| assert!(GitPath::parse(text).is_err(), "{text}"));
        let author = GitAuthor::parse("Model Bot <bot@example.com>").unwrap();
        assert_eq!((&*author.name, &*author.mail), ("Model Bot", "bot@example.com"));
        for text in ["bot", "<bot@x>", "bot <>", "a <b> <c>", "a\nb <c@d>"] {
            assert!(GitAuthor::parse(text).is_err(), "{text}");
        }
    }
}
