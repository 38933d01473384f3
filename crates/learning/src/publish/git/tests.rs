//! Against real repositories, on the disk and over HTTP.

use super::*;
use crate::publish::git::place::GitBranch;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tempfile::TempDir;

const PATH: &str = "environments/prod/model.yaml";

/// A bare repository, and somebody else who pushes to it.
struct Team(TempDir);

impl Team {
    fn new() -> Self {
        let team = Self(tempfile::tempdir().unwrap());
        team.git(&["init", "--quiet", "--bare", "--initial-branch=main", "team.git"]);
        team.git(&["clone", "--quiet", "team.git", "theirs"]);
        team
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("git is installed: see scripts/test");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Pushes a file.
    fn push(&self, path: &str, text: &[u8]) {
        let file = self.0.path().join("theirs").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        self.commit();
    }

    fn commit(&self) {
        self.git(&["-C", "theirs", "checkout", "--quiet", "-B", "main"]);
        if !self.git(&["ls-remote", "team.git", "refs/heads/main"]).is_empty() {
            self.git(&["-C", "theirs", "fetch", "--quiet"]);
            self.git(&["-C", "theirs", "reset", "--quiet", "--mixed", "origin/main"]);
        }
        self.git(&["-C", "theirs", "add", "--ignore-removal", "."]);
        self.git(&["-C", "theirs", "commit", "--quiet", "-m", "theirs"]);
        self.git(&["-C", "theirs", "push", "--quiet", "origin", "main"]);
    }

    fn show(&self, path: &str) -> String {
        self.git(&["-C", "team.git", "show", &format!("main:{path}")])
    }

    fn options(&self, remote: &str, credentials: GitCredentials) -> GitOptions {
        GitOptions {
            remote: GitRemote::parse(remote, self.0.path()).unwrap(),
            branch: GitBranch::parse("main").unwrap(),
            path: GitPath::parse(PATH).unwrap(),
            author: GitAuthor::parse("Models <models@example.com>").unwrap(),
            credentials,
            ca: None,
        }
    }

    fn file(&self, folder: &str) -> GitFile {
        GitFile::new(self.options("team.git", GitCredentials::None), &self.0.path().join(folder))
    }
}

fn make_executable(file: &Path) {
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

fn put(text: &'static str) -> impl Fn(Option<&str>) -> Option<Edit> {
    move |before| {
        (before != Some(text)).then(|| Edit { text: text.to_owned(), message: format!("put {text}") })
    }
}

fn go() -> Stop {
    Stop::default()
}

#[test]
fn a_commit_touches_the_file_alone() {
    let team = Team::new();
    let mut file = team.file("work");
    assert_eq!(file.read(&go()).unwrap(), GitState { commit: None, text: None });
    // The first commit of all.
    let Changed::Committed(first) = file.change(&put("one\n"), &go()).unwrap() else { panic!("nothing") };
    assert_eq!(file.head(&go()).unwrap().as_ref(), Some(&first));
    assert_eq!(file.change(&put("one\n"), &go()).unwrap(), Changed::AsItIs);
    team.push("other/deep/file", b"theirs");
    fs::write(team.0.path().join("theirs/run"), "#!/bin/sh").unwrap();
    make_executable(&team.0.path().join("theirs/run"));
    team.commit();
    file.change(&put("two\n"), &go()).unwrap();
    assert_eq!(file.read(&go()).unwrap().text.as_deref(), Some("two\n"));
    let changed = team.git(&["-C", "team.git", "show", "--format=%an <%ae> %s", "--name-status", "main"]);
    assert_eq!(changed, format!("Models <models@example.com> put two\n\nM\t{PATH}\n"));
    assert!(team.git(&["-C", "team.git", "ls-tree", "main", "run"]).starts_with("100755"));
    assert_eq!(team.git(&["-C", "team.git", "rev-list", "--count", "main"]).trim(), "4");
    team.git(&["-C", "team.git", "fsck", "--strict"]);
    assert!(!team.0.path().join("work").exists(), "nothing is left");
}

#[test]
fn who_was_slower_builds_on_who_was_faster() {
    const EACH: usize = 3;
    let team = Team::new();
    team.push(PATH, b"0\n");
    let asked = AtomicUsize::new(0);
    // The same change of the same commit within a second would be the same commit.
    let add = |name: &str, before: Option<&str>| {
        asked.fetch_add(1, Ordering::Relaxed);
        let number: usize = before.unwrap().trim().parse().unwrap();
        Some(Edit { text: format!("{}\n", number + 1), message: format!("one more, of the {name}") })
    };
    std::thread::scope(|scope| {
        for name in ["first", "second"] {
            let (mut file, add) = (team.file(name), &add);
            scope.spawn(move || {
                for _ in 0..EACH {
                    assert!(matches!(
                        file.change(&|before| add(name, before), &go()),
                        Ok(Changed::Committed(_))
                    ));
                }
            });
        }
    });
    assert_eq!(team.show(PATH), "6\n");
    assert_eq!(team.git(&["-C", "team.git", "rev-list", "--count", "main"]).trim(), "7");
    assert!(asked.into_inner() >= 2 * EACH);
}

#[test]
fn a_race_is_lost_for_certain_and_made_good() {
    let team = Team::new();
    team.push(PATH, b"a\n");
    let meddled = AtomicUsize::new(0);
    let edit = |before: Option<&str>| {
        // Between the reading and the pushing.
        if meddled.fetch_add(1, Ordering::Relaxed) == 0 {
            team.push("other", b"theirs");
            team.push(PATH, b"theirs\n");
        }
        Some(Edit { text: format!("{}ours\n", before.unwrap()), message: "ours".to_owned() })
    };
    team.file("work").change(&edit, &go()).unwrap();
    assert_eq!(team.show(PATH), "theirs\nours\n");
    assert_eq!(team.show("other"), "theirs");
    assert_eq!(meddled.into_inner(), 2);
}

#[test]
fn a_remote_that_refuses_or_is_away_is_said_and_nothing_is_left() {
    let team = Team::new();
    team.push(PATH, b"a\n");
    let hook = team.0.path().join("team.git/hooks/pre-receive");
    fs::write(&hook, "#!/bin/sh\necho nobody may >&2\nexit 1\n").unwrap();
    make_executable(&hook);
    let mut file = team.file("work");
    let refused = file.change(&put("b\n"), &go()).unwrap_err().to_string();
    assert!(refused.contains("git push") && refused.contains("nobody may"), "{refused}");
    fs::rename(team.0.path().join("team.git"), team.0.path().join("away")).unwrap();
    let away = file.read(&go()).unwrap_err().to_string();
    assert!(away.contains("git ls-remote"), "{away}");
    fs::rename(team.0.path().join("away"), team.0.path().join("team.git")).unwrap();
    fs::remove_file(hook).unwrap();
    assert!(matches!(file.change(&put("b\n"), &go()), Ok(Changed::Committed(_))));
    assert!(!team.0.path().join("work").exists());
}

#[test]
fn what_is_no_small_text_is_not_read() {
    let team = Team::new();
    let mut file = team.file("work");
    let mut odd = || file.read(&go()).unwrap_err().to_string();
    team.push(PATH, &vec![b'a'; FILE_BYTES_MAX + 1]);
    assert!(odd().contains("longer"), "{}", odd());
    team.push(PATH, b"version: \xff\xfe");
    assert!(odd().contains("no text"));
    fs::remove_file(team.0.path().join("theirs").join(PATH)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", team.0.path().join("theirs").join(PATH)).unwrap();
    team.commit();
    assert!(odd().contains("no plain file"));
    fs::remove_file(team.0.path().join("theirs").join(PATH)).unwrap();
    team.push(&format!("{PATH}/in/it"), b"a folder");
    assert!(odd().contains("no plain file"));
}

#[test]
fn it_is_stopped_at_once_and_ends_in_time() {
    let began = Instant::now();
    let mut slow = Command::new("/bin/sh");
    // Its child has the pipe too, and would hold it for long.
    slow.args(["-c", "sleep 60 & sleep 60"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut slow, 0);
    let said = run::said(slow, "sleep", Duration::from_millis(300), &go());
    assert!(matches!(said, Err(GitError::TooSlow { .. })), "{said:?}");
    let (stop, team) = (go(), Team::new());
    stop.stop();
    assert!(matches!(team.file("work").read(&stop), Err(GitError::Stopped)));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn nothing_outlives_who_has_started_it() {
    let team = Team::new();
    let left = team.0.path().join("left");
    // In the place of `git`, with a child as `git` has.
    let git = team.0.path().join("git");
    fs::write(
        &git,
        format!(
            "#!/bin/sh\n(sleep 2; touch {}) & touch {}; sleep 60",
            left.display(),
            left.with_extension("began").display()
        ),
    )
    .unwrap();
    make_executable(&git);
    let mut command = run::git();
    command.env("PATH", format!("{}:/usr/bin:/bin", team.0.path().display()));
    let mut child = command.spawn().unwrap();
    while !left.with_extension("began").exists() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    // As where this process is killed.
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
    std::thread::park_timeout(Duration::from_millis(2500));
    assert!(!left.exists());
}

#[test]
fn what_the_killed_have_left_is_removed_and_nobody_else_s() {
    let team = Team::new();
    team.push(PATH, b"a\n");
    let beside = |name: &str| team.0.path().join(name);
    let (options, stop) = (team.options("team.git", GitCredentials::None), go());
    let (living, dead, other) = (beside("git-read"), beside("git-4711"), beside("gitea"));
    let held = Work::begin(&options, &living, &stop).unwrap();
    for folder in [&dead, &other] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join(".git-credentials"), "https://models:s3cr@host").unwrap();
    }
    assert_eq!(team.file("git-write").read(&stop).unwrap().text.as_deref(), Some("a\n"));
    assert_eq!([&living, &dead, &other].map(|folder| folder.exists()), [true, false, true]);
    assert_eq!(held.read().unwrap().text.as_deref(), Some("a\n"));
}

/// `git http-backend` behind a user and a password.
struct HttpServer {
    address: SocketAddr,
    seen: Arc<AtomicUsize>,
}

impl HttpServer {
    fn new(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, root) = (listener.local_addr().unwrap(), root.to_owned());
        let seen = Arc::<AtomicUsize>::default();
        let let_in = Arc::clone(&seen);
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&mut stream.unwrap(), &root, &let_in);
            }
        });
        Self { address, seen }
    }
}

/// `models:s3cr:t/`
const ALLOWED: &str = "Basic bW9kZWxzOnMzY3I6dC8=";

fn answer(stream: &mut TcpStream, root: &Path, let_in: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let Some(first) = head.first() else { return };
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let header = |name: &str| {
        let of = |line: &String| {
            Some(line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name))?.1.to_owned())
        };
        head.iter().find_map(of)
    };
    if header("Authorization").as_deref() != Some(ALLOWED) {
        let refusal = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes()).unwrap();
    }
    let_in.fetch_add(1, Ordering::Relaxed);
    let mut body = vec![0; header("Content-Length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REMOTE_USER", "models"), ("REQUEST_METHOD", method)])
        .envs([("PATH_INFO", path), ("QUERY_STRING", query)])
        .env("CONTENT_TYPE", header("Content-Type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("Content-Encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", header("Git-Protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    backend.stdin.take().unwrap().write_all(&body).unwrap();
    let said = backend.wait_with_output().unwrap().stdout;
    let text = String::from_utf8_lossy(&said);
    let status = text.lines().next().and_then(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let begins = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    stream.write_all(begins.as_bytes()).unwrap();
    stream.write_all(&said).unwrap();
}

#[test]
fn over_http_with_a_token_that_nobody_sees() {
    let team = Team::new();
    team.push(PATH, b"a\n");
    team.push("large", &vec![7; 1 << 20]);
    team.git(&["-C", "team.git", "config", "uploadpack.allowFilter", "true"]);
    team.git(&["-C", "team.git", "config", "uploadpack.allowAnySHA1InWant", "true"]);
    let server = HttpServer::new(team.0.path());
    let url = format!("http://{}/team.git", server.address);
    let file = |token: &str| {
        let credentials = GitCredentials::Token { username: "models".to_owned(), token: token.to_owned() };
        GitFile::new(team.options(&url, credentials), &team.0.path().join("work"))
    };
    let mut allowed = file("s3cr:t/");
    assert_eq!(allowed.read(&go()).unwrap().text.as_deref(), Some("a\n"));
    assert!(matches!(allowed.change(&put("b\n"), &go()), Ok(Changed::Committed(_))));
    assert_eq!(team.show(PATH), "b\n");
    assert!(server.seen.load(Ordering::Relaxed) > 4);
    let refused = file("0ther:s3cr").read(&go()).unwrap_err().to_string();
    assert!(!refused.contains("s3cr") && refused.contains(&url), "{refused}");
    assert!(!format!("{allowed:?}").contains("s3cr"));
}

#[test]
fn files_of_others_are_not_fetched() {
    let team = Team::new();
    team.push(PATH, b"a\n");
    team.push("large", &vec![7; 1 << 20]);
    team.git(&["-C", "team.git", "config", "uploadpack.allowFilter", "true"]);
    team.git(&["-C", "team.git", "config", "uploadpack.allowAnySHA1InWant", "true"]);
    let (options, folder, stop) =
        (team.options("team.git", GitCredentials::None), team.0.path().join("work"), go());
    let work = Work::begin(&options, &folder, &stop).unwrap();
    let read = work.read().unwrap();
    assert_eq!(read.text.as_deref(), Some("a\n"));
    let commit = work.commit(&Edit { text: "b\n".to_owned(), message: "b".to_owned() }, read.commit.as_ref());
    work.push(&commit.unwrap()).unwrap();
    let large = team.git(&["-C", "team.git", "rev-parse", "main:large"]);
    let found = Command::new("git")
        .args(["cat-file", "--batch-all-objects", "--batch-check"])
        .env("GIT_DIR", folder.join("repository"))
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&found.stdout).contains(large.trim()));
    assert_eq!(team.show(PATH), "b\n");
    team.git(&["-C", "team.git", "fsck", "--strict"]);
}
